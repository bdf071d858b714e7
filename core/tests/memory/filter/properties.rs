//! What a policy takes, against the plainest reading of it.

use fanfare::Attribute;
use fanfare::memory::{FilterPolicy, FilterPolicyError, Scope};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{on_body, takes, text};

/// Few and short values, so that they meet often.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ab]{0,3}".prop_map(|text| json!(text)),
        (-3i32..4).prop_map(|number| json!(number)),
        (-3i32..4).prop_map(|number| json!(f64::from(number) / 2.0)),
        any::<bool>().prop_map(|bool| json!(bool)),
        Just(Value::Null),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let text = || "[ab]{0,2}".prop_map(|text| json!(text));
    let small = || (-3i32..4).prop_map(|number| json!(number));
    prop_oneof![
        scalar(),
        text().prop_map(|text| json!({ "prefix": text })),
        text().prop_map(|text| json!({ "suffix": text })),
        text().prop_map(|text| json!({ "equals-ignore-case": text })),
        "[ab]?\\*[ab]?\\*?[ab]{0,2}\\*?[ab]?"
            .prop_map(|pattern| pattern.replace("***", "*").replace("**", "*"))
            .prop_map(|pattern| json!({ "wildcard": pattern })),
        prop::collection::vec(text(), 1..3).prop_map(|list| json!({ "anything-but": list })),
        prop::collection::vec(small(), 1..3).prop_map(|list| json!({ "anything-but": list })),
        text().prop_map(|text| json!({"anything-but": { "prefix": text }})),
        (
            small(),
            prop_oneof![Just("="), Just("<"), Just("<="), Just(">"), Just(">=")]
        )
            .prop_map(|(number, comparison)| json!({ "numeric": [comparison, number] })),
        (-3i32..0, 0i32..4).prop_map(|(low, high)| json!({ "numeric": [">=", low, "<", high] })),
        any::<bool>().prop_map(|exists| json!({ "exists": exists })),
    ]
}

/// What a reader of the developer guide would compute with pen and paper.
fn naive(conditions: &[Value], values: &[Value]) -> bool {
    let equal = |one: &Value, other: &Value| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    };
    let holds = |condition: &Value, value: &Value| -> bool {
        let Some((operator, operand)) = condition.as_object().and_then(|object| object.iter().next()) else {
            return equal(condition, value);
        };
        let text = value.as_str();
        let pattern = |operator: &str, operand: &Value| {
            let (Some(text), Some(pattern)) = (text, operand.as_str()) else {
                return false;
            };
            match operator {
                "prefix" => text.starts_with(pattern),
                "suffix" => text.ends_with(pattern),
                "equals-ignore-case" => text.eq_ignore_ascii_case(pattern),
                "wildcard" => glob(pattern.as_bytes(), text.as_bytes()),
                other => panic!("{other}"),
            }
        };
        match (operator.as_str(), operand) {
            ("exists", exists) => *exists == json!(true),
            ("anything-but", Value::Object(inner)) => inner
                .iter()
                .all(|(operator, operand)| !pattern(operator, operand)),
            ("anything-but", Value::Array(list)) => list.iter().all(|listed| !equal(listed, value)),
            ("numeric", Value::Array(terms)) => value.as_f64().is_some_and(|number| {
                terms.chunks(2).all(|term| {
                    let bound = term[1].as_f64().unwrap();
                    match term[0].as_str().unwrap() {
                        "=" => number == bound,
                        "<" => number < bound,
                        "<=" => number <= bound,
                        ">" => number > bound,
                        _ => number >= bound,
                    }
                })
            }),
            (operator, operand) => pattern(operator, operand),
        }
    };
    match values {
        [] => conditions.contains(&json!({"exists": false})),
        values => values
            .iter()
            .any(|value| conditions.iter().any(|condition| holds(condition, value))),
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            glob(rest, text) || text.split_first().is_some_and(|(_, text)| glob(pattern, text))
        }
        ([one, pattern @ ..], [other, text @ ..]) => one == other && glob(pattern, text),
        _ => false,
    }
}

/// The policy, unless its wildcards together are too complex.
fn small_enough(policy: Value) -> Result<FilterPolicy, TestCaseError> {
    match FilterPolicy::parse(&policy, Scope::MessageBody) {
        Err(FilterPolicyError::WildcardComplexity { .. }) => Err(TestCaseError::reject("too complex")),
        parsed => Ok(parsed.expect("a valid policy")),
    }
}

proptest! {
    #[test]
    fn evaluation_agrees_with_a_naive_model(
        policy in prop::collection::btree_map("[xyz]", prop::collection::vec(condition(), 1..4), 1..4),
        body in prop::collection::btree_map("[xyz]", prop::collection::vec(scalar(), 0..3), 0..4),
    ) {
        let parsed = small_enough(json!(policy))?;
        let none = Vec::new();
        let expected = policy.iter().all(|(key, conditions)| naive(conditions, body.get(key).unwrap_or(&none)));
        prop_assert_eq!(parsed.matches_body(&json!(body).to_string()), expected);
    }

    #[test]
    fn an_attribute_is_filtered_as_the_same_value_in_a_body(
        conditions in prop::collection::vec(condition(), 1..4),
        value in prop_oneof!["[ab]{1,3}".prop_map(|text| json!(text)), (-3i32..4).prop_map(|number| json!(number))],
    ) {
        let attribute = match &value {
            Value::String(value) => text(value),
            value => Attribute::number(value),
        };
        let body = json!({ "key": value }).to_string();
        let policy = json!({ "key": conditions });
        prop_assert_eq!(takes(policy["key"].clone(), attribute), on_body(policy).matches_body(&body));
    }

    #[test]
    fn anything_but_is_the_negation_of_exact_when_the_key_is_there(
        listed in prop_oneof![
            prop::collection::vec("[ab]{0,2}".prop_map(|text| json!(text)), 1..4),
            prop::collection::vec((-3i32..4).prop_map(|number| json!(number)), 1..4),
        ],
        value in scalar(),
    ) {
        let body = json!({ "key": value }).to_string();
        let exact = on_body(json!({ "key": listed })).matches_body(&body);
        let but = on_body(json!({ "key": [{ "anything-but": listed }] })).matches_body(&body);
        prop_assert_ne!(exact, but);
    }

    #[test]
    fn or_distributes(
        common in prop::collection::vec(condition(), 1..3),
        one in prop::collection::vec(condition(), 1..3),
        other in prop::collection::vec(condition(), 1..3),
        body in prop::collection::btree_map("[abc]", scalar(), 0..4),
    ) {
        let body = json!(body).to_string();
        let together = small_enough(json!({"a": common, "$or": [{"b": one}, {"c": other}]}))?;
        let first = on_body(json!({"a": common, "b": one}));
        let second = on_body(json!({"a": common, "c": other}));
        prop_assert_eq!(together.matches_body(&body), first.matches_body(&body) || second.matches_body(&body));
    }
}

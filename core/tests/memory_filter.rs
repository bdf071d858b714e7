//! Filter policies behave as SNS's do.
#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use fanfare::memory::{FilterPolicy, FilterPolicyError, Scope};
use fanfare::{Attribute, Attributes};
use proptest::prelude::*;
use serde_json::{Value, json};

fn on_attributes(policy: Value) -> FilterPolicy {
    FilterPolicy::parse(&policy, Scope::MessageAttributes).expect("a valid policy")
}

fn on_body(policy: Value) -> FilterPolicy {
    FilterPolicy::parse(&policy, Scope::MessageBody).expect("a valid policy")
}

fn refused(policy: Value, scope: Scope) -> FilterPolicyError {
    FilterPolicy::parse(&policy, scope).expect_err("a policy that SNS refuses")
}

/// Whether `{"key": conditions}` takes a message whose attribute `key` is this.
fn takes(conditions: Value, attribute: Attribute) -> bool {
    let attributes = Attributes::from([("key".to_owned(), attribute)]);
    on_attributes(json!({ "key": conditions })).matches_attributes(&attributes)
}

fn text(value: &str) -> Attribute {
    Attribute::string(value)
}

fn number(value: &str) -> Attribute {
    Attribute::number(value)
}

#[test]
fn exact_strings_match_with_their_case() {
    assert!(takes(json!(["rugby", "tennis"]), text("tennis")));
    assert!(!takes(json!(["rugby", "tennis"]), text("Tennis")));
    assert!(!takes(json!(["rugby"]), text("rugby ")));
}

#[test]
fn an_exact_string_matches_any_element_of_a_string_array() {
    assert!(takes(
        json!(["rugby"]),
        Attribute::array(r#"["football","rugby"]"#)
    ));
    assert!(!takes(json!(["rugby"]), Attribute::array(r#"["football"]"#)));
    assert!(!takes(json!(["rugby"]), Attribute::array("not json")));
    assert!(takes(json!([true]), Attribute::array("[true, null]")));
    assert!(takes(json!([null]), Attribute::array("[true, null]")));
    assert!(takes(json!([3]), Attribute::array("[1, 3.0]")));
}

#[test]
fn exact_numbers_compare_as_numbers_and_never_with_strings() {
    assert!(takes(json!([2]), number("2.0")));
    assert!(takes(json!([2.5]), number("2.50")));
    assert!(!takes(json!([2]), number("3")));
    assert!(!takes(json!([2]), text("2")));
    assert!(!takes(json!(["2"]), number("2")));
}

#[test]
fn anything_but_takes_what_is_not_listed_and_needs_the_key() {
    assert!(takes(json!([{"anything-but": "rugby"}]), text("tennis")));
    assert!(!takes(
        json!([{"anything-but": ["rugby", "tennis"]}]),
        text("tennis")
    ));
    assert!(takes(json!([{"anything-but": [100, 500]}]), number("101")));
    assert!(!takes(json!([{"anything-but": [100, 500]}]), number("100.0")));
    assert!(takes(
        json!([{"anything-but": ["rugby"]}]),
        Attribute::array(r#"["rugby","baseball"]"#)
    ));
    assert!(!takes(
        json!([{"anything-but": ["rugby"]}]),
        Attribute::array(r#"["rugby"]"#)
    ));
    let policy = on_attributes(json!({"key": [{"anything-but": "rugby"}]}));
    assert!(!policy.matches_attributes(&Attributes::from([("other".to_owned(), text("x"))])));
}

#[test]
fn anything_but_takes_patterns() {
    assert!(!takes(
        json!([{"anything-but": {"prefix": "order-"}}]),
        text("order-1")
    ));
    assert!(takes(
        json!([{"anything-but": {"prefix": "order-"}}]),
        text("order_1")
    ));
    assert!(!takes(
        json!([{"anything-but": {"suffix": "ball"}}]),
        text("football")
    ));
    assert!(takes(
        json!([{"anything-but": {"suffix": "ball"}}]),
        text("rugby")
    ));
    assert!(!takes(
        json!([{"anything-but": {"wildcard": "*ball"}}]),
        text("football")
    ));
    assert!(takes(
        json!([{"anything-but": {"wildcard": "*ball"}}]),
        text("balls")
    ));
}

#[test]
fn prefix_suffix_and_ignored_case() {
    assert!(takes(json!([{"prefix": "bas"}]), text("baseball")));
    assert!(!takes(json!([{"prefix": "bas"}]), text("abas")));
    assert!(takes(json!([{"suffix": "ball"}]), text("baseball")));
    assert!(!takes(json!([{"suffix": "ball"}]), text("balls")));
    assert!(takes(json!([{"equals-ignore-case": "TenNis"}]), text("tENnis")));
    assert!(!takes(json!([{"equals-ignore-case": "tennis"}]), text("tennis2")));
}

#[test]
fn wildcards_match_any_characters_and_escapes_are_literal() {
    assert!(takes(
        json!([{"wildcard": "*/images/*.png"}]),
        text("a/b/images/c/d.png")
    ));
    assert!(!takes(
        json!([{"wildcard": "*/images/*.png"}]),
        text("a/images.png")
    ));
    assert!(takes(json!([{"wildcard": "a*a"}]), text("aa")));
    assert!(!takes(json!([{"wildcard": "a*a"}]), text("a")));
    assert!(
        !takes(json!([{"wildcard": "*b*b*"}]), text("abc")),
        "each wildcard part takes its own place"
    );
    assert!(takes(json!([{"wildcard": r"5\*"}]), text("5*")));
    assert!(!takes(json!([{"wildcard": r"5\*"}]), text("55")));
}

#[test]
fn numeric_comparisons_and_ranges() {
    assert!(takes(json!([{"numeric": ["=", 301.5]}]), number("3.015e2")));
    assert!(!takes(json!([{"numeric": ["<", 0]}]), number("0")));
    assert!(takes(json!([{"numeric": ["<=", 0]}]), number("0")));
    assert!(takes(json!([{"numeric": [">", 0, "<=", 150]}]), number("150")));
    assert!(!takes(json!([{"numeric": [">", 0, "<=", 150]}]), number("0")));
    assert!(!takes(json!([{"numeric": [">=", 0, "<", 150]}]), number("150")));
    assert!(!takes(json!([{"numeric": [">", 0]}]), text("5")));
    assert!(
        !takes(json!([{"numeric": [">", 0]}]), number("2000000000")),
        "beyond what SNS compares"
    );
}

#[test]
fn exists_asks_for_the_key() {
    let there = on_attributes(json!({"key": [{"exists": true}]}));
    let not = on_attributes(json!({"key": [{"exists": false}]}));
    let with = Attributes::from([("key".to_owned(), text("x"))]);
    let without = Attributes::from([("other".to_owned(), text("x"))]);
    assert!(there.matches_attributes(&with) && !there.matches_attributes(&without));
    assert!(!not.matches_attributes(&with) && not.matches_attributes(&without));
    // SNS: "only works if at least one attribute is present".
    assert!(!not.matches_attributes(&Attributes::new()));
}

#[test]
fn cidr_takes_addresses_of_a_network() {
    assert!(takes(json!([{"cidr": "10.0.0.0/24"}]), text("10.0.0.255")));
    assert!(!takes(json!([{"cidr": "10.0.0.0/24"}]), text("10.0.1.1")));
    assert!(takes(json!([{"cidr": "0.0.0.0/0"}]), text("192.168.1.1")));
    assert!(takes(json!([{"cidr": "2001:db8::/32"}]), text("2001:db8:1::1")));
    assert!(takes(json!([{"cidr": "::/0"}]), text("2001:db8:1::1")));
    assert!(!takes(json!([{"cidr": "::/0"}]), text("10.0.0.1")));
    assert!(!takes(json!([{"cidr": "10.0.0.0/24"}]), text("no address")));
}

#[test]
fn keys_are_joined_by_and_values_by_or() {
    let policy = on_attributes(json!({"a": ["1", "2"], "b": [{"prefix": "x"}]}));
    let with = |a: &str, b: &str| {
        Attributes::from([
            ("a".to_owned(), text(a)),
            ("b".to_owned(), text(b)),
            ("c".to_owned(), text("z")),
        ])
    };
    assert!(policy.matches_attributes(&with("2", "xy")));
    assert!(!policy.matches_attributes(&with("3", "xy")));
    assert!(!policy.matches_attributes(&with("2", "y")));
    assert!(
        on_attributes(json!({})).matches_attributes(&Attributes::new()),
        "an empty policy takes all"
    );
    assert!(on_body(json!({})).matches_body("not even json"));
}

#[test]
fn or_takes_one_of_its_objects_besides_the_other_keys() {
    let policy = on_attributes(json!({
        "source": ["aws.cloudwatch"],
        "$or": [{"metric": ["cpu"]}, {"namespace": ["ec2"], "metric": ["disk"]}]
    }));
    let with = |pairs: &[(&str, &str)]| {
        let attributes = pairs.iter().map(|(name, value)| (name.to_string(), text(value)));
        policy.matches_attributes(&attributes.collect())
    };
    assert!(with(&[("source", "aws.cloudwatch"), ("metric", "cpu")]));
    assert!(with(&[
        ("source", "aws.cloudwatch"),
        ("metric", "disk"),
        ("namespace", "ec2")
    ]));
    assert!(!with(&[("source", "aws.cloudwatch"), ("metric", "disk")]));
    assert!(!with(&[("metric", "cpu")]));
}

#[test]
fn a_body_is_filtered_by_nested_keys_and_through_lists() {
    let policy =
        on_body(json!({"order": {"customer": {"country": ["CH", {"prefix": "D"}]}}, "tags": ["gift"]}));
    let body = |country: Value, tags: Value| {
        json!({"order": {"customer": {"country": country}}, "tags": tags, "more": 1}).to_string()
    };
    assert!(policy.matches_body(&body(json!("DE"), json!(["book", "gift"]))));
    assert!(policy.matches_body(&body(json!(["FR", "CH"]), json!("gift"))));
    assert!(!policy.matches_body(&body(json!("FR"), json!("gift"))));
    assert!(!policy.matches_body(&body(json!("CH"), json!([]))));
    assert!(!policy.matches_body("[]"));
    assert!(!policy.matches_body("{"));
    let records = on_body(json!({"records": {"key": [{"prefix": "a"}]}}));
    assert!(records.matches_body(r#"{"records":[{"key":"b"},{"key":"ab"}]}"#));
    assert!(!records.matches_body(r#"{"records":[{"key":"b"}]}"#));
    assert!(
        on_body(json!({"a": {"b": [1]}})).matches_body(r#"{"a.b": 1}"#),
        "SNS joins keys by dots"
    );
    assert!(on_body(json!({"a": {"b": [{"exists": false}]}})).matches_body(r#"{"a": {"c": 1}}"#));
    assert!(on_body(json!({"a": {"$or": [{"b": [1]}, {"c": [2]}]}})).matches_body(r#"{"a": {"c": 2}}"#));
}

#[test]
fn nested_keys_are_refused_on_attributes() {
    let error = refused(json!({"a": {"b": ["x"]}}), Scope::MessageAttributes);
    assert_eq!(error, FilterPolicyError::Nested { key: "a".into() });
}

#[test]
fn more_than_five_keys_are_refused_with_their_names() {
    let policy = json!({"a": [1], "b": [1], "c": [1], "d": [1], "e": [1], "f": [1]});
    let error = refused(policy, Scope::MessageAttributes);
    assert_eq!(
        error.to_string(),
        "the filter policy has the 6 keys a, b, c, d, e, f, of at most 5: filter on fewer"
    );
    // Only leaves count.
    on_body(json!({"a": {"b": [1], "c": [1]}, "d": {"e": {"f": [1], "g": [1]}}, "h": [1]}));
    let six = json!({"a": {"b": [1], "c": [1]}, "d": {"e": {"f": [1], "g": [1], "x": [1]}}, "h": [1]});
    assert!(matches!(
        refused(six, Scope::MessageBody),
        FilterPolicyError::TooManyKeys { .. }
    ));
}

#[test]
fn more_than_150_combinations_are_refused_with_the_number() {
    let values = |count: usize| json!((0..count).map(|value| value.to_string()).collect::<Vec<_>>());
    on_attributes(json!({"a": values(150)}));
    on_attributes(json!({"a": values(15), "b": values(10)}));
    let error = refused(
        json!({"a": values(16), "b": values(10)}),
        Scope::MessageAttributes,
    );
    assert_eq!(error, FilterPolicyError::TooManyCombinations { count: 160 });
    // The developer guide's example: 4 values three levels deep, 3 values two levels deep, make 72.
    on_body(json!({"a": {"b": {"c": values(4)}}, "d": {"e": values(3)}}));
    let error = refused(
        json!({"a": {"b": {"c": values(4)}}, "d": {"e": values(7)}}),
        Scope::MessageBody,
    );
    assert_eq!(error, FilterPolicyError::TooManyCombinations { count: 168 });
    // Seen at SNS itself: four levels deep, 36 values pass and 40 don't.
    on_body(json!({"a": {"b": {"c": {"d": values(36)}}}}));
    refused(json!({"a": {"b": {"c": {"d": values(40)}}}}), Scope::MessageBody);
    // The alternatives of an $or add up.
    let error = refused(
        json!({"a": values(10), "$or": [{"b": values(10)}, {"c": values(6)}]}),
        Scope::MessageAttributes,
    );
    assert_eq!(error, FilterPolicyError::TooManyCombinations { count: 160 });
}

#[test]
fn a_policy_over_256_kib_is_refused() {
    let error = refused(json!({"a": ["x".repeat(256 * 1024)]}), Scope::MessageAttributes);
    assert_eq!(
        error,
        FilterPolicyError::TooLarge {
            size: 256 * 1024 + 10
        }
    );
}

#[test]
fn numbers_out_of_range_or_too_fine_are_refused() {
    on_attributes(json!({"a": [1e9, -1e9, 0.00001, 123456789.12345]}));
    for wrong in [
        json!(1_000_000_001),
        json!(-1.1e9),
        json!(0.000001),
        json!(1.123456),
    ] {
        let expected = FilterPolicyError::Number {
            key: "a".into(),
            number: wrong.to_string(),
        };
        assert_eq!(refused(json!({"a": [wrong]}), Scope::MessageAttributes), expected);
        assert_eq!(
            refused(
                json!({"a": [{"numeric": [">", wrong]}]}),
                Scope::MessageAttributes
            ),
            expected
        );
    }
}

#[test]
fn wildcards_over_snss_complexity_are_refused() {
    let error = refused(json!({"a": [{"wildcard": "a*b*c*d*"}]}), Scope::MessageAttributes);
    assert_eq!(
        error,
        FilterPolicyError::TooManyWildcards {
            key: "a".into(),
            pattern: "a*b*c*d*".into(),
            count: 4
        }
    );
    assert!(matches!(
        refused(json!({"a": [{"wildcard": "a**"}]}), Scope::MessageAttributes),
        FilterPolicyError::Wildcard { .. }
    ));
    // Seen at SNS itself: four patterns with two wildcards pass (24 points times 4), five don't.
    let patterns = |count: usize| -> Value {
        (0..count)
            .map(|site| json!({"wildcard": format!("*/K{site}/*")}))
            .collect()
    };
    on_attributes(json!({"a": patterns(4)}));
    let error = refused(json!({"a": patterns(5)}), Scope::MessageAttributes);
    assert_eq!(error, FilterPolicyError::WildcardComplexity { points: 150 });
}

#[test]
fn malformed_policies_are_refused_with_the_key() {
    let cases = [
        (json!([]), "a filter policy is a JSON object"),
        (json!({"a": []}), "the key `a` has an empty list"),
        (json!({"a": "x"}), "the key `a` has a bare value"),
        (json!({"a": [["x"]]}), "the key `a` lists a list"),
        (
            json!({"a": [{"like": "x"}]}),
            "the key `a` uses the unknown operator `like`",
        ),
        (json!({"a": [{}]}), "the key `a` has an element with 0 operators"),
        (
            json!({"a": [{"prefix": "x", "suffix": "y"}]}),
            "the key `a` has an element with 2 operators",
        ),
        (
            json!({"a": [{"prefix": 1}]}),
            "the key `a`: `prefix` takes a string",
        ),
        (
            json!({"a": [{"exists": "yes"}]}),
            "the key `a`: `exists` takes true or false",
        ),
        (
            json!({"a": [{"anything-but": []}]}),
            "the key `a`: `anything-but` takes",
        ),
        (
            json!({"a": [{"anything-but": ["x", 1]}]}),
            "the key `a`: `anything-but` takes",
        ),
        (
            json!({"a": [{"anything-but": {"cidr": "::/0"}}]}),
            "the key `a`: `anything-but` takes",
        ),
        (json!({"a": [{"numeric": []}]}), "the key `a`: `numeric` takes"),
        (
            json!({"a": [{"numeric": ["<", 1, ">", 0]}]}),
            "the key `a`: `numeric` takes",
        ),
        (
            json!({"a": [{"numeric": [">", 5, "<", 5]}]}),
            "the key `a`: `numeric` takes",
        ),
        (
            json!({"a": [{"numeric": ["!=", 5]}]}),
            "the key `a`: `numeric` takes",
        ),
        (json!({"a": [{"cidr": "10.0.0.0"}]}), "the key `a`: `cidr` takes"),
        (
            json!({"a": [{"cidr": "10.0.0.0/33"}]}),
            "the key `a`: `cidr` takes",
        ),
        (
            json!({"$or": [{"a": ["x"]}]}),
            "`$or` takes a list of at least two objects",
        ),
        (
            json!({"$or": [{"a": ["x"]}, {}]}),
            "`$or` takes a list of at least two objects",
        ),
    ];
    for (policy, expected) in cases {
        let error = refused(policy.clone(), Scope::MessageAttributes).to_string();
        assert!(error.starts_with(expected), "{policy}: {error}");
    }
}

#[test]
fn binary_attributes_are_as_if_they_were_not_there() {
    let attributes = Attributes::from([("key".to_owned(), Attribute::Binary { value: vec![1] })]);
    assert!(!on_attributes(json!({"key": [{"exists": true}]})).matches_attributes(&attributes));
    assert!(on_attributes(json!({"key": [{"exists": false}]})).matches_attributes(&attributes));
}

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

//! Policies that SNS refuses.

use fanfare::memory::{FilterPolicyError, Scope};
use serde_json::{Value, json};

use super::{on_attributes, on_body, refused};

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

//! Filter policies behave as SNS's do.

mod properties;
mod refused;

use fanfare::memory::{FilterPolicy, FilterPolicyError, Scope};
use fanfare::{Attribute, Attributes};
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
fn binary_attributes_are_as_if_they_were_not_there() {
    let attributes = Attributes::from([("key".to_owned(), Attribute::Binary { value: vec![1] })]);
    assert!(!on_attributes(json!({"key": [{"exists": true}]})).matches_attributes(&attributes));
    assert!(on_attributes(json!({"key": [{"exists": false}]})).matches_attributes(&attributes));
}

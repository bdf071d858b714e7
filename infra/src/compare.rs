//! What attributes are against what they should be.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Difference, Resource};

/// Attributes by their names.
pub(crate) type Attributes = BTreeMap<&'static str, String>;

/// The attributes that are other than they should be; those that nobody asks for don't count.
pub(crate) fn differences<'a>(
    resource: &Resource,
    should_be: &Attributes,
    is: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (name, should_be) in should_be {
        let is = is(name).filter(|is| !is.is_empty());
        if !is.is_some_and(|is| same(is, should_be)) {
            differences.push(Difference::new(resource, *name, is.map(str::to_owned), should_be));
        }
    }
    differences
}

/// Whether two attributes mean the same: policies in JSON are compared as such.
fn same(is: &str, should_be: &str) -> bool {
    let policy = |text| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    match (policy(is), policy(should_be)) {
        (Some(is), Some(should_be)) => canonical(is) == canonical(should_be),
        _ => is.eq_ignore_ascii_case(should_be),
    }
}

/// One form for what means the same in AWS's policies: a value or a list of it alone, lists in any
/// order, a number or its text.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, canonical(value)))
            .collect(),
        Value::Array(values) => {
            let mut values: Vec<Value> = values.into_iter().map(canonical).collect();
            values.sort_by_key(Value::to_string);
            match values.len() {
                1 => values.remove(0),
                _ => Value::Array(values),
            }
        }
        Value::Number(number) => Value::String(number.to_string()),
        other => other,
    }
}

/// The ARNs of the queues that a redrive policy names.
pub(crate) fn queues(policy: &str) -> Vec<String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let named = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    };
    ["deadLetterTargetArn", "sourceQueueArns"]
        .iter()
        .filter_map(|name| policy.get(name))
        .flat_map(named)
        .filter_map(|arn| arn.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn policies_are_the_same_however_they_are_written() {
        assert!(same(
            r#"{"b": "1", "a": ["y", "x"], "c": ["z"]}"#,
            r#"{"a":["x","y"],"b":1,"c":"z"}"#
        ));
        assert!(!same(r#"{"a": ["x", "y"]}"#, r#"{"a": ["x"]}"#));
        assert!(!same(r#"{"a": "x"}"#, r#"{"a": "X"}"#));
        assert!(!same(r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#));
    }

    #[test]
    fn what_is_no_policy_is_the_same_text() {
        assert!(same("30", "30"));
        assert!(same("True", "true"));
        assert!(!same("30", "300"));
        assert!(!same("", r#"{"a": 1}"#));
    }
}

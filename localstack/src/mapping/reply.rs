//! What a function answers with when it reports what failed.

use serde_json::Value;

/// The identifiers of what failed, by Lambda's rules: a null reply, an empty one and an empty or null
/// list say that all is done.
///
/// # Errors
/// What is wrong with the reply, which makes the whole batch fail: it is no such answer, or an
/// identifier is missing, null or empty.
pub(super) fn failures(reply: &Value) -> Result<Vec<&str>, String> {
    let list = match reply {
        Value::Null => return Ok(Vec::new()),
        Value::Object(reply) => reply.get("batchItemFailures").unwrap_or(&Value::Null),
        _ => return Err("the reply is no object".to_owned()),
    };
    let list = match list {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        _ => return Err("`batchItemFailures` is no list".to_owned()),
    };
    let mut identifiers = Vec::with_capacity(list.len());
    for failure in list {
        match failure.get("itemIdentifier").and_then(Value::as_str) {
            Some(identifier) if !identifier.is_empty() => identifiers.push(identifier),
            _ => return Err("an `itemIdentifier` is missing, null or empty".to_owned()),
        }
    }
    Ok(identifiers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::failures;

    #[test]
    fn nothing_failed_in_all_the_ways_to_say_so() {
        for reply in [
            json!(null),
            json!({}),
            json!({"batchItemFailures": []}),
            json!({"batchItemFailures": null}),
        ] {
            assert_eq!(failures(&reply), Ok(Vec::new()), "{reply}");
        }
    }

    #[test]
    fn what_failed_is_named() {
        let reply = json!({"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "a"}]});
        assert_eq!(failures(&reply), Ok(vec!["b", "a"]));
    }

    #[test]
    fn a_reply_that_is_none_fails_the_batch() {
        for reply in [
            json!("done"),
            json!([]),
            json!({"batchItemFailures": "a"}),
            json!({"batchItemFailures": ["a"]}),
            json!({"batchItemFailures": [{"itemIdentifier": ""}]}),
            json!({"batchItemFailures": [{"itemIdentifier": null}]}),
            json!({"batchItemFailures": [{"itemIdentifier": 1}]}),
            json!({"batchItemFailures": [{"messageId": "a"}]}),
            json!({"batchItemFailures": [{"itemIdentifier": "a"}, {}]}),
        ] {
            assert!(failures(&reply).is_err(), "{reply}");
        }
    }
}

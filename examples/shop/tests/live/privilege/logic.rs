//! That the evaluator judges as AWS's documentation says ("Policy evaluation logic", "IAM JSON policy
//! elements"): what the roles are tried by must itself be right.

use iam_rs::{Decision, IAMPolicy};
use serde_json::{Value, json};

use super::roles::decision;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:shop-payment";

fn judged(statements: Value, action: &str, resource: &str) -> Decision {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let policy = IAMPolicy::from_json(&document.to_string()).unwrap();
    decision(&policy, action, resource).unwrap()
}

fn allow(action: Value, resource: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

#[test]
fn what_nothing_allows_is_denied() {
    assert_eq!(
        judged(json!([]), "sqs:SendMessage", QUEUE),
        Decision::NotApplicable
    );
    let other = allow(json!("sqs:SendMessage"), json!(format!("{QUEUE}-dlq")));
    assert_eq!(
        judged(json!([other]), "sqs:SendMessage", QUEUE),
        Decision::NotApplicable
    );
    let other = allow(json!("sqs:ReceiveMessage"), json!(QUEUE));
    assert_eq!(
        judged(json!([other]), "sqs:SendMessage", QUEUE),
        Decision::NotApplicable
    );
}

#[test]
fn an_explicit_denial_overrides_every_permission_wherever_it_stands() {
    let allowed = allow(json!("*"), json!("*"));
    let denied = json!({"Effect": "Deny", "Action": "sqs:Send*", "Resource": "*"});
    for statements in [json!([allowed, denied]), json!([denied, allowed])] {
        assert_eq!(
            judged(statements.clone(), "sqs:SendMessage", QUEUE),
            Decision::Deny
        );
        assert_eq!(judged(statements, "sqs:ReceiveMessage", QUEUE), Decision::Allow);
    }
}

#[test]
fn one_permission_of_several_is_enough() {
    let both = json!([
        allow(json!(["sqs:ReceiveMessage"]), json!([QUEUE])),
        allow(
            json!(["sns:Publish", "sqs:SendMessage"]),
            json!(["arn:aws:sns:*:*:t", QUEUE])
        ),
    ]);
    assert_eq!(judged(both, "sqs:SendMessage", QUEUE), Decision::Allow);
}

#[test]
fn actions_have_wildcards_and_no_case() {
    for action in [
        "*",
        "sqs:*",
        "sqs:Send*",
        "sqs:SendMessag?",
        "SQS:sendmessage",
        "sqs:*Message",
    ] {
        let allowed = allow(json!(action), json!("*"));
        assert_eq!(
            judged(json!([allowed]), "sqs:SendMessage", QUEUE),
            Decision::Allow,
            "{action}"
        );
    }
    for action in ["sns:*", "sqs:Send", "sqs:SendMessage?", "sqs:*Batch"] {
        let allowed = allow(json!(action), json!("*"));
        assert_eq!(
            judged(json!([allowed]), "sqs:SendMessage", QUEUE),
            Decision::NotApplicable,
            "{action}"
        );
    }
}

#[test]
fn resources_have_wildcards_and_case() {
    for resource in [
        "*",
        "arn:aws:sqs:us-east-1:000000000000:*",
        "arn:aws:sqs:us-east-1:000000000000:shop-pay?ent",
        "arn:aws:sqs:*:000000000000:shop-payment",
        "arn:aws:sqs:us-east-1:*:shop-*",
    ] {
        let allowed = allow(json!("sqs:*"), json!(resource));
        assert_eq!(
            judged(json!([allowed]), "sqs:SendMessage", QUEUE),
            Decision::Allow,
            "{resource}"
        );
    }
    for resource in [
        "arn:aws:sqs:us-east-1:000000000000:Shop-payment",
        "arn:aws:sqs:us-east-1:000000000000:shop-pay",
        "arn:aws:sqs:us-east-1:000000000000:shop-payment?",
        "arn:aws:sqs:eu-*:000000000000:shop-payment",
        "arn:aws:sqs:us-east-1:111111111111:shop-payment",
        "arn:aws:sns:us-east-1:000000000000:shop-payment",
        "arn:aws-cn:sqs:us-east-1:000000000000:shop-payment",
    ] {
        let allowed = allow(json!("sqs:*"), json!(resource));
        assert_eq!(
            judged(json!([allowed]), "sqs:SendMessage", QUEUE),
            Decision::NotApplicable,
            "{resource}"
        );
    }
}

#[test]
fn a_table_is_not_its_indexes_nor_its_stream() {
    let table = "arn:aws:dynamodb:us-east-1:000000000000:table/shop";
    let alone = json!([allow(json!("dynamodb:Query"), json!(table))]);
    assert_eq!(judged(alone.clone(), "dynamodb:Query", table), Decision::Allow);
    for part in ["/index/pending", "/stream/2026-11-21T22:15:07.123", "-orders"] {
        let part = format!("{table}{part}");
        assert_eq!(
            judged(alone.clone(), "dynamodb:Query", &part),
            Decision::NotApplicable,
            "{part}"
        );
    }
    let indexes = json!([allow(json!("dynamodb:Query"), json!(format!("{table}/index/*")))]);
    assert_eq!(
        judged(
            indexes.clone(),
            "dynamodb:Query",
            &format!("{table}/index/pending")
        ),
        Decision::Allow
    );
    assert_eq!(judged(indexes, "dynamodb:Query", table), Decision::NotApplicable);
}

#[test]
fn all_but_what_is_named() {
    let others = json!([{"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"}]);
    assert_eq!(
        judged(others.clone(), "sqs:SendMessage", QUEUE),
        Decision::NotApplicable
    );
    assert_eq!(judged(others, "sns:Publish", QUEUE), Decision::Allow);
    let elsewhere = json!([{"Effect": "Allow", "Action": "sqs:*", "NotResource": QUEUE}]);
    assert_eq!(
        judged(elsewhere.clone(), "sqs:SendMessage", QUEUE),
        Decision::NotApplicable
    );
    assert_eq!(
        judged(elsewhere, "sqs:SendMessage", &format!("{QUEUE}-dlq")),
        Decision::Allow
    );
}

#[test]
fn a_condition_on_what_the_request_lacks_does_not_hold() {
    let mut conditional = allow(json!("kms:Decrypt"), json!("*"));
    conditional["Condition"] = json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/shop"}});
    let key = "arn:aws:kms:us-east-1:000000000000:key/17";
    assert_eq!(
        judged(json!([conditional]), "kms:Decrypt", key),
        Decision::NotApplicable
    );
}

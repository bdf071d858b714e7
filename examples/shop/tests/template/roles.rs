//! What roles allow: by name, and to each what it does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{list, of};

/// Each role's statements.
fn statements(template: &Value) -> BTreeMap<&str, Vec<&Value>> {
    let roles = of(template, "AWS::IAM::Role").into_iter();
    roles
        .map(|(id, role)| {
            let policies = list(&role["Policies"]).into_iter();
            let statements = policies.flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
            (id, statements.collect())
        })
        .collect()
}

/// What a role may do with this resource.
fn may(template: &Value, role: &str, resource: &Value) -> BTreeSet<String> {
    let all = statements(template);
    let on = all[role]
        .iter()
        .filter(|statement| list(&statement["Resource"]).contains(&resource));
    on.flat_map(|statement| list(&statement["Action"]))
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

fn arn(id: &str) -> Value {
    json!({"Fn::GetAtt": [id, "Arn"]})
}

#[test]
fn every_role_names_what_it_allows() {
    let template = crate::json();
    for (role, statements) in statements(&template) {
        assert!(!statements.is_empty(), "{role}");
        for statement in statements {
            assert_eq!(statement["Effect"], "Allow", "{role}");
            for action in list(&statement["Action"]) {
                assert!(!action.as_str().unwrap().contains('*'), "{role}: {action}");
            }
            for resource in list(&statement["Resource"]) {
                // This one names no resource.
                let unnamed = statement["Action"] == json!(["ecr:GetAuthorizationToken"]);
                assert!(resource != "*" || unnamed, "{role}: {statement}");
                // Streams of logs and tasks have names that nobody knows before.
                if let Some(text) = resource.pointer("/Fn::Sub").and_then(Value::as_str) {
                    let known = ["log-group:/ecs/shop/*", "task/${Cluster}/*"];
                    let end = text.rsplit_once(':').map_or(text, |(_, end)| end);
                    let named = !text.contains('*') || known.iter().any(|known| known.ends_with(end));
                    assert!(named, "{role}: {text}");
                }
            }
        }
    }
}

#[test]
fn nobody_takes_from_another_s_queue() {
    let template = crate::json();
    let roles = statements(&template);
    for consumer in crate::topology().consumers {
        let id = |what: &str| {
            let words = consumer.name.split('-');
            let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
            words.map(capital).collect::<String>() + what
        };
        let queue = arn(&id("Queue"));
        for role in roles.keys() {
            let takes = may(&template, role, &queue).contains("sqs:ReceiveMessage");
            assert_eq!(takes, *role == id("Role"), "{role} of {}", consumer.name);
        }
    }
}

#[test]
fn a_consumer_s_tables_are_its_own_and_only_what_it_does_with_them() {
    let template = crate::json();
    let of = |role: &str, table: &str| may(&template, role, &arn(table)).into_iter().collect::<Vec<_>>();
    assert_eq!(of("PaymentRole", "LedgerTable"), ["dynamodb:PutItem"]);
    assert_eq!(of("PaymentRole", "BooksTable"), [""; 0]);
    assert_eq!(
        of("InventoryRole", "ShelvesTable"),
        ["dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
    );
    assert_eq!(
        of("PaymentRole", "FanfareTable"),
        ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    );
}

#[test]
fn a_function_publishes_nothing_and_what_relays_publishes_to_the_topics_and_queues_that_are_published_to() {
    let template = crate::json();
    let roles = statements(&template);
    let publish = |role: &str| -> Vec<&Value> {
        let of = roles[role].iter();
        let publish = of.filter(|statement| statement["Action"] == json!(["sns:Publish"]));
        publish
            .flat_map(|statement| list(&statement["Resource"]))
            .collect()
    };
    assert_eq!(publish("PaymentRole"), [&Value::Null; 0]);
    for role in ["RelayRole", "EmailRole"] {
        assert_eq!(publish(role).len(), 5, "{role}");
        // RefundPayment.
        assert_eq!(
            may(&template, role, &arn("PaymentQueue"))
                .into_iter()
                .collect::<Vec<_>>(),
            ["sqs:SendMessage"]
        );
    }
    assert_eq!(
        may(
            &template,
            "RelayRole",
            &json!({"Fn::GetAtt": ["FanfareTable", "StreamArn"]})
        )
        .len(),
        4
    );
}

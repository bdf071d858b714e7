//! Events as AWS shows them, and such as it never sends.

use std::sync::{Arc, Mutex};

use fanfare::{Delivery, Failure, Handled, Router};
use serde_json::{Value, json};

use crate::support::{OrderPlaced, Seen, World, seconds};

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn noting(seen: &Seen<String>) -> Router {
    let seen = seen.clone();
    Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        seen.note(placed.order.clone());
        async { Ok::<_, Failure>(Handled::Applied) }
    })
}

/// The first records's body is an event of ours; all else is as AWS has it.
fn with_orders(text: &str, world: &World) -> Value {
    let mut event = event(text);
    for (n, record) in event["Records"].as_array_mut().unwrap().iter_mut().enumerate() {
        record["body"] = json!(world.body(&n.to_string()));
    }
    event
}

#[tokio::test(start_paused = true)]
async fn awss_events_are_handled() {
    let world = World::new("q", 3);
    for (text, orders) in [
        (include_str!("../data/sqs-standard.json"), &["0", "1"][..]),
        (include_str!("../data/sqs-fifo.json"), &["0"]),
        (include_str!("../data/sqs-attributes.json"), &["0"]),
    ] {
        let seen = Seen::default();
        let function = world.function(noting(&seen));
        let answer = world
            .invoke(&function, with_orders(text, &world), seconds(30))
            .await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
        assert_eq!(seen.all(), orders);
    }
    assert!(world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_with_sns_inside_is_handled() {
    let (world, seen) = (World::new("q", 3), Seen::default());
    let function = world.function(noting(&seen));
    let answer = world
        .invoke(
            &function,
            event(include_str!("../data/sqs-sns.json")),
            seconds(30),
        )
        .await;
    // Version 2, which nobody here reads: found and tried, and not lost.
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [
        { "itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da" },
    ] })
    );

    let mut event = event(include_str!("../data/sqs-sns.json"));
    let body = event["Records"][0]["body"]
        .as_str()
        .unwrap()
        .replace("order.placed:2", "order.placed:1");
    event["Records"][0]["body"] = json!(body);
    let answer = world.invoke(&function, event, seconds(30)).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(seen.all(), ["17"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_message_is_answered_as_failed_and_the_others_are_handled() {
    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 4] = [
        ("no body", |record| record["body"] = Value::Null),
        ("no receipt", |record| record["receiptHandle"] = Value::Null),
        ("of nowhere", |record| record["eventSourceARN"] = Value::Null),
        ("of another queue", |record| {
            record["eventSourceARN"] = json!("arn:aws:sqs:us-east-2:123456789012:another-queue");
        }),
    ];
    let world = World::new("q", 3);
    for (what, change) in breaks {
        let seen = Seen::default();
        let function = world.function(noting(&seen));
        let mut event = with_orders(include_str!("../data/sqs-standard.json"), &world);
        change(&mut event["Records"][1]);
        let answer = world.invoke(&function, event, seconds(30)).await;
        let failed = json!([{ "itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da" }]);
        assert_eq!(answer["batchItemFailures"], failed, "{what}");
        assert_eq!(seen.all(), ["0"], "{what}");
    }
}

/// It can't be named: an empty name makes Lambda take all for failed.
#[tokio::test(start_paused = true)]
async fn a_record_without_an_id_fails_the_batch() {
    let (world, seen) = (World::new("q", 3), Seen::default());
    let function = world.function(noting(&seen));
    let mut event = with_orders(include_str!("../data/sqs-standard.json"), &world);
    event["Records"][1]["messageId"] = Value::Null;
    let answer = world.invoke(&function, event, seconds(30)).await;
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }));
}

#[tokio::test(start_paused = true)]
async fn handlers_get_what_the_event_says_of_a_message() {
    let world = World::new("q", 3);
    let seen = Arc::new(Mutex::new(None));
    let noted = seen.clone();
    let router = Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        *noted.lock().unwrap() = Some((placed.receive_count(), placed.order.clone()));
        async { Ok::<_, Failure>(Handled::Applied) }
    });
    let function = world.function(router);
    let event = with_orders(include_str!("../data/sqs-attributes.json"), &world);
    world.invoke(&function, event, seconds(30)).await;
    assert_eq!(*seen.lock().unwrap(), Some((2, "0".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn behind_a_record_that_is_no_message_its_fifo_group_waits_and_others_go_on() {
    let (world, seen) = (World::new("q.fifo", 12), Seen::default());
    let function = world.function(noting(&seen));
    let mut event = event(include_str!("../data/sqs-fifo.json"));
    let record = event["Records"][0].clone();
    let records = [("0", "a"), ("1", "a"), ("2", "a"), ("3", "b")].map(|(order, group)| {
        let mut record = record.clone();
        record["messageId"] = json!(order);
        record["attributes"]["MessageGroupId"] = json!(group);
        record["body"] = if order == "1" {
            Value::Null
        } else {
            json!(world.body(order))
        };
        record
    });
    event["Records"] = json!(records);
    let answer = world.invoke(&function, event, seconds(30)).await;
    let failed = json!([{ "itemIdentifier": "1" }, { "itemIdentifier": "2" }]);
    assert_eq!(answer["batchItemFailures"], failed);
    let mut handled = seen.all();
    handled.sort();
    assert_eq!(handled, ["0", "3"]);
}

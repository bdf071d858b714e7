//! The largest batches that Lambda has.

use fanfare::{Delivery, Failure, Handled, Router};
use serde_json::json;

use crate::support::{OrderPlaced, Seen, World, seconds};

fn router(seen: &Seen<String>) -> Router {
    let seen = seen.clone();
    Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        seen.note(placed.order.chars().take(8).collect());
        let first = placed.receive_count() == 1;
        async move {
            match placed.order.ends_with("99") && first {
                true => Err(Failure::retry_after(seconds(5), "not yet")),
                false => Ok(Handled::Applied),
            }
        }
    })
}

/// Shorter ones than ours, or there would be no room for so many.
#[tokio::test(start_paused = true)]
async fn an_event_of_ten_thousand_is_answered_with_what_failed_and_nothing_else() {
    let (world, seen) = (World::new("q", 5), Seen::default());
    let function = world.function(router(&seen));
    let record = |n: usize| {
        json!({
            "messageId": n.to_string(),
            "receiptHandle": "AQEB",
            "body": world.body(&n.to_string()),
            "attributes": { "ApproximateReceiveCount": "1" },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
        })
    };
    let event = json!({ "Records": (0..10_000).map(record).collect::<Vec<_>>() });
    world.invoke(&function, event, seconds(60)).await;
    let failed = &world.invoked.all()[0].failed;
    let expected: Vec<_> = (0..10_000)
        .filter(|n| n % 100 == 99)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(*failed, expected, "in the order in which they came");
    assert_eq!(seen.all().len(), 10_000);
    let calls = world.calls();
    assert_eq!(
        calls["sqs.ChangeMessageVisibilityBatch"], 10,
        "ten in a call: {calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_ten_thousand_whose_event_is_cut_at_6_mb_is_handled_in_parts() {
    let (world, seen) = (World::new("q", 5), Seen::default());
    let function = world.function(router(&seen));
    world.place((0..10_000).map(|n| n.to_string()));
    let mapping = world.mapping().batch(10_000).window(seconds(5));
    world.serve_with(mapping, &function).await;
    let invoked = world.invoked.all();
    let first = &invoked[0];
    assert!(
        (5_000..10_000).contains(&first.orders.len()),
        "{}",
        first.orders.len()
    );
    let failed: usize = invoked.iter().map(|invoked| invoked.failed.len()).sum();
    assert_eq!(failed, 100);
    // Each once, and those that failed twice.
    assert_eq!(seen.all().len(), 10_100);
    assert_eq!(world.dead_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn large_messages_are_cut_into_parts_and_none_is_received_twice() {
    let (world, seen) = (World::new("q", 5), Seen::default());
    let function = world.function(router(&seen));
    // An order's id is in its event twice.
    world.place((0..20).map(|n| format!("{n:04} {}", "x".repeat(450_000))));
    let mapping = world.mapping().batch(100).window(seconds(1));
    world.serve_with(mapping, &function).await;
    let parts: Vec<_> = world
        .invoked
        .all()
        .iter()
        .map(|invoked| invoked.orders.len())
        .collect();
    assert_eq!(parts, [6, 6, 6, 2]);
    assert_eq!(seen.all().len(), 20);
    assert!(world.calls().is_empty());
}

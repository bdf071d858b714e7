//! Calls and their results, entry by entry.

use std::time::Duration;

use fanfare::memory::Entry;
use fanfare::port::{Queue, QueueError, Received};
use fanfare::{Attribute, Attributes};
use fanfare_worker::{SqsQueue, SqsReceipt};
use serde_json::json;
use tokio::time::{advance, sleep};

use crate::support::*;

async fn take(queue: &SqsQueue, count: usize) -> Vec<Received<SqsReceipt>> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(queue.receive(count - all.len(), Duration::ZERO).await.unwrap());
    }
    all
}

fn receipts(received: &[Received<SqsReceipt>]) -> Vec<SqsReceipt> {
    received.iter().map(|received| received.receipt.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_with_all_that_it_has() {
    let ground = Ground::new("shop-billing", 5);
    let attributes = Attributes::from([
        ("type".to_owned(), Attribute::string("order.placed")),
        ("version".to_owned(), Attribute::number(2)),
        ("raw".to_owned(), Attribute::Binary { value: vec![0, 255] }),
    ]);
    let entry = Entry {
        attributes: attributes.clone(),
        group: Some("tenant-1".to_owned()),
        ..Entry::new("an order")
    };
    let sent = ground.broker.send("shop-billing", entry).unwrap();
    let queue = ground.connect().await;
    assert_eq!(
        (queue.name(), queue.visibility_timeout(), queue.max_receives()),
        ("shop-billing", seconds(30), Some(5))
    );
    assert_eq!(queue.dead_letter_queue(), Some("shop-billing-dlq"));
    sleep(seconds(3)).await;
    let received = take(&queue, 1).await.remove(0);
    let message = &received.message;
    assert_eq!((&message.id, &*message.body), (&sent.message_id, "an order"));
    assert_eq!(message.attributes, attributes);
    assert_eq!(
        (message.receive_count, message.group.as_deref()),
        (1, Some("tenant-1"))
    );
    let age = ground
        .broker
        .clock()
        .now()
        .duration_since(message.sent_at)
        .unwrap();
    assert_eq!(age, seconds(3));
    assert_eq!(&*message.queue, "shop-billing");
    let asked = &ground.requests("ReceiveMessage")[0];
    assert_eq!(asked["MessageAttributeNames"], json!(["All"]));
    assert_eq!(
        asked["VisibilityTimeout"],
        json!(30),
        "a changed setting changes no running worker"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_rounded_up_so_that_no_poll_is_a_busy_one() {
    let ground = Ground::new("q", 5);
    let queue = ground.connect().await;
    for wait in [Duration::from_millis(500), seconds(60), Duration::ZERO] {
        assert!(queue.receive(99, wait).await.unwrap().is_empty());
    }
    let asked: Vec<_> = ground
        .requests("ReceiveMessage")
        .iter()
        .map(|request| {
            (
                request["WaitTimeSeconds"].clone(),
                request["MaxNumberOfMessages"].clone(),
            )
        })
        .collect();
    assert_eq!(
        asked,
        [
            (json!(1), json!(10)),
            (json!(20), json!(10)),
            (json!(0), json!(10))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn partial_batch_results_are_told_entry_by_entry() {
    let ground = Ground::new("q", 5);
    ground.send(0..10);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("DeleteMessageBatch" | "ChangeMessageVisibilityBatch", 1) => Act::Part(vec![1, 4], vec![7, 9]),
            _ => Act::Pass,
        })
        .await;
    let received = take(&queue, 10).await;
    let changes = receipts(&received)
        .into_iter()
        .map(|receipt| (receipt, seconds(60)));
    let extended = queue.extend(changes.collect()).await;
    let deleted = queue.delete(receipts(&received)).await;
    for results in [extended, deleted] {
        let failed: Vec<_> = (0..10).filter(|entry| results[*entry].is_err()).collect();
        assert_eq!(failed, [1, 4, 7, 9]);
        assert!(
            failed
                .iter()
                .all(|entry| results[*entry].as_ref().unwrap_err().is_retryable())
        );
        let reason = |entry: usize| results[entry].as_ref().unwrap_err().to_string();
        assert!(
            reason(1).contains("InternalError") && reason(7).contains("no answer"),
            "{results:?}"
        );
    }
    assert_eq!(ground.broker.counts("q").unwrap().in_flight, 4);
}

/// "The same message under two handles" and "duplicate entry ids break the delete batch".
#[tokio::test(start_paused = true)]
async fn the_same_message_under_two_handles_is_deleted_in_one_batch() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground.connect().await;
    let first = take(&queue, 1).await;
    advance(seconds(31)).await;
    let second = take(&queue, 1).await;
    assert_eq!(first[0].message.id, second[0].message.id);
    let both = receipts(&first).into_iter().chain(receipts(&second)).collect();
    let results = queue.delete(both).await;
    assert!(results[1].is_ok(), "{results:?}");
    let ids: Vec<_> = ground.requests("DeleteMessageBatch")[0]["Entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["Id"].clone())
        .collect();
    assert_eq!(ids, ["0", "1"]);
    assert_eq!(ground.broker.counts("q").unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_entries_go_in_several_calls_with_results_in_their_order() {
    let ground = Ground::new("q", 5);
    ground.send(0..25);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("DeleteMessageBatch", 2) => Act::Part(vec![3], vec![]),
            _ => Act::Pass,
        })
        .await;
    let received = take(&queue, 25).await;
    let results = queue.delete(receipts(&received)).await;
    let failed: Vec<_> = (0..25).filter(|entry| results[*entry].is_err()).collect();
    assert_eq!((failed, ground.count("DeleteMessageBatch")), (vec![13], 3));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_time_is_over_is_no_longer_held() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground.connect().await;
    let received = take(&queue, 1).await;
    advance(seconds(31)).await;
    let receipt = received[0].receipt.clone();
    let results = [
        queue.extend(vec![(receipt.clone(), seconds(30))]).await.remove(0),
        queue.release(vec![(receipt, Duration::ZERO)]).await.remove(0),
    ];
    for result in results {
        assert!(matches!(result, Err(QueueError::NotHeld { .. })), "{result:?}");
    }
}

/// "Total visibility is capped at 12 h from receipt".
#[tokio::test(start_paused = true)]
async fn asking_for_more_than_12_hours_says_that_it_can_not_be_held() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground.connect().await;
    let received = take(&queue, 1).await;
    let receipt = received[0].receipt.clone();
    let eleven = seconds(11 * 3600);
    assert!(queue.extend(vec![(receipt.clone(), eleven)]).await[0].is_ok());
    advance(seconds(10 * 3600)).await;
    let result = queue
        .release(vec![(receipt, seconds(2 * 3600 + 1))])
        .await
        .remove(0);
    assert!(matches!(result, Err(QueueError::NotHeld { .. })), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receive_is_tried_once_and_a_settle_call_three_times() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("ReceiveMessage", 1) | ("DeleteMessageBatch", _) => Act::Lose,
            _ => Act::Pass,
        })
        .await;
    let error = queue.receive(1, Duration::ZERO).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(ground.count("ReceiveMessage"), 1);
    let received = take(&queue, 1).await;
    let results = queue.delete(receipts(&received)).await;
    assert!(results[0].as_ref().unwrap_err().is_retryable());
    assert_eq!(ground.count("DeleteMessageBatch"), 3);
}

/// A queue that can't be polled must not take the retries away that settling needs.
#[tokio::test(start_paused = true)]
async fn receives_and_settle_calls_do_not_share_their_retries() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("ReceiveMessage", 2..=400) | ("DeleteMessageBatch", 1) => Act::Lose,
            _ => Act::Pass,
        })
        .await;
    let received = take(&queue, 1).await;
    for _ in 0..300 {
        assert!(queue.receive(1, Duration::ZERO).await.is_err());
    }
    assert!(
        queue.delete(receipts(&received)).await[0].is_ok(),
        "by its second attempt"
    );
}

/// A call that hangs ends: a receive after its wait, the others within seconds.
#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_in_time() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("ReceiveMessage", 2) | ("DeleteMessageBatch", _) => Act::Late(seconds(3600)),
            _ => Act::Pass,
        })
        .await;
    let received = take(&queue, 1).await;
    let start = tokio::time::Instant::now();
    assert!(queue.receive(1, seconds(20)).await.unwrap_err().is_retryable());
    assert_eq!(start.elapsed(), seconds(28));
    let start = tokio::time::Instant::now();
    assert!(
        queue.delete(receipts(&received)).await[0]
            .as_ref()
            .unwrap_err()
            .is_retryable()
    );
    assert!(start.elapsed() <= seconds(10), "{:?}", start.elapsed());
}

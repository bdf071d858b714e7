//! Copied, and only then deleted.

use std::time::Duration;

use fanfare::fault::Life;
use fanfare::memory::Entry;
use fanfare::port::{DEAD_LETTER_ATTRIBUTE, DeadLetter, Queue, QueueError, Received};
use fanfare::{Attribute, Attributes, dead_letter_name};
use fanfare_worker::{SqsQueue, SqsReceipt};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::*;

fn letter(received: &Received<SqsReceipt>) -> DeadLetter {
    DeadLetter {
        reason: "no such card".to_owned(),
        consumer: "billing".to_owned(),
        attempts: received.message.receive_count,
    }
}

/// Takes up to `count` messages and makes them dead letters.
async fn bury(queue: &SqsQueue, count: usize) -> Vec<Result<(), QueueError>> {
    let mut letters = Vec::new();
    while letters.len() < count {
        let received = queue
            .receive(count - letters.len(), Duration::ZERO)
            .await
            .unwrap();
        letters.extend(
            received
                .into_iter()
                .map(|received| (received.clone(), letter(&received))),
        );
    }
    queue.dead_letter(letters).await
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_body_attributes_group_and_trace_and_gains_its_reason() {
    let ground = Ground::new("q", 5);
    let attributes = Attributes::from([
        ("type".to_owned(), Attribute::string("order.placed")),
        ("raw".to_owned(), Attribute::Binary { value: vec![0, 255] }),
    ]);
    let entry = Entry {
        attributes: attributes.clone(),
        group: Some("tenant-1".to_owned()),
        ..Entry::new("an order")
    };
    ground.broker.send("q", entry).unwrap();
    let queue = ground.connect().await;
    assert!(bury(&queue, 1).await[0].is_ok());
    assert_eq!(ground.broker.counts("q").unwrap().total(), 0);
    let dead = ground.letters().await.remove(0);
    assert_eq!(
        (&*dead.body, dead.group.as_deref()),
        ("an order", Some("tenant-1"))
    );
    for (name, value) in attributes {
        assert_eq!(dead.attributes[&name], value);
    }
    let reason: Value = serde_json::from_str(dead.attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap()).unwrap();
    assert_eq!(
        (
            &reason["reason"],
            &reason["consumer"],
            &reason["attempts"],
            &reason["times"]
        ),
        (&json!("no such card"), &json!("billing"), &json!(1), &json!(1))
    );
}

/// It travels beside the attributes.
#[tokio::test(start_paused = true)]
async fn a_copy_carries_the_trace_header_of_its_message() {
    use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
    let ground = Ground::new("q", 5);
    let client = aws_sdk_sqs::Client::new(&ground.local.sdk_config());
    let url = client.get_queue_url().queue_name("q").send().await.unwrap();
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    let header = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace);
    client
        .send_message()
        .queue_url(url.queue_url().unwrap())
        .message_body("a")
        .message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            header.build().unwrap(),
        )
        .send()
        .await
        .unwrap();
    let queue = ground.connect().await;
    assert!(bury(&queue, 1).await[0].is_ok());
    let sent = &ground.requests("SendMessageBatch")[0]["Entries"][0];
    assert_eq!(
        sent["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"],
        trace
    );
}

/// "Copy-then-delete to DLQ": whatever fails between, there is never no copy, and it is tried again.
#[tokio::test(start_paused = true)]
async fn a_copy_or_deletion_that_fails_or_is_not_answered_leaves_one_copy_at_least() {
    for act in [
        Act::Lose,
        Act::LoseReply,
        Act::Part(vec![0, 2], vec![4]),
        Act::Refuse(1, "InternalError"),
    ] {
        for operation in ["SendMessageBatch", "DeleteMessageBatch"] {
            let ground = Ground::new("q", 100);
            ground.send(0..5);
            // Three attempts, all of the first call: the host has to try again.
            let (broken, fault) = (operation, act.clone());
            let queue = ground
                .connect_with(move |operation, nth, _| match (operation, nth) {
                    (operation, 1..=3) if operation == broken => fault.clone(),
                    _ => Act::Pass,
                })
                .await;
            let served = ground
                .host(queue, 100)
                .serve(service!(|_| async { terminal() }), ground.clone().quiet());
            timeout(DAY, served).await.unwrap();
            let mut bodies: Vec<_> = ground.letters().await.into_iter().map(|dead| dead.body).collect();
            let copies = bodies.len();
            bodies.sort();
            bodies.dedup();
            assert_eq!(bodies.len(), 5, "{act:?} of {operation}");
            // Twice only where the answer to the copy was lost.
            let unsure = operation == "SendMessageBatch" && act == Act::LoseReply;
            assert!(
                copies == 5 || unsure,
                "{copies} copies with {act:?} of {operation}"
            );
        }
    }
}

/// The same with a process that is killed around each of the calls, and another one after it.
#[tokio::test(start_paused = true)]
async fn a_crash_between_copy_and_deletion_leaves_one_copy_at_least() {
    for act in [Act::KillBefore, Act::KillAfter] {
        for broken in ["SendMessageBatch", "DeleteMessageBatch"] {
            let ground = Ground::new("q", 100);
            ground.send(0..3);
            let life = Life::new("first");
            let fault = act.clone();
            let config = ground.config(&life, move |operation, nth, _| match nth {
                1 if operation == broken => fault.clone(),
                _ => Act::Pass,
            });
            let queue = SqsQueue::connect(&config, "q").await.unwrap();
            let first = ground
                .host(queue, 100)
                .serve(service!(|_| async { terminal() }), std::future::pending());
            tokio::select! {
                () = life.killed() => {}
                () = first => panic!("it was to be killed"),
            }
            let counts = ground.broker.counts("q").unwrap();
            assert!(
                counts.total() + ground.dead() >= 3,
                "{act:?} of {broken}: {counts:?}"
            );
            let queue = ground.connect().await;
            ground
                .host(queue, 100)
                .serve(service!(|_| async { terminal() }), ground.clone().quiet())
                .await;
            let mut bodies: Vec<_> = ground.letters().await.into_iter().map(|dead| dead.body).collect();
            bodies.sort();
            bodies.dedup();
            assert_eq!(bodies, ["0", "1", "2"], "{act:?} of {broken}");
        }
    }
}

/// A dead letter whose deletion fails is deleted later, and not copied once more.
#[tokio::test(start_paused = true)]
async fn what_is_copied_is_not_copied_again_when_only_its_deletion_failed() {
    let ground = Ground::new("q", 5);
    ground.send(["a", "b"]);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("DeleteMessageBatch", 1) => Act::Part(vec![0], vec![1]),
            _ => Act::Pass,
        })
        .await;
    let received = queue.receive(10, Duration::ZERO).await.unwrap();
    let letters: Vec<_> = received
        .into_iter()
        .map(|received| (received.clone(), letter(&received)))
        .collect();
    let results = queue.dead_letter(letters.clone()).await;
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().unwrap_err().is_retryable())
    );
    let results = queue.dead_letter(letters).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!((ground.count("SendMessageBatch"), ground.dead()), (1, 2));
}

/// A call that is cut off between two batches tells nobody what it did.
#[tokio::test(start_paused = true)]
async fn what_a_call_that_was_cut_off_copied_and_deleted_is_not_copied_again() {
    let ground = Ground::new("q", 5);
    ground.send(["a", "b"].map(|body| body.repeat(600_000)));
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("SendMessageBatch", 2) => Act::Late(seconds(60)),
            _ => Act::Pass,
        })
        .await;
    let mut received = Vec::new();
    while received.len() < 2 {
        received.extend(queue.receive(10, Duration::ZERO).await.unwrap());
    }
    let first = received[0].message.body.clone();
    let letters: Vec<_> = received
        .into_iter()
        .map(|received| (received.clone(), letter(&received)))
        .collect();
    assert!(
        timeout(seconds(3), queue.dead_letter(letters.clone()))
            .await
            .is_err()
    );
    let results = queue.dead_letter(letters).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let copies = ground.letters().await;
    assert_eq!(copies.iter().filter(|dead| dead.body == first).count(), 1);
}

/// A batch of copies may have 1 MiB, counted in bytes.
#[tokio::test(start_paused = true)]
async fn copies_stay_within_the_bytes_of_a_batch() {
    let ground = Ground::new("q", 5);
    // 4 bytes a character.
    ground.send((0..5).map(|_| "😀".repeat(100_000)));
    let queue = ground.connect().await;
    let results = bury(&queue, 5).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!((ground.count("SendMessageBatch"), ground.dead()), (3, 5));
}

#[tokio::test(start_paused = true)]
async fn without_room_for_the_reason_the_queue_itself_moves_the_message() {
    let ground = Ground::new("q", 3);
    let attributes: Attributes = (0..10)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let entry = Entry {
        attributes: attributes.clone(),
        ..Entry::new("ten attributes")
    };
    ground.broker.send("q", entry).unwrap();
    ground.send(["x".repeat(1024 * 1024)]);
    let queue = ground.connect().await;
    ground
        .host(queue, 3)
        .serve(service!(|_| async { terminal() }), ground.clone().quiet())
        .await;
    assert_eq!(ground.count("SendMessageBatch"), 0);
    let dead = ground.letters().await;
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().any(|dead| dead.attributes == attributes));
    assert!(dead.iter().any(|dead| dead.body.len() == 1024 * 1024));
}

/// "Redrive" on FIFO: an event id as deduplication id would be swallowed within five minutes of an
/// earlier copy. Dead-letter, redrive, dead-letter again.
#[tokio::test(start_paused = true)]
async fn on_fifo_a_message_is_dead_lettered_redriven_and_dead_lettered_again_within_five_minutes() {
    let ground = Ground::new("q.fifo", 5);
    ground.send(["a"]);
    let queue = ground.connect().await;
    let dead = dead_letter_name("q.fifo");
    let mut ids = Vec::new();
    for round in 0..3 {
        assert!(bury(&queue, 1).await[0].is_ok());
        assert_eq!(ground.dead(), 1, "round {round}");
        assert_eq!(ground.broker.redrive(&dead, Some("q.fifo"), 10).unwrap().moved, 1);
        sleep(seconds(20)).await;
    }
    for request in ground.requests("SendMessageBatch") {
        let entry = &request["Entries"][0];
        assert_eq!(entry["MessageGroupId"], "g");
        ids.push(entry["MessageDeduplicationId"].as_str().unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each is the id of its source message");
    let received = queue.receive(1, Duration::ZERO).await.unwrap();
    let reason = received[0].message.attributes[DEAD_LETTER_ATTRIBUTE]
        .text()
        .unwrap();
    assert!(reason.contains(r#""times":3"#), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn on_fifo_a_dead_letter_without_room_for_its_reason_goes_without() {
    let ground = Ground::new("q.fifo", 5);
    ground.send(["x".repeat(1024 * 1024)]);
    let queue = ground.connect().await;
    let results = bury(&queue, 1).await;
    assert!(results[0].is_ok(), "{results:?}");
    assert!(ground.letters().await[0].attributes.is_empty());
}

/// SQS's way of counting isn't known to the byte.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_would_fit_to_the_byte_goes_without_its_reason() {
    let ground = Ground::new("q.fifo", 5);
    ground.send(["x".repeat(1024 * 1024 - 1000)]);
    let queue = ground.connect().await;
    let results = bury(&queue, 1).await;
    assert!(results[0].is_ok(), "{results:?}");
    assert!(ground.letters().await[0].attributes.is_empty());
}

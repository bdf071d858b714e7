//! Calls on a queue, and dead letters with their reason.

use std::time::Duration;

use fanfare::memory::{self, Entry, MemoryQueue};
use fanfare::port::{DEAD_LETTER_ATTRIBUTE, DeadLetter, Queue, QueueError, Received};
use fanfare::{Attribute, Attributes};
use serde_json::Value;

use crate::memory_support::{drain, seconds, send, with_queue};

async fn received(queue: &MemoryQueue) -> Received<memory::Receipt> {
    queue.receive(1, Duration::ZERO).await.unwrap().remove(0)
}

fn letter(reason: &str) -> DeadLetter {
    DeadLetter {
        reason: reason.into(),
        consumer: "billing".into(),
        attempts: 2,
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_body_attributes_and_id_and_gets_its_reason() {
    let broker = with_queue("q", 5);
    let attributes = Attributes::from([("type".to_owned(), Attribute::string("a.b"))]);
    let sent = broker
        .send(
            "q",
            Entry {
                attributes,
                ..Entry::new("body")
            },
        )
        .unwrap();
    let queue = MemoryQueue::new(broker.clone(), "q");
    let held = received(&queue).await;
    assert!(
        queue
            .dead_letter(vec![(held.clone(), letter("no such account"))])
            .await[0]
            .is_ok()
    );
    // The reply was lost, and it is done again.
    assert!(queue.dead_letter(vec![(held, letter("no such account"))]).await[0].is_ok());
    assert_eq!(broker.counts("q").unwrap().total(), 0);
    let dead = drain(&broker, "q-dlq").await;
    assert_eq!(
        (dead.len(), &dead[0].id, &*dead[0].body),
        (1, &sent.message_id, "body")
    );
    assert_eq!(dead[0].attributes.len(), 2);
    assert_eq!(
        dead[0].dead_letter_source.as_deref(),
        Some("q"),
        "so that a redrive finds the way back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_s_history_survives_a_redrive() {
    let broker = with_queue("q", 5);
    send(&broker, "q", ["a"]);
    let queue = MemoryQueue::new(broker.clone(), "q");
    for reason in ["first reason", "second reason"] {
        let held = received(&queue).await;
        assert!(queue.dead_letter(vec![(held, letter(reason))]).await[0].is_ok());
        tokio::time::advance(seconds(60)).await;
        assert_eq!(broker.redrive("q-dlq", None, 10).unwrap().moved, 1);
    }
    let held = received(&queue).await;
    let json = held.message.attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap();
    let kept: Value = serde_json::from_str(json).unwrap();
    assert_eq!(
        (&kept["reason"], &kept["times"]),
        (&"second reason".into(), &2.into())
    );
    assert!(kept["first"].as_str().unwrap() < kept["last"].as_str().unwrap());
}

#[tokio::test(start_paused = true)]
async fn without_room_for_the_reason_a_dead_letter_is_left_to_the_queue_s_own_move() {
    let broker = with_queue("q", 5);
    let attributes: Attributes = (0..10)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let entry = Entry {
        attributes,
        ..Entry::new("ten attributes")
    };
    broker.send("q", entry).unwrap();
    broker.send("q", Entry::new("x".repeat(1024 * 1024))).unwrap();
    let queue = MemoryQueue::new(broker.clone(), "q");
    for _ in 0..2 {
        let held = received(&queue).await;
        let result = queue.dead_letter(vec![(held, letter("why"))]).await.remove(0);
        assert!(matches!(result, Err(QueueError::NoRoom { .. })), "{result:?}");
    }
    assert_eq!(broker.counts("q-dlq").unwrap().total(), 0);
    assert_eq!(broker.counts("q").unwrap().in_flight, 2, "still held");
}

#[tokio::test(start_paused = true)]
async fn on_fifo_a_dead_letter_without_room_for_its_reason_goes_without() {
    let broker = with_queue("q.fifo", 5);
    let attributes: Attributes = (0..10)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let entry = Entry {
        attributes: attributes.clone(),
        group: Some("g".to_owned()),
        deduplication_id: Some("1".to_owned()),
        ..Entry::new("ten attributes")
    };
    broker.send("q.fifo", entry).unwrap();
    let queue = MemoryQueue::new(broker.clone(), "q.fifo");
    let held = received(&queue).await;
    assert!(queue.dead_letter(vec![(held, letter("why"))]).await[0].is_ok());
    let dead = drain(&broker, "q-dlq.fifo").await;
    assert_eq!((dead.len(), &dead[0].attributes), (1, &attributes));
}

#[tokio::test(start_paused = true)]
async fn a_long_reason_is_cut_at_a_character() {
    let broker = with_queue("q", 5);
    send(&broker, "q", ["a"]);
    let queue = MemoryQueue::new(broker.clone(), "q");
    let held = received(&queue).await;
    let reason = format!("x{}", "😀".repeat(10_000));
    assert!(queue.dead_letter(vec![(held, letter(&reason))]).await[0].is_ok());
    let dead = drain(&broker, "q-dlq").await;
    let kept: Value =
        serde_json::from_str(dead[0].attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap()).unwrap();
    let kept = kept["reason"].as_str().unwrap();
    assert!(
        reason.starts_with(kept) && (2_000..=2_048).contains(&kept.len()),
        "{}",
        kept.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_is_not_copied_to_the_dead_letters() {
    let broker = with_queue("q", 5);
    send(&broker, "q", ["a"]);
    let queue = MemoryQueue::new(broker.clone(), "q");
    let held = received(&queue).await;
    tokio::time::advance(seconds(30)).await;
    let result = queue.dead_letter(vec![(held, letter("why"))]).await.remove(0);
    assert!(matches!(result, Err(QueueError::NotHeld { .. })), "{result:?}");
    let counts = broker.counts("q").unwrap();
    assert_eq!((counts.visible, counts.dead), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_on_a_queue_say_of_each_entry_what_became_of_it() {
    let broker = with_queue("q", 5);
    send(&broker, "q", 0..25);
    let queue = MemoryQueue::new(broker.clone(), "q");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.extend(queue.receive(100, Duration::ZERO).await.unwrap());
    }
    assert_eq!(held.len(), 25, "10 at a time");
    let receipts: Vec<_> = held.iter().map(|held| held.receipt).collect();
    assert!(
        queue
            .delete(receipts[..13].to_vec())
            .await
            .iter()
            .all(Result::is_ok)
    );
    let extended = queue
        .extend(
            receipts[12..]
                .iter()
                .map(|receipt| (*receipt, seconds(60)))
                .collect(),
        )
        .await;
    assert!(matches!(extended[0], Err(QueueError::NotHeld { .. })));
    assert!(extended.len() == 13 && extended[1..].iter().all(Result::is_ok));
    let released = queue
        .release(
            receipts[13..]
                .iter()
                .map(|receipt| (*receipt, Duration::ZERO))
                .collect(),
        )
        .await;
    assert!(released.iter().all(Result::is_ok));
    assert_eq!(broker.counts("q").unwrap().visible, 12);
    let gone = MemoryQueue::new(broker, "none").receive(1, Duration::ZERO).await;
    assert!(matches!(gone, Err(QueueError::Rejected { .. })), "{gone:?}");
}

//! Dead-letter queues and redrives.

use std::time::UNIX_EPOCH;

use fanfare::memory::{Broker, BrokerError, Entry, QueueSettings, Redrive};
use tokio::time::advance;

use super::{DAY, bodies, broker, counts, one, receive, seconds, with_dead_letters};

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_moves_to_the_dead_letter_queue_on_the_next_receive() {
    let broker = with_dead_letters();
    let sent = broker.send("q", Entry::new("poison")).unwrap();
    for count in 1..=2 {
        assert_eq!(one(&broker, "q").await.receive_count, count);
        advance(seconds(30)).await;
    }
    assert_eq!(
        counts(&broker),
        (1, 0, 0, 0),
        "it moves on a receive, not by itself"
    );
    broker.send("q", Entry::new("good")).unwrap();
    assert_eq!(one(&broker, "q").await.body, "good");
    assert_eq!(counts(&broker), (0, 1, 0, 1));
    let dead = one(&broker, "q-dlq").await;
    assert_eq!((dead.id, dead.body.as_str()), (sent.message_id, "poison"));
    assert_eq!(dead.dead_letter_source.as_deref(), Some("q"));
    assert_eq!(dead.receive_count, 3, "SQS counts across queues");
    assert_eq!(
        dead.sent_at,
        UNIX_EPOCH + 20_000 * DAY,
        "a standard queue's dead letter keeps its age"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_s_retention_counts_from_when_it_was_sent_at_first() {
    let broker = broker();
    let kept = |retention| QueueSettings {
        retention,
        ..QueueSettings::default()
    };
    broker.create_queue("q-dlq", kept(4 * DAY)).unwrap();
    let redrive = Some(Redrive {
        dead_letter_queue: "q-dlq".into(),
        max_receive_count: 1,
    });
    broker
        .create_queue(
            "q",
            QueueSettings {
                redrive,
                ..kept(2 * DAY)
            },
        )
        .unwrap();
    broker.send("q", Entry::new("a")).unwrap();
    one(&broker, "q").await;
    advance(DAY).await;
    assert!(receive(&broker, "q", 1).await.is_empty());
    assert_eq!(counts(&broker).3, 1);
    advance(3 * DAY - seconds(1)).await;
    assert_eq!(counts(&broker).3, 1);
    advance(seconds(1)).await;
    assert_eq!(counts(&broker).3, 0, "4 days after it was sent, 3 after it moved");
}

#[tokio::test(start_paused = true)]
async fn a_redriven_message_is_a_new_one_in_its_old_queue() {
    let broker = with_dead_letters();
    let sent = broker.send("q", Entry::new("a")).unwrap();
    for _ in 0..3 {
        receive(&broker, "q", 1).await;
        advance(seconds(30)).await;
    }
    assert_eq!(counts(&broker), (0, 0, 0, 1));
    advance(DAY).await;
    let redriven = broker.redrive("q-dlq", None, usize::MAX).unwrap();
    assert_eq!((redriven.moved, redriven.left), (1, 0));
    let again = one(&broker, "q").await;
    assert_ne!(again.id, sent.message_id);
    assert_eq!((again.body.as_str(), again.receive_count), ("a", 1));
    assert_eq!(again.sent_at, broker.clock().now());
    assert_eq!(again.dead_letter_source, None);
    assert_eq!(
        broker.redrive("q-dlq", None, usize::MAX).unwrap().moved,
        0,
        "there is nothing left to move"
    );
}

#[tokio::test(start_paused = true)]
async fn a_redrive_leaves_what_is_in_flight_and_what_has_no_source() {
    let broker = with_dead_letters();
    broker.create_queue("other", QueueSettings::default()).unwrap();
    for number in 0..3 {
        broker.send("q-dlq", Entry::new(number.to_string())).unwrap();
    }
    let held = one(&broker, "q-dlq").await;
    let redriven = broker.redrive("q-dlq", None, usize::MAX).unwrap();
    assert_eq!(
        (redriven.moved, redriven.left),
        (0, 3),
        "sent there, so that no source is known"
    );
    let redriven = broker.redrive("q-dlq", Some("other"), 1).unwrap();
    assert_eq!((redriven.moved, redriven.left), (1, 2));
    let redriven = broker.redrive("q-dlq", Some("other"), usize::MAX).unwrap();
    assert_eq!((redriven.moved, redriven.left), (1, 1));
    broker.delete("q-dlq", held.receipt).unwrap();
    assert_eq!(bodies(&receive(&broker, "other", 10).await), ["1", "2"]);
    let error = broker.redrive("q-dlq", Some("q-dlq"), 1).unwrap_err();
    assert_eq!(error, BrokerError::RedriveToItself("q-dlq".into()));
    let error = broker.redrive("other", None, 1).unwrap_err();
    assert_eq!(error, BrokerError::NoDeadLetterQueue("other".into()));
}

#[tokio::test(start_paused = true)]
async fn redrive_twice_concurrently_moves_each_message_once() {
    let broker = with_dead_letters();
    broker.create_queue("to", QueueSettings::default()).unwrap();
    for number in 0..100 {
        broker.send("q-dlq", Entry::new(number.to_string())).unwrap();
    }
    let redrives: Vec<_> = (0..2)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move {
                let mut moved = 0;
                while let part @ 1.. = broker.redrive("q-dlq", Some("to"), 7).unwrap().moved {
                    moved += part;
                    tokio::task::yield_now().await;
                }
                moved
            })
        })
        .collect();
    let mut moved = 0;
    for redrive in redrives {
        moved += redrive.await.unwrap();
    }
    assert_eq!(moved, 100);
    assert_eq!(broker.counts("to").unwrap().visible, 100);
}

#[test]
fn a_dead_letter_queue_is_there_and_of_the_same_kind() {
    let broker = Broker::default();
    let to = |queue: &str| QueueSettings {
        redrive: Some(Redrive {
            dead_letter_queue: queue.into(),
            max_receive_count: 3,
        }),
        ..QueueSettings::default()
    };
    assert_eq!(
        broker.create_queue("q", to("dlq")),
        Err(BrokerError::NoQueue("dlq".into()))
    );
    broker.create_queue("dlq", QueueSettings::default()).unwrap();
    broker.create_queue("q", to("dlq")).unwrap();
    assert_eq!(broker.dead_letter_sources("dlq"), ["q"]);
    assert!(matches!(
        broker.create_queue("f.fifo", to("dlq")),
        Err(BrokerError::MixedKinds { .. })
    ));
    assert!(matches!(
        broker.set_queue("q", to("q")),
        Err(BrokerError::MixedKinds { .. })
    ));
}

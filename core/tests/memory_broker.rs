//! Standard queues of the in-process broker behave as SQS's do.
#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use fanfare::fault::{Fault, FaultPlan};
use fanfare::memory::{
    Broker, BrokerError, Counts, Entry, QueueSettings, Receipt, Receive, ReceivedMessage, Redrive,
};
use fanfare::{Attribute, Attributes, Clock};
use tokio::time::{Instant, advance, timeout};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn broker() -> Broker {
    Broker::new(Clock::tokio(UNIX_EPOCH + 20_000 * DAY), FaultPlan::none())
}

/// A broker with the queue `q`, whose dead-letter queue is `q-dlq` after two receives.
fn with_dead_letters() -> Broker {
    let broker = broker();
    broker
        .create_queue(
            "q-dlq",
            QueueSettings {
                retention: 14 * DAY,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    let redrive = Some(Redrive {
        dead_letter_queue: "q-dlq".into(),
        max_receive_count: 2,
    });
    broker
        .create_queue(
            "q",
            QueueSettings {
                redrive,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    broker
}

fn with_queue(settings: QueueSettings) -> Broker {
    let broker = broker();
    broker.create_queue("q", settings).unwrap();
    broker
}

async fn receive(broker: &Broker, queue: &str, max: usize) -> Vec<ReceivedMessage> {
    broker
        .receive(
            queue,
            Receive {
                max,
                ..Receive::default()
            },
        )
        .await
        .unwrap()
}

async fn one(broker: &Broker, queue: &str) -> ReceivedMessage {
    let mut received = receive(broker, queue, 1).await;
    assert_eq!(received.len(), 1);
    received.remove(0)
}

fn bodies(received: &[ReceivedMessage]) -> Vec<&str> {
    received.iter().map(|message| message.body.as_str()).collect()
}

fn send_all(broker: &Broker, bodies: &[&str]) {
    for body in bodies {
        broker.send("q", Entry::new(*body)).unwrap();
    }
}

fn counts(broker: &Broker) -> (usize, usize, usize, usize) {
    let Counts {
        visible,
        in_flight,
        delayed,
        dead,
        ..
    } = broker.counts("q").unwrap();
    (visible, in_flight, delayed, dead)
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_the_order_sent_and_once() {
    let broker = with_queue(QueueSettings::default());
    for number in 0..25 {
        broker.send("q", Entry::new(number.to_string())).unwrap();
    }
    let mut all = Vec::new();
    for expected in [10, 10, 5] {
        let received = receive(&broker, "q", 10).await;
        assert_eq!(received.len(), expected);
        all.extend(received);
    }
    let expected: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&all), expected);
    assert!(receive(&broker, "q", 10).await.is_empty());
    assert_eq!(counts(&broker), (0, 25, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_carries_what_was_sent_with_it() {
    let broker = with_queue(QueueSettings::default());
    let attributes = Attributes::from([
        ("type".to_owned(), Attribute::string("a.b")),
        ("raw".to_owned(), Attribute::Binary { value: vec![0, 255] }),
    ]);
    let entry = Entry {
        attributes: attributes.clone(),
        group: Some("tenant".into()),
        trace_header: Some("Root=1".into()),
        ..Entry::new("body")
    };
    let sent = broker.send("q", entry).unwrap();
    let message = one(&broker, "q").await;
    assert_eq!(message.id, sent.message_id);
    assert_eq!(message.attributes, attributes);
    assert_eq!(message.group.as_deref(), Some("tenant"));
    assert_eq!(message.trace_header.as_deref(), Some("Root=1"));
    assert_eq!(
        (message.receive_count, message.sent_at),
        (1, UNIX_EPOCH + 20_000 * DAY)
    );
    assert_eq!(
        message.receipt.to_string().parse::<Receipt>().unwrap(),
        message.receipt
    );
}

#[tokio::test(start_paused = true)]
async fn a_received_message_is_hidden_for_the_visibility_timeout() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let first = one(&broker, "q").await;
    advance(seconds(29)).await;
    assert!(receive(&broker, "q", 1).await.is_empty());
    advance(seconds(1)).await;
    let second = one(&broker, "q").await;
    assert_eq!((second.id, second.receive_count), (first.id, 2));
    assert_eq!(second.first_received_at + seconds(30), broker.clock().now());
    // A receive can ask for another time.
    advance(seconds(30)).await;
    let briefly = Receive {
        visibility_timeout: Some(seconds(5)),
        ..Receive::default()
    };
    assert_eq!(broker.receive("q", briefly).await.unwrap().len(), 1);
    advance(seconds(5)).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_woken_by_a_message() {
    let broker = with_queue(QueueSettings {
        receive_wait: seconds(20),
        ..QueueSettings::default()
    });
    let start = Instant::now();
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { (one(&broker, "q").await, Instant::now()) }
    });
    tokio::time::sleep(seconds(7)).await;
    broker.send("q", Entry::new("a")).unwrap();
    let (message, at) = waiting.await.unwrap();
    assert_eq!((message.body.as_str(), at - start), ("a", seconds(7)));
    // And ends empty after its time.
    let start = Instant::now();
    assert!(receive(&broker, "q", 1).await.is_empty());
    assert_eq!(start.elapsed(), seconds(20));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_woken_by_a_message_that_shows_again() {
    let broker = with_queue(QueueSettings {
        delay: seconds(3),
        ..QueueSettings::default()
    });
    let wait = Receive {
        wait: Some(seconds(20)),
        visibility_timeout: Some(seconds(4)),
        ..Receive::default()
    };
    broker.send("q", Entry::new("a")).unwrap();
    let start = Instant::now();
    assert_eq!(broker.receive("q", wait).await.unwrap().len(), 1);
    assert_eq!(start.elapsed(), seconds(3));
    let received = broker.receive("q", wait).await.unwrap();
    assert_eq!(start.elapsed(), seconds(7));
    // Also when it is given back sooner than it would have shown by itself.
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.receive("q", wait).await.unwrap().len() }
    });
    tokio::time::sleep(seconds(1)).await;
    broker
        .change_visibility("q", received[0].receipt, seconds(1))
        .unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
    assert_eq!(start.elapsed(), seconds(9));
}

#[tokio::test(start_paused = true)]
async fn every_waiting_receiver_gets_its_message() {
    let broker = with_queue(QueueSettings {
        receive_wait: seconds(20),
        ..QueueSettings::default()
    });
    let receivers: Vec<_> = (0..5)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move { one(&broker, "q").await.body })
        })
        .collect();
    tokio::time::sleep(seconds(1)).await;
    let entries = (0..5).map(|number| Entry::new(number.to_string())).collect();
    broker.send_batch("q", entries).unwrap();
    let mut got = BTreeSet::new();
    for receiver in receivers {
        got.insert(
            timeout(seconds(1), receiver)
                .await
                .expect("woken at once")
                .unwrap(),
        );
    }
    assert_eq!(got.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_long_poll_takes_nothing_along() {
    let broker = with_queue(QueueSettings {
        receive_wait: seconds(20),
        ..QueueSettings::default()
    });
    for _ in 0..3 {
        let waiting = tokio::spawn({
            let broker = broker.clone();
            async move { receive(&broker, "q", 10).await }
        });
        tokio::time::sleep(seconds(1)).await;
        broker.send("q", Entry::new("a")).unwrap();
        waiting.abort();
        assert!(waiting.await.is_err());
        assert_eq!(counts(&broker), (1, 0, 0, 0));
        let message = timeout(seconds(1), one(&broker, "q")).await.expect("it is there");
        broker.delete("q", message.receipt).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_with_an_old_receipt_succeeds_and_does_nothing() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let first = one(&broker, "q").await;
    advance(seconds(30)).await;
    let second = one(&broker, "q").await;
    broker.delete("q", first.receipt).unwrap();
    assert_eq!(counts(&broker), (0, 1, 0, 0));
    broker.delete("q", second.receipt).unwrap();
    assert_eq!(counts(&broker), (0, 0, 0, 0));
    broker.delete("q", second.receipt).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_receipt_deletes_also_after_its_time_unless_received_again() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let message = one(&broker, "q").await;
    advance(seconds(31)).await;
    broker.delete("q", message.receipt).unwrap();
    assert_eq!(counts(&broker), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stale_receipt_extends_nothing() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let first = one(&broker, "q").await;
    advance(seconds(30)).await;
    let stale = broker.change_visibility("q", first.receipt, seconds(30));
    assert_eq!(stale, Err(BrokerError::NotInFlight("q".into())), "visible again");
    let second = one(&broker, "q").await;
    let stale = broker.change_visibility("q", first.receipt, seconds(60));
    assert_eq!(stale, Err(BrokerError::NotHeld("q".into())), "received again");
    broker
        .change_visibility("q", second.receipt, seconds(60))
        .unwrap();
    advance(seconds(59)).await;
    assert_eq!(counts(&broker), (0, 1, 0, 0));
    broker.delete("q", second.receipt).unwrap();
    let gone = broker.change_visibility("q", second.receipt, seconds(1));
    assert_eq!(gone, Err(BrokerError::NotHeld("q".into())), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_visibility_counts_from_now_and_zero_shows_at_once() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let message = one(&broker, "q").await;
    advance(seconds(20)).await;
    broker
        .change_visibility("q", message.receipt, seconds(30))
        .unwrap();
    advance(seconds(29)).await;
    assert_eq!(counts(&broker), (0, 1, 0, 0));
    broker
        .change_visibility("q", message.receipt, Duration::ZERO)
        .unwrap();
    assert_eq!(counts(&broker), (1, 0, 0, 0));
    // The next receive is back at the queue's own timeout.
    one(&broker, "q").await;
    advance(seconds(30)).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn visibility_is_capped_at_12_hours_from_the_receive() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let message = one(&broker, "q").await;
    broker.change_visibility("q", message.receipt, 12 * HOUR).unwrap();
    advance(11 * HOUR).await;
    let error = broker
        .change_visibility("q", message.receipt, HOUR + seconds(1))
        .unwrap_err();
    assert_eq!(
        error,
        BrokerError::TooLong {
            queue: "q".into(),
            left: HOUR
        }
    );
    broker.change_visibility("q", message.receipt, HOUR).unwrap();
    advance(HOUR).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
    // Another receive starts another 12 hours.
    let message = one(&broker, "q").await;
    broker.change_visibility("q", message.receipt, 12 * HOUR).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_comes_after_its_delay() {
    let broker = with_queue(QueueSettings {
        delay: seconds(10),
        ..QueueSettings::default()
    });
    broker.send("q", Entry::new("queue's")).unwrap();
    broker
        .send(
            "q",
            Entry {
                delay: Some(seconds(900)),
                ..Entry::new("own")
            },
        )
        .unwrap();
    broker
        .send(
            "q",
            Entry {
                delay: Some(Duration::ZERO),
                ..Entry::new("none")
            },
        )
        .unwrap();
    assert_eq!(counts(&broker), (1, 0, 2, 0));
    assert_eq!(bodies(&receive(&broker, "q", 10).await), ["none"]);
    advance(seconds(10)).await;
    assert_eq!(bodies(&receive(&broker, "q", 1).await), ["queue's"]);
    let error = broker
        .send(
            "q",
            Entry {
                delay: Some(seconds(901)),
                ..Entry::new("too long")
            },
        )
        .unwrap_err();
    assert!(matches!(error, BrokerError::Parameter { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn messages_are_dropped_after_their_retention_also_in_flight() {
    let broker = with_queue(QueueSettings {
        retention: seconds(60),
        ..QueueSettings::default()
    });
    broker.send("q", Entry::new("a")).unwrap();
    broker.send("q", Entry::new("b")).unwrap();
    advance(seconds(59)).await;
    let message = one(&broker, "q").await;
    assert_eq!(counts(&broker), (1, 1, 0, 0));
    advance(seconds(1)).await;
    assert_eq!(counts(&broker), (0, 0, 0, 0));
    assert_eq!(broker.counts("q").unwrap().expired, 2);
    broker.delete("q", message.receipt).unwrap();
    // A longer retention keeps what is there.
    broker.send("q", Entry::new("c")).unwrap();
    broker
        .set_queue(
            "q",
            QueueSettings {
                retention: DAY,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    advance(23 * HOUR).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

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

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_messages_in_flight_a_short_poll_fails_and_a_long_one_waits() {
    let broker = with_queue(QueueSettings {
        visibility_timeout: HOUR,
        ..QueueSettings::default()
    });
    let mut held = Vec::new();
    while held.len() < 120_000 {
        broker
            .send_batch("q", (0..10).map(|_| Entry::new("x")).collect())
            .unwrap();
        held.extend(
            receive(&broker, "q", 10)
                .await
                .iter()
                .map(|message| message.receipt),
        );
    }
    send_all(&broker, &["one", "two"]);
    let error = broker.receive("q", Receive::default()).await.unwrap_err();
    assert_eq!(error, BrokerError::OverLimit("q".into()));
    let wait = || {
        let broker = broker.clone();
        let receive = Receive {
            wait: Some(seconds(20)),
            ..Receive::default()
        };
        tokio::spawn(async move { broker.receive("q", receive).await.unwrap() })
    };
    let waiting = [wait(), wait()];
    tokio::time::sleep(seconds(1)).await;
    broker.delete_batch("q", &held[..2]).unwrap();
    for (waiting, body) in waiting.into_iter().zip(["one", "two"]) {
        let received = timeout(seconds(1), waiting).await.expect("woken by the deletes");
        assert_eq!(bodies(&received.unwrap()), [body]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_deletes_all_and_a_second_within_a_minute_is_refused() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    one(&broker, "q").await;
    broker
        .send(
            "q",
            Entry {
                delay: Some(seconds(5)),
                ..Entry::new("b")
            },
        )
        .unwrap();
    broker.send("q", Entry::new("c")).unwrap();
    broker.purge("q").unwrap();
    assert_eq!(counts(&broker), (0, 0, 0, 0));
    assert_eq!(broker.purge("q"), Err(BrokerError::PurgeInProgress("q".into())));
    advance(seconds(60)).await;
    assert_eq!(counts(&broker), (0, 0, 0, 0), "nothing shows up again");
    broker.purge("q").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_1_to_10_entries_of_at_most_1_mib_together() {
    let broker = with_queue(QueueSettings::default());
    let entries = |count, size| {
        (0..count)
            .map(|_| Entry::new("x".repeat(size)))
            .collect::<Vec<_>>()
    };
    assert_eq!(broker.send_batch("q", vec![]), Err(BrokerError::BatchEntries(0)));
    assert_eq!(
        broker.send_batch("q", entries(11, 1)),
        Err(BrokerError::BatchEntries(11))
    );
    assert_eq!(broker.send_batch("q", entries(4, 256 * 1024)).unwrap().len(), 4);
    let error = broker.send_batch("q", entries(5, 256 * 1024)).unwrap_err();
    assert_eq!(
        error,
        BrokerError::BatchTooLarge {
            destination: "q".into(),
            size: 5 * 256 * 1024,
            limit: 1024 * 1024
        }
    );
    assert_eq!(broker.counts("q").unwrap().visible, 4);
    assert_eq!(broker.delete_batch("q", &[]), Err(BrokerError::BatchEntries(0)));
}

#[tokio::test(start_paused = true)]
async fn sizes_are_bytes_of_body_and_attributes() {
    let broker = with_queue(QueueSettings {
        maximum_size: 1024,
        ..QueueSettings::default()
    });
    let attributes = Attributes::from([("n".to_owned(), Attribute::string("v"))]); // 1 + 6 + 1 bytes
    let entry = |bytes: usize| Entry {
        attributes: attributes.clone(),
        ..Entry::new("é".repeat(bytes / 2))
    };
    broker.send("q", entry(1016)).unwrap();
    let error = broker.send("q", entry(1018)).unwrap_err();
    assert_eq!(
        error,
        BrokerError::TooLarge {
            destination: "q".into(),
            size: 1026,
            limit: 1024
        }
    );
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_batch_fail_alone() {
    let broker = with_queue(QueueSettings {
        maximum_size: 1024,
        ..QueueSettings::default()
    });
    let attribute = |name: &str, value: Attribute| Entry {
        attributes: Attributes::from([(name.to_owned(), value)]),
        ..Entry::new("x")
    };
    let many = (0..11)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let results = broker
        .send_batch(
            "q",
            vec![
                Entry::new("good"),
                Entry::new(""),
                Entry::new("x".repeat(1025)),
                Entry::new("bell \u{7}"),
                Entry {
                    attributes: many,
                    ..Entry::new("x")
                },
                attribute("AWS.x", Attribute::string("v")),
                attribute("x..y", Attribute::string("v")),
                attribute("x", Attribute::string("")),
                attribute(
                    "x",
                    Attribute::Text {
                        data_type: "Number".into(),
                        value: "many".into(),
                    },
                ),
                Entry {
                    deduplication_id: Some("x".into()),
                    ..Entry::new("x")
                },
            ],
        )
        .unwrap();
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(BrokerError::EmptyBody));
    assert!(matches!(
        results[2],
        Err(BrokerError::TooLarge {
            size: 1025,
            limit: 1024,
            ..
        })
    ));
    assert!(matches!(
        results[3],
        Err(BrokerError::Character {
            character: '\u{7}',
            ..
        })
    ));
    assert_eq!(results[4], Err(BrokerError::TooManyAttributes(11)));
    for result in &results[5..9] {
        assert!(matches!(result, Err(BrokerError::Attribute { .. })), "{result:?}");
    }
    assert!(matches!(results[9], Err(BrokerError::Parameter { .. })));
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn characters_that_xml_has_not_are_refused() {
    let broker = with_queue(QueueSettings::default());
    for character in ['\0', '\u{8}', '\u{b}', '\u{c}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let error = broker.send("q", Entry::new(format!("x{character}"))).unwrap_err();
        assert_eq!(
            error,
            BrokerError::Character {
                place: "the body".into(),
                character
            }
        );
    }
    for character in [
        '\t', '\n', '\r', '\u{7f}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '😀',
    ] {
        broker.send("q", Entry::new(character.to_string())).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn quiet_comes_when_all_queues_are_empty_at_once() {
    let broker = with_queue(QueueSettings::default());
    broker
        .create_queue(
            "r",
            QueueSettings {
                retention: seconds(60),
                ..QueueSettings::default()
            },
        )
        .unwrap();
    broker.quiet(["q", "r"]).await.unwrap();
    broker.send("q", Entry::new("a")).unwrap();
    broker
        .send(
            "r",
            Entry {
                delay: Some(seconds(5)),
                ..Entry::new("b")
            },
        )
        .unwrap();
    let start = Instant::now();
    let quiet = tokio::spawn({
        let broker = broker.clone();
        async move {
            broker.quiet(["q", "r"]).await.unwrap();
            Instant::now()
        }
    });
    tokio::time::sleep(seconds(1)).await;
    let message = one(&broker, "q").await;
    tokio::time::sleep(seconds(1)).await;
    broker.delete("q", message.receipt).unwrap();
    // What is in the other one goes by its retention, which nobody tells.
    assert_eq!(quiet.await.unwrap() - start, seconds(60));
    assert_eq!(
        broker.quiet(["none"]).await,
        Err(BrokerError::NoQueue("none".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_message_of_a_deleted_queue_is_told() {
    let broker = with_queue(QueueSettings {
        receive_wait: seconds(20),
        ..QueueSettings::default()
    });
    let start = Instant::now();
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.receive("q", Receive::default()).await }
    });
    tokio::time::sleep(seconds(1)).await;
    broker.delete_queue("q");
    assert_eq!(waiting.await.unwrap(), Err(BrokerError::NoQueue("q".into())));
    assert_eq!(start.elapsed(), seconds(1));
}

#[test]
fn queues_are_created_once_and_within_awss_limits() {
    let broker = Broker::default();
    broker.create_queue("q", QueueSettings::default()).unwrap();
    broker.create_queue("q", QueueSettings::default()).unwrap();
    let other = QueueSettings {
        delay: seconds(1),
        ..QueueSettings::default()
    };
    assert!(matches!(
        broker.create_queue("q", other.clone()),
        Err(BrokerError::Exists(_))
    ));
    broker.set_queue("q", other.clone()).unwrap();
    assert_eq!(broker.queue_settings("q").unwrap(), other);
    assert_eq!(broker.queues(), ["q"]);

    for name in ["", "a b", "é", ".fifo", &"x".repeat(81)] {
        let error = broker.create_queue(name, QueueSettings::default()).unwrap_err();
        assert!(matches!(error, BrokerError::Name { .. }), "{name}: {error}");
    }
    let default = QueueSettings::default;
    let redrive = |max_receive_count| {
        Some(Redrive {
            dead_letter_queue: "q".into(),
            max_receive_count,
        })
    };
    for (settings, setting) in [
        (
            QueueSettings {
                visibility_timeout: 12 * HOUR + seconds(1),
                ..default()
            },
            "visibility timeout",
        ),
        (
            QueueSettings {
                retention: seconds(59),
                ..default()
            },
            "retention",
        ),
        (
            QueueSettings {
                retention: 15 * DAY,
                ..default()
            },
            "retention",
        ),
        (
            QueueSettings {
                delay: seconds(901),
                ..default()
            },
            "delay",
        ),
        (
            QueueSettings {
                receive_wait: seconds(21),
                ..default()
            },
            "receive wait",
        ),
        (
            QueueSettings {
                maximum_size: 1023,
                ..default()
            },
            "maximum size",
        ),
        (
            QueueSettings {
                maximum_size: 1024 * 1024 + 1,
                ..default()
            },
            "maximum size",
        ),
        (
            QueueSettings {
                redrive: redrive(0),
                ..default()
            },
            "maximum receive count",
        ),
        (
            QueueSettings {
                redrive: redrive(1001),
                ..default()
            },
            "maximum receive count",
        ),
    ] {
        match broker.create_queue("other", settings).unwrap_err() {
            BrokerError::Setting { setting: named, .. } => assert_eq!(named, setting),
            error => panic!("{error}"),
        }
    }
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

#[tokio::test(start_paused = true)]
async fn receives_out_of_awss_limits_are_refused() {
    let broker = with_queue(QueueSettings::default());
    for receive in [
        Receive {
            max: 0,
            ..Receive::default()
        },
        Receive {
            max: 11,
            ..Receive::default()
        },
        Receive {
            wait: Some(seconds(21)),
            ..Receive::default()
        },
        Receive {
            visibility_timeout: Some(12 * HOUR + seconds(1)),
            ..Receive::default()
        },
    ] {
        let error = broker.receive("q", receive).await.unwrap_err();
        assert!(matches!(error, BrokerError::Setting { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_plan_standard_messages_are_duplicated_and_reordered_the_same_way_each_time() {
    let run = |seed| async move {
        let plan = FaultPlan::seeded(seed)
            .rates(0.0)
            .rate(Fault::Duplicate, 0.2)
            .rate(Fault::Reorder, 0.2);
        let broker = Broker::new(Clock::tokio(UNIX_EPOCH), plan.clone());
        broker.create_queue("q", QueueSettings::default()).unwrap();
        let mut sent = BTreeSet::new();
        for number in 0..200 {
            sent.insert(
                broker
                    .send("q", Entry::new(number.to_string()))
                    .unwrap()
                    .message_id,
            );
            advance(Duration::from_millis(50)).await;
        }
        let mut received = Vec::new();
        while let batch @ [_, ..] = &receive(&broker, "q", 10).await[..] {
            received.extend(batch.iter().map(|message| message.body.clone()));
            for message in batch {
                assert!(sent.contains(&message.id), "a copy has the message's own id");
                broker.delete("q", message.receipt).unwrap();
            }
            advance(seconds(3)).await;
        }
        broker.quiet(["q"]).await.unwrap();
        (received, plan.injected())
    };
    let (received, injected) = run(1).await;
    let distinct: BTreeSet<_> = received.iter().collect();
    assert_eq!(distinct.len(), 200, "nothing is lost");
    assert_eq!(received.len() as u64, 200 + injected["duplicate"]);
    assert!(
        injected["duplicate"] > 20 && injected["reorder"] > 20,
        "{injected:?}"
    );
    let numbers: Vec<u32> = received.iter().map(|body| body.parse().unwrap()).collect();
    assert!(!numbers.is_sorted());
    assert_eq!(run(1).await, (received.clone(), injected));
    assert_ne!(run(2).await.0, received);
}

/// The receive of a long queue takes no longer than that of a short one.
#[tokio::test(start_paused = true)]
async fn receiving_does_not_look_at_the_whole_queue() {
    let broker = with_queue(QueueSettings {
        visibility_timeout: HOUR,
        ..QueueSettings::default()
    });
    for _ in 0..10_000 {
        broker
            .send_batch("q", (0..10).map(|_| Entry::new("x")).collect())
            .unwrap();
    }
    // Each would look at 100,000 messages and more if it scanned: minutes in a debug build.
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        let receipts: Vec<_> = receive(&broker, "q", 10)
            .await
            .iter()
            .map(|message| message.receipt)
            .collect();
        assert_eq!(receipts.len(), 10);
        broker.delete_batch("q", &receipts).unwrap();
    }
    assert!(start.elapsed() < seconds(30), "{:?}", start.elapsed());
}

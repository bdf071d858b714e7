//! Receiving: order, long polls, what hides and what shows again.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use fanfare::fault::{Fault, FaultPlan};
use fanfare::memory::{Broker, BrokerError, Entry, QueueSettings, Receipt, Receive};
use fanfare::{Attribute, Attributes, Clock};
use tokio::time::{Instant, advance, timeout};

use super::{DAY, HOUR, bodies, counts, one, receive, seconds, send_all, with_queue};

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

//! FIFO queues and topics of the in-process broker behave as those of SQS and SNS.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use fanfare::Clock;
use fanfare::fault::{Fault, FaultPlan};
use fanfare::memory::{
    Broker, BrokerError, Entry, QueueSettings, Receive, ReceivedMessage, Redrive, SubscriptionSettings,
    TopicSettings,
};
use proptest::prelude::*;
use tokio::time::advance;

const QUEUE: &str = "q.fifo";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with_queue(settings: QueueSettings) -> Broker {
    // A plan that would double and reorder everything, if the queue were standard.
    let faults = FaultPlan::seeded(1)
        .rate(Fault::Duplicate, 0.5)
        .rate(Fault::Reorder, 0.5);
    let broker = Broker::new(Clock::tokio(UNIX_EPOCH), faults);
    broker.create_queue(QUEUE, settings).unwrap();
    broker
}

fn entry(group: &str, body: &str) -> Entry {
    Entry {
        group: Some(group.into()),
        deduplication_id: Some(format!("{group}-{body}")),
        ..Entry::new(body)
    }
}

async fn receive(broker: &Broker, max: usize) -> Vec<ReceivedMessage> {
    broker
        .receive(
            QUEUE,
            Receive {
                max,
                ..Receive::default()
            },
        )
        .await
        .unwrap()
}

fn bodies(received: &[ReceivedMessage]) -> Vec<String> {
    received
        .iter()
        .map(|message| format!("{}{}", message.group.as_deref().unwrap_or_default(), message.body))
        .collect()
}

fn send(broker: &Broker, messages: &[(&str, &str)]) {
    for (group, body) in messages {
        broker.send(QUEUE, entry(group, body)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_gives_several_of_one_group_in_order_before_another_group() {
    let broker = with_queue(QueueSettings::default());
    send(
        &broker,
        &[
            ("a", "1"),
            ("b", "1"),
            ("a", "2"),
            ("c", "1"),
            ("a", "3"),
            ("b", "2"),
        ],
    );
    assert_eq!(
        bodies(&receive(&broker, 10).await),
        ["a1", "a2", "a3", "b1", "b2", "c1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_is_blocked_while_one_of_its_messages_is_in_flight() {
    let broker = with_queue(QueueSettings::default());
    send(&broker, &[("a", "1"), ("a", "2"), ("b", "1")]);
    let first = receive(&broker, 1).await;
    assert_eq!(bodies(&first), ["a1"]);
    let other = receive(&broker, 10).await;
    assert_eq!(bodies(&other), ["b1"], "the other group goes on");
    assert!(receive(&broker, 10).await.is_empty());
    broker.delete(QUEUE, first[0].receipt).unwrap();
    assert_eq!(bodies(&receive(&broker, 10).await), ["a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_shows_again_is_first_of_its_group_again() {
    let broker = with_queue(QueueSettings::default());
    send(&broker, &[("a", "1"), ("a", "2"), ("a", "3")]);
    let held = receive(&broker, 2).await;
    broker
        .change_visibility(QUEUE, held[0].receipt, Duration::ZERO)
        .unwrap();
    assert!(
        receive(&broker, 10).await.is_empty(),
        "the second one is in flight still"
    );
    broker
        .change_visibility(QUEUE, held[1].receipt, Duration::ZERO)
        .unwrap();
    assert_eq!(bodies(&receive(&broker, 10).await), ["a1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_is_woken_when_a_group_is_free_again() {
    let broker = with_queue(QueueSettings::default());
    send(&broker, &[("a", "1"), ("a", "2")]);
    let held = receive(&broker, 1).await;
    let waiting = tokio::spawn({
        let broker = broker.clone();
        let receive = Receive {
            wait: Some(seconds(20)),
            ..Receive::default()
        };
        async move { broker.receive(QUEUE, receive).await.unwrap() }
    });
    tokio::time::sleep(seconds(1)).await;
    broker.delete(QUEUE, held[0].receipt).unwrap();
    let received = tokio::time::timeout(seconds(1), waiting)
        .await
        .expect("woken by the delete")
        .unwrap();
    assert_eq!(bodies(&received), ["a2"]);
}

#[tokio::test(start_paused = true)]
async fn sequence_numbers_grow() {
    let broker = with_queue(QueueSettings::default());
    let sent: Vec<_> = (0..5)
        .map(|number| broker.send(QUEUE, entry("a", &number.to_string())).unwrap())
        .collect();
    let numbers: Vec<_> = sent.iter().map(|sent| sent.sequence_number.unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next));
    let received = receive(&broker, 10).await;
    let received: Vec<_> = received
        .iter()
        .map(|message| message.sequence_number.unwrap())
        .collect();
    assert_eq!(received, numbers);
}

#[tokio::test(start_paused = true)]
async fn a_deduplication_id_counts_for_five_minutes_also_after_the_message_is_deleted() {
    let broker = with_queue(QueueSettings::default());
    let first = broker.send(QUEUE, entry("a", "1")).unwrap();
    let again = broker.send(QUEUE, entry("a", "1")).unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!(
        (&again.message_id, again.sequence_number),
        (&first.message_id, first.sequence_number)
    );
    let received = receive(&broker, 10).await;
    assert_eq!(received.len(), 1);
    broker.delete(QUEUE, received[0].receipt).unwrap();
    advance(seconds(299)).await;
    assert!(broker.send(QUEUE, entry("a", "1")).unwrap().duplicate);
    advance(seconds(1)).await;
    assert!(!broker.send(QUEUE, entry("a", "1")).unwrap().duplicate);
}

#[tokio::test(start_paused = true)]
async fn deduplication_is_per_queue_or_per_group() {
    let same = |group: &str| Entry {
        deduplication_id: Some("x".into()),
        ..entry(group, "1")
    };
    let queue = with_queue(QueueSettings::default());
    queue.send(QUEUE, same("a")).unwrap();
    assert!(queue.send(QUEUE, same("b")).unwrap().duplicate);
    let group = with_queue(QueueSettings {
        deduplicate_by_group: true,
        ..QueueSettings::default()
    });
    group.send(QUEUE, same("a")).unwrap();
    assert!(!group.send(QUEUE, same("b")).unwrap().duplicate);
    assert!(group.send(QUEUE, same("b")).unwrap().duplicate);
}

#[tokio::test(start_paused = true)]
async fn a_group_and_a_deduplication_id_are_needed_unless_the_body_stands_for_it() {
    let broker = with_queue(QueueSettings::default());
    let no_id = || Entry {
        deduplication_id: None,
        ..entry("a", "1")
    };
    for (entry, expected) in [
        (
            Entry {
                group: None,
                ..entry("a", "1")
            },
            "needs a group",
        ),
        (no_id(), "needs a deduplication id"),
        (
            Entry {
                group: Some("with space".into()),
                ..entry("a", "1")
            },
            "1 to 128",
        ),
        (
            Entry {
                deduplication_id: Some("x".repeat(129)),
                ..entry("a", "1")
            },
            "1 to 128",
        ),
        (
            Entry {
                delay: Some(seconds(1)),
                ..entry("a", "1")
            },
            "no delay of its own",
        ),
    ] {
        let error = broker.send(QUEUE, entry).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    broker
        .set_queue(
            QUEUE,
            QueueSettings {
                content_based_deduplication: true,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    assert!(!broker.send(QUEUE, no_id()).unwrap().duplicate);
    assert!(broker.send(QUEUE, no_id()).unwrap().duplicate);
    assert!(
        !broker
            .send(
                QUEUE,
                Entry {
                    body: "2".into(),
                    ..no_id()
                }
            )
            .unwrap()
            .duplicate
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_the_queue_s_and_keeps_the_order() {
    let delayed = QueueSettings {
        delay: seconds(10),
        ..QueueSettings::default()
    };
    let broker = with_queue(QueueSettings::default());
    send(&broker, &[("c", "1")]);
    broker.set_queue(QUEUE, delayed).unwrap();
    send(&broker, &[("a", "1"), ("c", "2")]);
    advance(seconds(5)).await;
    broker.set_queue(QUEUE, QueueSettings::default()).unwrap();
    send(&broker, &[("a", "2"), ("b", "1"), ("c", "3")]);
    let received = receive(&broker, 10).await;
    assert_eq!(bodies(&received), ["c1", "b1"], "nothing overtakes in its group");
    broker.delete(QUEUE, received[0].receipt).unwrap();
    advance(seconds(5)).await;
    assert_eq!(bodies(&receive(&broker, 10).await), ["a1", "a2", "c2", "c3"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_receipt_is_refused() {
    let broker = with_queue(QueueSettings::default());
    send(&broker, &[("a", "1")]);
    let held = receive(&broker, 1).await;
    advance(seconds(30)).await;
    assert_eq!(
        broker.delete(QUEUE, held[0].receipt),
        Err(BrokerError::NotHeld(QUEUE.into()))
    );
    let held = receive(&broker, 1).await;
    broker.delete(QUEUE, held[0].receipt).unwrap();
    broker.delete(QUEUE, held[0].receipt).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_gets_a_new_age_and_its_id_as_deduplication_id_and_its_group_goes_on() {
    let broker = Broker::new(Clock::tokio(UNIX_EPOCH), FaultPlan::none());
    broker
        .create_queue("q-dlq.fifo", QueueSettings::default())
        .unwrap();
    let redrive = Some(Redrive {
        dead_letter_queue: "q-dlq.fifo".into(),
        max_receive_count: 1,
    });
    broker
        .create_queue(
            QUEUE,
            QueueSettings {
                redrive,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    send(&broker, &[("a", "1"), ("a", "2")]);
    let first = receive(&broker, 1).await;
    advance(seconds(30)).await;
    assert_eq!(bodies(&receive(&broker, 10).await), ["a2"]);
    let dead = broker.receive("q-dlq.fifo", Receive::default()).await.unwrap();
    assert_eq!(dead[0].id, first[0].id);
    assert_eq!(dead[0].sent_at, UNIX_EPOCH + seconds(30));
    assert_eq!(dead[0].deduplication_id.as_ref(), Some(&dead[0].id));
    assert_eq!(dead[0].group.as_deref(), Some("a"));
    // And a redrive makes it a new message, at the end of its group.
    broker
        .change_visibility("q-dlq.fifo", dead[0].receipt, Duration::ZERO)
        .unwrap();
    send(&broker, &[("a", "3")]);
    assert_eq!(broker.redrive("q-dlq.fifo", None, 10).unwrap().moved, 1);
    // Once more to the dead letters with the second one, which was received before.
    advance(seconds(30)).await;
    let received = receive(&broker, 10).await;
    assert_eq!(bodies(&received), ["a3", "a1"]);
    assert_ne!(received[1].id, first[0].id);
    assert_eq!(received[1].receive_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_brings_order_and_deduplicates() {
    let broker = with_queue(QueueSettings::default());
    broker.create_topic("t.fifo", TopicSettings::default()).unwrap();
    broker.create_queue("standard", QueueSettings::default()).unwrap();
    broker
        .subscribe("t.fifo", QUEUE, SubscriptionSettings::default())
        .unwrap();
    broker
        .subscribe("t.fifo", "standard", SubscriptionSettings::default())
        .unwrap();
    for body in ["1", "2", "1"] {
        broker.publish("t.fifo", entry("a", body)).unwrap();
    }
    let received = receive(&broker, 10).await;
    assert_eq!(bodies(&received), ["a1", "a2"]);
    assert_eq!(received[0].deduplication_id.as_deref(), Some("a-1"));
    assert!(
        broker.counts("standard").unwrap().total() >= 2,
        "a FIFO topic delivers to standard queues too"
    );
    let error = broker.publish("t.fifo", Entry::new("x")).unwrap_err();
    assert!(error.to_string().contains("needs a group"), "{error}");
    advance(seconds(300)).await;
    assert!(!broker.publish("t.fifo", entry("a", "1")).unwrap().duplicate);
}

#[test]
fn a_standard_topic_does_not_deliver_to_a_fifo_queue() {
    let broker = Broker::default();
    broker.create_topic("t", TopicSettings::default()).unwrap();
    broker.create_queue(QUEUE, QueueSettings::default()).unwrap();
    let error = broker
        .subscribe("t", QUEUE, SubscriptionSettings::default())
        .unwrap_err();
    assert!(matches!(error, BrokerError::MixedKinds { .. }), "{error}");
}

/// What a consumer does with the first message of what it received.
#[derive(Clone, Copy, Debug)]
enum Step {
    Receive(usize),
    Delete(usize),
    Release(usize),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1usize..5).prop_map(Step::Receive),
        (0usize..4).prop_map(Step::Delete),
        (0usize..4).prop_map(Step::Release),
        Just(Step::Wait),
    ]
}

proptest! {
    /// Whatever consumers do, as long as each deletes the messages of a group in order: no group is
    /// held twice at a time, and what is received is always the group's oldest.
    #[test]
    fn the_order_of_a_group_is_kept_whatever_consumers_do(
        groups in prop::collection::vec(0usize..3, 1..30),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let broker = with_queue(QueueSettings::default());
            let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (number, group) in groups.iter().enumerate() {
                let (group, body) = (format!("g{group}"), number.to_string());
                broker.send(QUEUE, entry(&group, &body)).unwrap();
                left.entry(group).or_default().push(body);
            }
            // By group: what is held of it, in order.
            let mut held: Vec<(String, Vec<ReceivedMessage>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Receive(max) => {
                        for message in receive(&broker, max).await {
                            let group = message.group.clone().unwrap();
                            match held.iter_mut().find(|(held, _)| *held == group) {
                                Some((_, messages)) => messages.push(message),
                                None => held.push((group, vec![message])),
                            }
                        }
                        for (group, messages) in &held {
                            let bodies: Vec<_> = messages.iter().map(|message| message.body.clone()).collect();
                            prop_assert_eq!(&bodies[..], &left[group][..bodies.len()], "a prefix of its group");
                        }
                    }
                    Step::Delete(at) if at < held.len() => {
                        let (group, messages) = &mut held[at];
                        broker.delete(QUEUE, messages.remove(0).receipt).unwrap();
                        left.get_mut(group).unwrap().remove(0);
                        if messages.is_empty() {
                            held.remove(at);
                        }
                    }
                    Step::Release(at) if at < held.len() => {
                        for message in held.remove(at).1 {
                            broker.change_visibility(QUEUE, message.receipt, Duration::ZERO).unwrap();
                        }
                    }
                    Step::Wait => {
                        advance(seconds(30)).await;
                        held.clear();
                    }
                    _ => {}
                }
            }
            // And nothing is stuck: all that is left comes.
            advance(seconds(30)).await;
            let mut rest: BTreeMap<String, Vec<String>> = BTreeMap::new();
            while let received @ [_, ..] = &receive(&broker, 10).await[..] {
                for message in received {
                    rest.entry(message.group.clone().unwrap()).or_default().push(message.body.clone());
                    broker.delete(QUEUE, message.receipt).unwrap();
                }
            }
            left.retain(|_, left| !left.is_empty());
            prop_assert_eq!(rest, left);
            Ok(())
        })?;
    }
}

//! The ports onto the broker: what is published arrives, and dead letters say why.

mod queue;

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::memory_support::{broker, drain};
use fanfare::memory::{
    self, Broker, Entry, MemoryPublisher, QueueSettings, Receive, SubscriptionSettings, TopicSettings,
};
use fanfare::port::{Publish, PublishError};
use fanfare::{
    App, Attribute, Attributes, Backoff, Clock, Command, Delivery, Draft, Envelope, Event, Failure, Handled,
    Outgoing, Router, batches, dead_letter_name, derived_id, message_group, queue_name, topic_name,
    wire_size,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Placed {
    order: String,
    note: String,
}

impl Event for Placed {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order))
    }
    fn tenant(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("tenant 1"))
    }
}

#[derive(Serialize, Deserialize)]
struct Posted {
    account: String,
    number: u32,
}

impl Event for Posted {
    const TYPE: &'static str = "posted";
    const TOPIC: &'static str = "ledger.fifo";
    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.account))
    }
}

#[derive(Serialize, Deserialize)]
struct Refund {
    order: String,
}

impl Command for Refund {
    const TYPE: &'static str = "Refund";
    const CONSUMER: &'static str = "payment";
    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order))
    }
}

fn placed(note: &str) -> Outgoing {
    let event = Placed {
        order: "17".into(),
        note: note.into(),
    };
    Draft::event(&event).unwrap().first("/checkout", &Clock::system())
}

fn posted(account: &str, number: u32) -> Outgoing {
    Draft::event(&Posted {
        account: account.into(),
        number,
    })
    .unwrap()
    .first("/ledger", &Clock::system())
}

/// The broker of the application `shop`, with a queue that takes all of a topic.
fn with_topic(topic: &str, queue: &str) -> (Broker, MemoryPublisher) {
    let broker = broker();
    broker
        .create_topic(&topic_name("shop", topic), TopicSettings::default())
        .unwrap();
    broker.create_queue(queue, QueueSettings::default()).unwrap();
    broker
        .subscribe(&topic_name("shop", topic), queue, SubscriptionSettings::default())
        .unwrap();
    let publisher = MemoryPublisher::new(broker.clone(), "shop");
    (broker, publisher)
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_its_topic_with_the_attributes_that_filters_see() {
    let (broker, publisher) = with_topic("orders", "q");
    let outgoing = placed("hello");
    let id = outgoing.envelope.id().to_owned();
    let attributes = outgoing.attributes();
    assert!(publisher.publish(vec![outgoing]).await[0].is_ok());
    let received = drain(&broker, "q").await;
    assert_eq!(Envelope::parse(&received[0].body).unwrap().id(), id);
    assert_eq!(received[0].attributes, attributes);
    assert_eq!(received[0].group.as_deref(), Some(&*message_group("tenant 1")));
}

#[tokio::test(start_paused = true)]
async fn on_fifo_the_key_is_the_group_and_the_same_event_is_one_message() {
    let (broker, publisher) = with_topic("ledger.fifo", "q.fifo");
    let events = vec![posted("a", 1), posted("b", 1), posted("a", 2)];
    let results = publisher.publish([events.clone(), events.clone()].concat()).await;
    assert!(results.len() == 6 && results.iter().all(Result::is_ok));
    let received = drain(&broker, "q.fifo").await;
    let groups: Vec<_> = received
        .iter()
        .map(|message| message.group.clone().unwrap())
        .collect();
    assert_eq!(groups, ["a", "a", "b"]);
    let first = &events[0].envelope;
    assert_eq!(
        received[0].deduplication_id,
        Some(derived_id(&[first.source(), first.id()]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_goes_to_its_consumer_s_queue_of_either_kind() {
    let command = || {
        Draft::command(&Refund { order: "17".into() })
            .unwrap()
            .first("/checkout", &Clock::system())
    };
    for queue in ["shop-payment", "shop-payment.fifo"] {
        let broker = broker();
        broker.create_queue(queue, QueueSettings::default()).unwrap();
        let publisher = MemoryPublisher::new(broker.clone(), "shop");
        assert!(publisher.publish(vec![command()]).await[0].is_ok());
        let received = drain(&broker, queue).await;
        let group = queue.ends_with(".fifo").then_some("17");
        assert_eq!((received.len(), received[0].group.as_deref()), (1, group));
    }
}

#[tokio::test(start_paused = true)]
async fn batch_size_is_computed_in_bytes_not_characters() {
    let (broker, publisher) = with_topic("orders", "q");
    // Ten messages that fit together by their characters, and by far not by their bytes.
    let events: Vec<_> = (0..10).map(|_| placed(&"😀".repeat(25_000))).collect();
    let characters: usize = events
        .iter()
        .map(|event| event.envelope.to_json().chars().count())
        .sum();
    let bytes: usize = events.iter().map(|event| event.envelope.to_json().len()).sum();
    assert!(characters < 262_144 && bytes > 3 * 262_144);
    let results = publisher.publish(events).await;
    assert!(
        results.len() == 10 && results.iter().all(Result::is_ok),
        "{results:?}"
    );
    assert_eq!(drain(&broker, "q").await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_fails_alone_and_finally() {
    let (broker, publisher) = with_topic("orders", "q");
    let results = publisher
        .publish(vec![placed("a"), placed(&"x".repeat(262_144)), placed("b")])
        .await;
    assert!(results[0].is_ok() && results[2].is_ok());
    match &results[1] {
        Err(
            error @ PublishError::TooLarge {
                destination,
                size,
                limit: 262_144,
            },
        ) => {
            assert!(*size > 262_144 && destination == "shop-orders" && !error.is_retryable());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(drain(&broker, "q").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_topic_or_queue_that_is_not_there_is_said_by_name_and_stops_nothing_else() {
    let (_, publisher) = with_topic("orders", "q");
    let command = Draft::command(&Refund { order: "17".into() })
        .unwrap()
        .first("/checkout", &Clock::system());
    let results = publisher
        .publish(vec![placed("a"), posted("a", 1), command, placed("b")])
        .await;
    assert!(results[0].is_ok() && results[3].is_ok());
    for (result, name) in [(&results[1], "shop-ledger.fifo"), (&results[2], "shop-payment")] {
        match result {
            Err(PublishError::Rejected { destination, .. }) => assert_eq!(destination, name),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn two_fresh_processes_publish_distinct_deduplication_ids() {
    let of = |outgoing: &Outgoing| derived_id(&[outgoing.envelope.source(), outgoing.envelope.id()]);
    // Two processes differ in nothing but their generator.
    let ids: Vec<_> = [1, 2]
        .map(|seed| {
            fastrand::seed(seed);
            of(&posted("a", 1))
        })
        .to_vec();
    assert_ne!(ids[0], ids[1]);
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn sorted(&self) -> Vec<String> {
        let mut seen = self.0.lock().unwrap().clone();
        seen.sort();
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_is_set_up_and_served_with_nothing_but_its_routers() {
    let seen = Seen::default();
    let note = |consumer: &'static str| {
        let seen = seen.clone();
        move |what: String| seen.note(format!("{consumer} {what}"))
    };
    let (billing, shipping, books, payment) =
        (note("billing"), note("shipping"), note("books"), note("payment"));
    let app = App::new("shop")
        .consumer(
            Router::new("billing").on::<Placed>(move |placed: Delivery<Placed>| {
                billing(placed.order.clone());
                async { Ok(Handled::Applied) }
            }),
        )
        .consumer(
            Router::new("shipping").on::<Placed>(move |placed: Delivery<Placed>| {
                shipping(placed.order.clone());
                async { Err(Failure::terminal("no such address")) }
            }),
        )
        .consumer(
            Router::new("books").on::<Posted>(move |posted: Delivery<Posted>| {
                books(format!("{} {}", posted.account, posted.number));
                async { Ok(Handled::Applied) }
            }),
        )
        .consumer(
            Router::new("payment").on_command::<Refund>(move |refund: Delivery<Refund>| {
                payment(refund.order.clone());
                async { Ok(Handled::Applied) }
            }),
        );
    let broker = broker();
    let topology = app.topology().unwrap();
    memory::set_up(&broker, &topology).unwrap();
    memory::set_up(&broker, &topology).expect("what is there stays");
    let publisher = MemoryPublisher::new(broker.clone(), "shop");
    let refund = Draft::command(&Refund { order: "18".into() })
        .unwrap()
        .first("/checkout", &Clock::system());
    for result in publisher.publish(vec![placed(""), posted("a", 1), refund]).await {
        result.unwrap();
    }
    let queues = ["shop-billing", "shop-shipping", "shop-books.fifo", "shop-payment"];
    let quiet = broker.clone();
    memory::serve(&app, &broker, async move { quiet.quiet(queues).await.unwrap() })
        .await
        .unwrap();
    assert_eq!(
        seen.sorted(),
        ["billing 17", "books a 1", "payment 18", "shipping 17"]
    );
    let dead: Vec<_> = queues
        .iter()
        .map(|queue| broker.counts(queue).unwrap().dead)
        .collect();
    assert_eq!(dead, [0, 1, 0, 0]);
}

#[test]
fn names_keep_the_fifo_suffix_last() {
    assert_eq!(topic_name("shop", "orders"), "shop-orders");
    assert_eq!(topic_name("shop", "ledger.fifo"), "shop-ledger.fifo");
    assert_eq!(queue_name("shop", "payment", false), "shop-payment");
    assert_eq!(queue_name("shop", "books", true), "shop-books.fifo");
    assert_eq!(dead_letter_name("shop-payment"), "shop-payment-dlq");
    assert_eq!(dead_letter_name("shop-books.fifo"), "shop-books-dlq.fifo");
}

proptest! {
    #[test]
    fn batches_hold_at_most_ten_entries_and_the_limit_in_bytes(
        sizes in prop::collection::vec(0usize..3_000, 0..60),
        limit in 1usize..10_000,
    ) {
        let cut: Vec<_> = batches(sizes.iter().copied(), limit).collect();
        let mut next = 0;
        for (at, batch) in cut.iter().enumerate() {
            prop_assert_eq!(batch.start, next, "nothing is left out, and the order stays");
            prop_assert!((1..=10).contains(&batch.len()));
            let bytes: usize = sizes[batch.clone()].iter().sum();
            prop_assert!(bytes <= limit || batch.len() == 1);
            // And none could have taken the next entry too.
            if let Some(following) = cut.get(at + 1) {
                prop_assert!(batch.len() == 10 || bytes + sizes[following.start] > limit);
            }
            next = batch.end;
        }
        prop_assert_eq!(next, sizes.len());
    }

    #[test]
    fn every_group_is_one_that_sqs_takes_and_equal_keys_share_it(key in ".{0,200}", other in ".{0,200}") {
        let group = message_group(&key);
        prop_assert!((1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(message_group(&key) == message_group(&other), key == other);
    }

    #[test]
    fn what_is_sent_is_received_unchanged(
        body in "[ -~\u{e000}-\u{fffd}\u{10000}-\u{10ffff}\t\n\r]{1,200}",
        attributes in prop::collection::btree_map("[a-z][a-z0-9_-]{0,9}", "[ -~]{1,20}", 0..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let broker = broker();
            let attributes: Attributes =
                attributes.into_iter().map(|(name, value)| (name, Attribute::string(value))).collect();
            let size = wire_size(&body, &attributes);
            broker.create_queue("q", QueueSettings { maximum_size: size.max(1024), ..QueueSettings::default() }).unwrap();
            broker.send("q", Entry { attributes: attributes.clone(), ..Entry::new(body.clone()) }).unwrap();
            let received = broker.receive("q", Receive::default()).await.unwrap();
            prop_assert_eq!((&received[0].body, &received[0].attributes), (&body, &attributes));
            Ok(())
        })?;
    }

    #[test]
    fn a_backoff_stays_within_its_bound(base in 1u64..10_000, cap in 1u64..1_000_000, attempt in 0u32..1_000, seed in any::<u64>()) {
        fastrand::seed(seed);
        let backoff = Backoff::new(Duration::from_millis(base), Duration::from_millis(cap));
        let bound = backoff.bound(attempt);
        prop_assert!(bound <= Duration::from_millis(cap));
        prop_assert!(backoff.bound(attempt.saturating_add(1)) >= bound, "it never shrinks");
        for _ in 0..20 {
            prop_assert!(backoff.delay(attempt) <= bound);
        }
    }
}

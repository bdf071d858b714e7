//! The publisher through the local AWS: what arrives in the queues behind the topics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

use fanfare::fault::{Fault, FaultPlan};
use fanfare::memory::{Broker, Receive, ReceivedMessage, set_up};
use fanfare::port::Publish;
use fanfare::{Account, Attribute, Clock, Draft};
use fanfare_local::{Dynamo, Local};
use fanfare_publisher::Publisher;

use crate::world::{Placed, ids, pay, placed, posted, topology};

struct World {
    broker: Broker,
    publisher: Publisher,
    plan: FaultPlan,
}

fn world(plan: FaultPlan) -> World {
    let clock = Clock::tokio(UNIX_EPOCH);
    let broker = Broker::new(clock.clone(), FaultPlan::none());
    set_up(&broker, &topology()).unwrap();
    let local = Local::of(broker.clone(), Dynamo::memory(clock).unwrap()).with_faults(plan.clone());
    let account = Account::new("aws", "us-east-1", "000000000000").unwrap();
    let publisher = Publisher::new(&local.sdk_config(), &account, &topology());
    World {
        broker,
        publisher,
        plan,
    }
}

/// Takes all that lies in a queue.
async fn take(broker: &Broker, queue: &str) -> Vec<ReceivedMessage> {
    let mut taken = Vec::new();
    loop {
        let ten = Receive {
            max: 10,
            ..Receive::default()
        };
        let received = broker.receive(queue, ten).await.unwrap();
        if received.is_empty() {
            return taken;
        }
        for message in &received {
            broker.delete(queue, message.receipt).unwrap();
        }
        taken.extend(received);
    }
}

fn event(message: &ReceivedMessage) -> String {
    fanfare::wire::parse(&message.body).unwrap().0.id().to_owned()
}

#[tokio::test(start_paused = true)]
async fn attributes_survive_topics_and_queues() {
    let world = world(FaultPlan::none());
    let publisher = world
        .publisher
        .attribute("team", Attribute::string("checkout"))
        .unwrap();
    let mut event = placed("é🎺");
    event.tenant = Some("t1".into());
    event.envelope = event
        .envelope
        .with_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
    let mut command = pay("b");
    command.envelope = command
        .envelope
        .with_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
    let (body, published) = (
        event.envelope.to_json(),
        publisher.publish(vec![event, command]).await,
    );
    assert!(published.iter().all(Result::is_ok), "{published:?}");
    let taken = take(&world.broker, "shop-payment").await;
    assert_eq!(taken.len(), 2);
    for message in &taken {
        assert_eq!(message.attributes["team"].text(), Some("checkout"));
        assert_eq!(message.attributes["version"], Attribute::number(1));
        let trace = message.trace_header.as_deref();
        assert_eq!(
            trace,
            Some("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1")
        );
    }
    let event = taken
        .iter()
        .find(|message| message.attributes["type"].text() == Some("order.placed"));
    let event = event.unwrap();
    assert_eq!(
        (event.body.as_str(), event.group.as_deref()),
        (body.as_str(), Some("t1"))
    );
}

#[tokio::test(start_paused = true)]
async fn filter_policies_see_the_attributes() {
    let world = world(FaultPlan::none());
    let mut other = placed("b");
    // The topic has it, and nobody takes it.
    let json = other.envelope.to_json().replace("order.placed", "order.unheard");
    other.envelope = fanfare::Envelope::parse(&json).unwrap();
    let results = world.publisher.publish(vec![placed("a"), other]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(take(&world.broker, "shop-payment").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifo_keeps_order_and_drops_the_copy_of_a_second_try() {
    let world = world(FaultPlan::none());
    let outgoing: Vec<_> = (0..12)
        .map(|number| posted(&format!("k{}", number % 3), "a"))
        .collect();
    let sent = ids(&outgoing);
    for _ in 0..2 {
        let results = world.publisher.publish(outgoing.clone()).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    let taken: Vec<_> = take(&world.broker, "shop-bookkeeping.fifo").await;
    let mut by_key: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for message in &taken {
        by_key
            .entry(message.group.clone())
            .or_default()
            .push(event(message));
    }
    assert_eq!(taken.len(), 12, "each once");
    for (key, events) in by_key {
        let number: usize = key.unwrap()[1..].parse().unwrap();
        let order: Vec<_> = sent.iter().skip(number).step_by(3).cloned().collect();
        assert_eq!(events, order);
    }
}

#[tokio::test(start_paused = true)]
async fn under_faults_below_the_sdk_each_event_arrives_and_results_are_right() {
    let mut injected = BTreeMap::new();
    for seed in 0..40 {
        fastrand::seed(seed);
        let plan = FaultPlan::seeded(seed)
            .rates(0.0)
            .rate(Fault::LoseRequest, 0.1)
            .rate(Fault::LoseReply, 0.1)
            .rate(Fault::DelayReply, 0.1)
            .rate(Fault::Throttle, 0.1)
            .rate(Fault::PartialBatch, 0.3);
        let world = world(plan);
        let events: Vec<_> = (0..40).map(|number| placed(number.to_string())).collect();
        let commands: Vec<_> = (0..20).map(|number| pay(number.to_string())).collect();
        let ordered: Vec<_> = (0..30)
            .map(|number| posted(&format!("k{}", number % 5), "a"))
            .collect();
        let order = ids(&ordered);
        let all: Vec<_> = events.into_iter().chain(commands).chain(ordered).collect();
        let sent = ids(&all);
        let results = world.publisher.publish(all).await;
        world.plan.stop();
        let payment = take(&world.broker, "shop-payment").await;
        let bookkeeping = take(&world.broker, "shop-bookkeeping.fifo").await;
        let arrived: BTreeSet<_> = payment.iter().chain(&bookkeeping).map(event).collect();
        for (id, result) in sent.iter().zip(&results) {
            match result {
                Ok(()) => assert!(arrived.contains(id), "seed {seed}: confirmed and not there"),
                Err(error) => assert!(error.is_retryable(), "seed {seed}: {error}"),
            }
        }
        let failed = results.iter().filter(|result| result.is_err()).count();
        assert!(
            failed < sent.len() / 4,
            "seed {seed}: {failed} given up within ten seconds"
        );
        // Within 5 minutes a FIFO topic drops copies, so each is there once and in order.
        for key in 0..5 {
            let group = format!("k{key}");
            let of_key = bookkeeping
                .iter()
                .filter(|message| message.group.as_deref() == Some(&*group));
            let of_key: Vec<_> = of_key.map(event).collect();
            let order: Vec<_> = order
                .iter()
                .skip(key)
                .step_by(5)
                .filter(|id| arrived.contains(*id))
                .collect();
            assert_eq!(of_key.iter().collect::<Vec<_>>(), order, "seed {seed}, {group}");
        }
        for (fault, count) in world.plan.injected() {
            *injected.entry(fault).or_insert(0) += count;
        }
    }
    for fault in [
        "lose_request",
        "lose_reply",
        "delay_reply",
        "throttle",
        "partial_batch",
    ] {
        assert!(
            injected.get(fault).is_some_and(|count| *count > 20),
            "{fault}: {injected:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_ten_of_four_byte_characters_fits() {
    let world = world(FaultPlan::none());
    let text = "🎺".repeat(12_000);
    let outgoing = (0..10).map(|_| {
        let event = Placed {
            text: text.clone(),
            ..Placed::default()
        };
        Draft::event(&event).unwrap().first("/checkout", &Clock::system())
    });
    let results = world.publisher.publish(outgoing.collect()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(take(&world.broker, "shop-payment").await.len(), 10);
}

//! From a queue through a host to a handler's effect, and to the end of the message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Update,
};
use fanfare::fault::Life;
use fanfare::{Attributes, Delivery, Failure, Handled};
use fanfare_local::Dynamo;
use fanfare_store::{Inbox, Store};
use serde_json::json;
use tokio::time::Instant;

use super::fixture::{OrderPlaced, VISIBILITY, consumer, order};
use super::stage::{reason, until};
use super::{Stage, World};

/// The orders that handlers saw, each with when.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<(String, Instant)>>>);

impl Seen {
    fn note(&self, order: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((order.to_owned(), Instant::now()));
    }

    fn all(&self) -> Vec<(String, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self) -> usize {
        self.all().len()
    }
}

/// The body of the one dead letter of `billing`, and its reason.
async fn dead_letter<W: World>(stage: &Stage<W>) -> anyhow::Result<(String, String)> {
    let dead = stage.one(&stage.world().dead_letters("billing")).await?;
    let reason = reason(&dead.message.attributes).context("no reason")?;
    Ok((dead.message.body, reason))
}

pub(super) async fn raw_and_wrapped_bodies_are_both_handled<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let seen = Seen::default();
    let noted = seen.clone();
    let router = consumer("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        noted.note(&placed.order);
        async { Ok(Handled::Applied) }
    });
    let serving = stage.serve(router, None)?;

    stage.emit(&order("raw")).await?;
    let inner = stage.event(&order("notification"))?.envelope.to_json();
    let notification = json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:suite-orders",
        "Message": inner,
        "Timestamp": "2026-05-02T00:54:06.655Z",
        "SignatureVersion": "1",
    });
    stage.send(&notification.to_string(), Attributes::new()).await?;
    let event_bridge = json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "order.placed",
        "source": "/elsewhere",
        "account": "123456789012",
        "time": "2026-12-22T18:43:48Z",
        "region": "us-west-1",
        "resources": [],
        "detail": { "order": "event bridge", "note": "" },
    });
    stage.send(&event_bridge.to_string(), Attributes::new()).await?;

    until("three orders are handled", || seen.count() >= 3).await?;
    serving.stop().await?;
    let mut orders: Vec<_> = seen.all().into_iter().map(|(order, _)| order).collect();
    orders.sort_unstable();
    ensure!(orders == ["event bridge", "notification", "raw"], "handled: {orders:?}");
    stage.none(&stage.world().queue("billing"), VISIBILITY).await
}

pub(super) async fn a_body_that_is_no_event_becomes_a_dead_letter_with_its_reason<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let router = consumer("billing").on::<OrderPlaced>(|_: Delivery<OrderPlaced>| async { Ok(Handled::Applied) });
    let serving = stage.serve(router, None)?;
    stage.send("{\"hello\":\"world\"}", Attributes::new()).await?;
    let (body, reason) = dead_letter(&stage).await?;
    ensure!(body == "{\"hello\":\"world\"}", "the body became {body}");
    ensure!(reason.contains("neither a CloudEvent nor"), "the reason is {reason}");
    serving.stop().await
}

pub(super) async fn an_unknown_type_is_put_back_and_then_becomes_a_dead_letter<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let router = consumer("billing").on::<OrderPlaced>(|_: Delivery<OrderPlaced>| async { Ok(Handled::Applied) });
    let serving = stage.serve(router, None)?;
    let body = r#"{"specversion":"1.0","id":"1","source":"/test","type":"order.lost"}"#;
    stage.send(body, Attributes::new()).await?;
    // As long as filter policies and deploys may take to spread.
    stage.none(&stage.world().dead_letters("billing"), Duration::from_secs(19 * 60)).await?;
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    let (kept, reason) = dead_letter(&stage).await?;
    ensure!(kept == body, "the body became {kept}");
    ensure!(reason == "no handler for `order.lost`", "the reason is {reason}");
    serving.stop().await
}

pub(super) async fn a_failed_event_is_tried_again_after_its_pause<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let pause = Duration::from_secs(2);
    let seen = Seen::default();
    let noted = seen.clone();
    let router = consumer("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        noted.note(&placed.order);
        async move {
            match placed.receive_count() {
                1 => Err(Failure::retry_after(pause, "the bank is closed")),
                _ => Ok(Handled::Applied),
            }
        }
    });
    let serving = stage.serve(router, None)?;
    stage.emit(&order(1)).await?;
    until("it is tried twice", || seen.count() >= 2).await?;
    let all = seen.all();
    let between = all[1].1 - all[0].1;
    ensure!((pause..3 * pause).contains(&between), "tried again after {between:?}");
    stage.none(&stage.world().queue("billing"), 2 * VISIBILITY).await?;
    serving.stop().await
}

pub(super) async fn a_terminal_failure_becomes_a_dead_letter_at_once<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let seen = Seen::default();
    let noted = seen.clone();
    let router = consumer("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        noted.note(&placed.order);
        async { Err(Failure::terminal("the account is closed")) }
    });
    let serving = stage.serve(router, None)?;
    let event = stage.emit(&order(1)).await?;
    let (body, reason) = dead_letter(&stage).await?;
    ensure!(body == event.envelope.to_json(), "the body became {body}");
    ensure!(reason == "the account is closed", "the reason is {reason}");
    ensure!(seen.count() == 1, "tried {} times", seen.count());
    serving.stop().await
}

pub(super) async fn a_panic_costs_one_attempt_of_one_message<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let done = Seen::default();
    let noted = done.clone();
    let router = consumer("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let noted = noted.clone();
        async move {
            if placed.order == "3" && placed.receive_count() == 1 {
                std::panic::panic_any("the handler of the third order");
            }
            noted.note(&placed.order);
            Ok(Handled::Applied)
        }
    });
    let serving = stage.serve(router, None)?;
    let events: Vec<_> = (0..6).map(|n| stage.event(&order(n))).collect::<Result<_, _>>()?;
    stage.publish(events).await?;
    until("all six are handled", || done.count() >= 6).await?;
    serving.stop().await?;
    let mut orders: Vec<_> = done.all().into_iter().map(|(order, _)| order).collect();
    orders.sort_unstable();
    ensure!(orders == ["0", "1", "2", "3", "4", "5"], "handled: {orders:?}");
    Ok(())
}

/// A table with a number for each order, and the store that guards it.
struct Counted {
    client: Client,
    inbox: Inbox,
}

const COUNTS: &str = "counts";

impl Counted {
    async fn new<W: World>(stage: &Stage<W>) -> anyhow::Result<Self> {
        let client = Dynamo::memory(stage.clock())?.client(&Life::default());
        client
            .create_table()
            .table_name(COUNTS)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(KeySchemaElement::builder().attribute_name("order").key_type(KeyType::Hash).build()?)
            .attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name("order")
                    .attribute_type(ScalarAttributeType::S)
                    .build()?,
            )
            .send()
            .await?;
        let store = Store::new(client.clone(), "fanfare").clock(stage.clock());
        store.create_table().await?;
        Ok(Self { client, inbox: store.inbox() })
    }

    async fn all(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let items = self.client.scan().table_name(COUNTS).send().await?.items.unwrap_or_default();
        items
            .into_iter()
            .map(|item| {
                let order = item.get("order").and_then(|value| value.as_s().ok()).context("no order")?;
                let count = item.get("times").and_then(|value| value.as_n().ok()).context("no count")?;
                Ok((order.clone(), count.clone()))
            })
            .collect()
    }
}

/// Adds one to the order's number: twice is two.
async fn count(inbox: &Inbox, placed: &Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    let add = Update::builder()
        .table_name(COUNTS)
        .key("order", AttributeValue::S(placed.order.clone()))
        .update_expression("ADD times :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .build()?;
    Ok(inbox.once(placed).write(add).commit().await?)
}

pub(super) async fn an_effect_is_applied_exactly_once_under_duplicates<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let counted = Counted::new(&stage).await?;
    let attempts = Arc::new(AtomicUsize::new(0));
    let router = {
        let (inbox, attempts) = (counted.inbox.clone(), attempts.clone());
        consumer("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
            let inbox = inbox.clone();
            attempts.fetch_add(1, Ordering::Relaxed);
            async move { count(&inbox, &placed).await }
        })
    };
    // Two hosts, as after scaling out.
    let first = stage.serve(router.clone(), Some(Arc::new(counted.inbox.clone())))?;
    let second = stage.serve(router, Some(Arc::new(counted.inbox.clone())))?;
    let events: Vec<_> = (0..5).map(|n| stage.event(&order(n))).collect::<Result<_, _>>()?;
    for _ in 0..3 {
        stage.publish(events.clone()).await?;
    }
    until("all copies are handled", || attempts.load(Ordering::Relaxed) >= 15).await?;
    first.stop().await?;
    second.stop().await?;
    let expected: BTreeMap<_, _> = (0..5).map(|n| (n.to_string(), "1".to_owned())).collect();
    let counts = counted.all().await?;
    ensure!(counts == expected, "applied: {counts:?}");
    stage.none(&stage.world().queue("billing"), Duration::from_secs(1)).await
}

pub(super) async fn a_redriven_event_is_handled_once<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let counted = Counted::new(&stage).await?;
    let attempts = Arc::new(AtomicUsize::new(0));
    let router = {
        let (inbox, attempts) = (counted.inbox.clone(), attempts.clone());
        consumer("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
            let inbox = inbox.clone();
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            async move {
                match attempt {
                    0 => Err(Failure::terminal("the account is closed")),
                    _ => count(&inbox, &placed).await,
                }
            }
        })
    };
    let event = stage.event(&order(1))?;
    let serving = stage.serve(router, Some(Arc::new(counted.inbox.clone())))?;
    stage.publish([event.clone()]).await?;
    until("the first attempt is over", || attempts.load(Ordering::Relaxed) == 1).await?;
    // Until the letter lies in the other queue, there is nothing to redrive.
    for _ in 0..30 {
        stage.world().redrive("billing").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if attempts.load(Ordering::Relaxed) > 1 {
            break;
        }
    }
    until("the redriven event is handled", || attempts.load(Ordering::Relaxed) >= 2).await?;
    // A publisher that repeats itself afterwards changes nothing either.
    stage.publish([event]).await?;
    until("the repeat is handled", || attempts.load(Ordering::Relaxed) == 3).await?;
    serving.stop().await?;
    let counts = counted.all().await?;
    ensure!(counts == BTreeMap::from([("1".to_owned(), "1".to_owned())]), "applied: {counts:?}");
    Ok(())
}

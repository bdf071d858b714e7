//! What the functions call: payment behind its queue and the relay behind the table's stream, started as Lambda
//! starts them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use fanfare::dead_letter_name;
use fanfare::memory::Entry;
use fanfare_local::Recorded;
use fanfare_local::mapping::{QueueMapping, StreamMapping};
use fanfare_store::STREAM_FILTER;
use shop::checkout::{self, Checkout};
use shop::email::Post;
use shop::events::RefundPayment;
use shop::functions::RELAY;
use shop::tables::{FANFARE, LEDGER};
use shop::{Deps, payment};

use super::calls;
use crate::bootstrap::{Bootstrap, INVOCATION};
use crate::stage::{LONGEST, Stage};

const QUEUE: &str = "shop-payment";

/// What payment and the relay call as functions, by their names.
pub(super) async fn run() -> anyhow::Result<BTreeMap<String, BTreeSet<Recorded>>> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let local = stage.local().context("it is embedded")?;
    let payment = Bootstrap::start(&stage, payment::NAME, payment::NAME).await?;
    let relay = Bootstrap::start(&stage, RELAY, RELAY).await?;
    let behind_queue = QueueMapping::new(local, QUEUE)
        .timeout(INVOCATION)
        .run(|event| payment.invoke(event), std::future::pending());
    let behind_stream = StreamMapping::new(local.dynamo(), FANFARE)
        .filter(serde_json::from_str(STREAM_FILTER)?)
        .timeout(INVOCATION)
        .run(|event| relay.invoke(event), std::future::pending());
    tokio::select! {
        ended = behind_queue => ended?,
        ended = behind_stream => ended?,
        done = tokio::time::timeout(LONGEST, scenario(&stage)) => done.context("it doesn't come to an end")??,
    }
    let mut calls = calls(local);
    calls.retain(|part, _| [payment::NAME, RELAY].contains(&part.as_str()));
    Ok(calls)
}

/// An order is placed and paid, and paid back; and what can't be read goes to the dead letters.
async fn scenario(stage: &Stage) -> anyhow::Result<()> {
    let mail = Post::Table(stage.aws.dynamo()).provider(None, fanfare::Clock::system())?;
    let deps = stage.aws.deps(&mail);
    let orders = shop::reader::read(&stage.orders(0..1)?)?.orders;
    let order = orders.first().context("an order")?;
    Checkout::new(&deps).place_surely(order).await?;
    entries(&deps, 1).await?;
    let refund = RefundPayment { order: order.clone() };
    deps.store
        .outbox(checkout::NAME)
        .transaction()
        .send(&refund)
        .commit()
        .await?;
    entries(&deps, 2).await?;
    while deps.store.outbox_status().await?.pending > 0 {
        pause().await;
    }
    let broker = stage.local().context("it is embedded")?.broker();
    broker.send(QUEUE, Entry::new("not an event"))?;
    while broker.counts(&dead_letter_name(QUEUE))?.visible == 0 {
        pause().await;
    }
    Ok(())
}

/// Waits until the ledger has so many entries.
async fn entries(deps: &Deps, count: usize) -> anyhow::Result<()> {
    while LEDGER.scan(&deps.dynamo).await?.len() < count {
        pause().await;
    }
    Ok(())
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

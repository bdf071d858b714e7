//! The topology of all cases: two consumers of one topic, and one of a FIFO topic.

use std::borrow::Cow;
use std::time::Duration;

use fanfare::{App, Command, Delivery, Event, Failure, Handled, Producer, Router, Topology};
use serde::{Deserialize, Serialize};

/// How long a received message is hidden: short, for transports in real time.
pub(super) const VISIBILITY: Duration = Duration::from_secs(3);
/// How often a message is received before it becomes a dead letter.
pub(super) const MAX_RECEIVES: u32 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OrderPlaced {
    pub(super) order: String,
    pub(super) note: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OrderCancelled {
    pub(super) order: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TakePayment {
    pub(super) order: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Posted {
    pub(super) account: String,
    pub(super) number: usize,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order))
    }
}

impl Event for OrderCancelled {
    const TYPE: &'static str = "order.cancelled";
    const TOPIC: &'static str = "orders";
}

impl Command for TakePayment {
    const TYPE: &'static str = "TakePayment";
    const CONSUMER: &'static str = "billing";
}

impl Event for Posted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.account))
    }
}

pub(super) fn order(order: impl std::fmt::Display) -> OrderPlaced {
    OrderPlaced {
        order: order.to_string(),
        note: "gift".to_owned(),
    }
}

pub(super) fn posted(account: &str, number: usize) -> Posted {
    Posted {
        account: account.to_owned(),
        number,
    }
}

/// A consumer without handlers yet, with the settings of all cases.
#[track_caller]
pub(super) fn consumer(name: &str) -> Router {
    Router::new(name)
        .visibility_timeout(VISIBILITY)
        .max_receives(MAX_RECEIVES)
}

pub(super) fn topology() -> anyhow::Result<Topology> {
    let app = App::new("suite")
        .producer(
            Producer::new("test")
                .emits::<OrderPlaced>()
                .emits::<OrderCancelled>()
                .emits::<Posted>()
                .sends::<TakePayment>(),
        )
        .consumer(
            consumer("billing")
                .on::<OrderPlaced>(unused)
                .on::<OrderCancelled>(unused)
                .on_command::<TakePayment>(unused),
        )
        .consumer(consumer("shipping").on::<OrderPlaced>(unused))
        .consumer(consumer("bookkeeping").on::<Posted>(unused));
    Ok(app.topology()?)
}

/// The topology wants to know what is handled; each case takes the messages itself.
async fn unused<E>(_: Delivery<E>) -> Result<Handled, Failure> {
    Err(Failure::terminal("nobody serves this one"))
}

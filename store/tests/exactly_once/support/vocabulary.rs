//! What the tests' services say to one another.

use std::borrow::Cow;

use fanfare::{Command, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) order: String,
}

impl Event for Placed {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Charged {
    pub(crate) order: String,
}

impl Event for Charged {
    const TYPE: &'static str = "payment.charged";
    const TOPIC: &'static str = "payments";
}

pub(crate) fn charged(order: &str) -> Charged {
    Charged {
        order: order.to_owned(),
    }
}

/// Of a FIFO topic.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) account: String,
    pub(crate) text: String,
}

impl Event for Posted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.account))
    }
}

pub(crate) fn posted(account: &str, text: &str) -> Posted {
    Posted {
        account: account.to_owned(),
        text: text.to_owned(),
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) order: String,
}

impl Command for Refund {
    const TYPE: &'static str = "RefundPayment";
    const CONSUMER: &'static str = "payment";
}

/// An event that no handler of the tests declares.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Undeclared {}

impl Event for Undeclared {
    const TYPE: &'static str = "order.forgotten";
    const TOPIC: &'static str = "orders";
}

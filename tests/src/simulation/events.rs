//! What travels in the simulated shop.

use std::borrow::Cow;

use fanfare::{Command, Event};
use serde::{Deserialize, Serialize};

/// An event that tells of one order.
pub(crate) trait OfOrder {
    /// The order's id.
    fn order(&self) -> &str;
}

macro_rules! events {
    ($($name:ident is $ty:literal on $topic:literal { $($field:ident: $kind:ty),* })+) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct $name {
            pub(crate) order: String,
            $(pub(crate) $field: $kind,)*
        }

        impl Event for $name {
            const TYPE: &'static str = $ty;
            const TOPIC: &'static str = $topic;

            fn key(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Borrowed(&self.order))
            }
        }

        impl OfOrder for $name {
            fn order(&self) -> &str {
                &self.order
            }
        }
    )+};
}

events! {
    OrderPlaced is "order.placed" on "orders" { article: String, cents: i64 }
    PaymentCharged is "payment.charged" on "payments" { article: String, cents: i64 }
    PaymentFailed is "payment.failed" on "payments" {}
    PaymentRefunded is "payment.refunded" on "payments" { cents: i64 }
    StockReserved is "stock.reserved" on "stock" { article: String }
    StockRejected is "stock.rejected" on "stock" { article: String }
    MailSent is "mail.sent" on "mails" { receipt: String }
}

/// One side of a posting in the ledger; an account's postings are kept in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) account: String,
    pub(crate) order: String,
    pub(crate) cents: i64,
}

impl Event for Posted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.account))
    }
}

/// Tells payment to give the money back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefundPayment {
    pub(crate) order: String,
    pub(crate) cents: i64,
}

impl Command for RefundPayment {
    const TYPE: &'static str = "RefundPayment";
    const CONSUMER: &'static str = "payment";
}

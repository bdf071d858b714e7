//! The shop's consumers. Each effect adds to a number, so that applying it twice shows.

mod bookkeeping;
mod mail;
mod payment;
mod stock;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use fanfare::{App, Backoff, Producer, Router};
use fanfare_store::Inbox;

use super::events::{
    MailSent, OrderPlaced, PaymentCharged, PaymentFailed, PaymentRefunded, Posted, RefundPayment,
    StockRejected, StockReserved,
};
use super::function;
use super::provider::Provider;

pub(crate) use bookkeeping::Gaps;
pub(crate) use payment::LIMIT;

/// What the handlers of one process call.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The process's name.
    pub(crate) process: Arc<str>,
    pub(crate) client: Client,
    pub(crate) inbox: Inbox,
    pub(crate) provider: Provider,
    pub(crate) gaps: Gaps,
    /// How often bookkeeping is given a posting before it becomes a dead letter.
    pub(crate) ledger_receives: u32,
    /// The consumers that are Lambda functions.
    pub(crate) functions: BTreeSet<&'static str>,
}

/// The names of all consumers.
pub(crate) const CONSUMERS: [&str; 5] = ["payment", "stock", "mail", "bookkeeping", "view"];

/// The shop, for the process that these parts belong to.
pub(crate) fn app(parts: &Parts) -> App {
    let payment = payment::Payment::new(parts);
    let view = view::View::new(parts);
    App::new("sim")
        .producer(Producer::new("counter").emits::<OrderPlaced>())
        .consumer(
            consumer("payment")
                .on::<OrderPlaced>(payment.clone())
                .emits::<PaymentCharged>()
                .emits::<PaymentFailed>()
                .emits::<Posted>()
                .on_command::<RefundPayment>(payment)
                .emits::<PaymentRefunded>()
                .emits::<Posted>(),
        )
        .consumer(
            consumer("stock")
                .on::<PaymentCharged>(stock::Stock::new(parts))
                .emits::<StockReserved>()
                .emits::<StockRejected>()
                .sends::<RefundPayment>(),
        )
        .consumer(
            consumer("mail")
                .on::<StockReserved>(mail::Mail::new(parts))
                .emits::<MailSent>(),
        )
        .consumer(
            consumer("bookkeeping")
                .max_receives(parts.ledger_receives)
                .on::<Posted>(bookkeeping::Bookkeeping::new(parts)),
        )
        .consumer(
            consumer("view")
                .on::<OrderPlaced>(view.clone())
                .on::<PaymentCharged>(view.clone())
                .on::<PaymentFailed>(view.clone())
                .on::<PaymentRefunded>(view.clone())
                .on::<StockReserved>(view.clone())
                .on::<StockRejected>(view.clone())
                .on::<MailSent>(view),
        )
        .map_consumers(|router| match parts.functions.contains(router.name()) {
            true => {
                let settings = function::settings(router.name(), parts.ledger_receives);
                let longest = 6 * settings.timeout + settings.window;
                router.visibility_timeout(longest).function(settings)
            }
            false => router,
        })
}

fn consumer(name: &str) -> Router {
    Router::new(name)
        .visibility_timeout(Duration::from_secs(10))
        .max_receives(4)
        .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(20)))
}

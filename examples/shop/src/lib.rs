//! The reference system: a CD shop as a choreography of services that know events and not one another.
//!
//! ```text
//! checkout ── order.placed ──► payment ── payment.charged ──► inventory ── stock.reserved ──► shipping
//!    ▲                            │  ▲                           │                               │
//!    │                            │  └── RefundPayment ──┐       │                      shipment.created
//!    └────────── stock.rejected ──┼───────────────────── │ ◄─────┘
//!                                 │      (checkout cancels)
//!                      payment.failed, payment.refunded, ledger.posted
//! ```
//!
//! [`email`] tells the customer how the order ended, [`bookkeeping`] keeps balances from the ledger's
//! postings, [`analytics`] sums the revenue, [`orders_view`] answers how an order stands, and
//! [`loyalty`] was added later, without touching any of them.
//!
//! | topic | events |
//! |---|---|
//! | `orders` | order.placed, order.cancelled |
//! | `payments` | payment.charged, payment.failed, payment.refunded |
//! | `stock` | stock.reserved, stock.rejected |
//! | `shipments` | shipment.created |
//! | `ledger.fifo` | ledger.posted, in the order of each account |
//!
//! An order ends in one of three ways: its payment fails, it is shipped, or no shelf can serve it and
//! it is cancelled and refunded. Each service keeps its own tables ([`tables`]) and writes them in the
//! transaction that records the event as handled. [`dev`] runs all of it in one process and audits what
//! came of it; [`process`] has the processes that it consists of on AWS, any of which can be a Lambda
//! function ([`functions`]).

pub mod analytics;
pub mod aws;
pub mod bookkeeping;
pub mod checkout;
pub mod dev;
pub mod email;
pub mod events;
pub mod functions;
pub mod http;
pub mod inventory;
pub mod item;
pub mod loyalty;
pub mod order;
pub mod orders_view;
pub mod payment;
pub mod process;
pub mod reader;
mod relayed;
pub mod shipping;
mod spread;
mod stocked;
pub mod tables;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use fanfare::{App, Clock};
use fanfare_store::Store;

pub use order::Order;
pub use spread::spread;

/// The application's name.
pub const NAME: &str = "shop";

/// The names of the consumers.
pub const CONSUMERS: [&str; 9] = [
    checkout::NAME,
    payment::NAME,
    bookkeeping::NAME,
    inventory::NAME,
    shipping::NAME,
    email::NAME,
    analytics::NAME,
    orders_view::NAME,
    loyalty::NAME,
];

/// What the services need from outside. Cheap to clone.
#[derive(Clone)]
pub struct Deps {
    /// DynamoDB, for the services' own tables.
    pub dynamo: Client,
    /// The store: inbox and outbox.
    pub store: Store,
    /// Who sends mails.
    pub mail: Arc<dyn email::Provider>,
    /// How long a host may be silent before another sends the mail that it was sending. Renewed
    /// while it works.
    pub mail_lease: Duration,
    /// The time.
    pub clock: Clock,
}

/// The shop: every consumer and producer.
pub fn app(deps: &Deps) -> App {
    App::new(NAME)
        .store(tables::FANFARE)
        .producer(checkout::producer())
        .service(http::service())
        .consumer(checkout::consumer(deps))
        .consumer(payment::consumer(deps))
        .consumer(bookkeeping::consumer(deps))
        .consumer(inventory::consumer(deps))
        .consumer(shipping::consumer(deps))
        .consumer(email::consumer(deps))
        .consumer(analytics::consumer(deps))
        .consumer(orders_view::consumer(deps))
        .consumer(loyalty::consumer(deps))
}

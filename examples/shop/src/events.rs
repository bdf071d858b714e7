//! What the services tell each other. Each event carries its order, so that who hears it has to ask
//! nobody; topics are one a domain.

use std::borrow::Cow;

use fanfare::{Command, Event};
use fanfare_cli::Application;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Order;

/// Says what all of them look like, for the command line.
pub fn describe(application: Application) -> Application {
    application
        .event::<OrderPlaced>()
        .event::<OrderCancelled>()
        .event::<PaymentCharged>()
        .event::<PaymentFailed>()
        .event::<PaymentRefunded>()
        .event::<StockReserved>()
        .event::<StockRejected>()
        .event::<ShipmentCreated>()
        .event::<LedgerPosted>()
        .command::<RefundPayment>()
}

/// Checkout took an order.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OrderPlaced {
    /// The order.
    pub order: Order,
}

/// Checkout cancelled an order that no shelf could serve.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OrderCancelled {
    /// The order.
    pub order: Order,
}

/// Payment charged an order's total.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PaymentCharged {
    /// The order.
    pub order: Order,
}

/// Payment could not charge an order's total: it is over the card's limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PaymentFailed {
    /// The order.
    pub order: Order,
    /// The card's limit in cents.
    pub limit_cents: i64,
}

/// Payment gave an order's total back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRefunded {
    /// The order.
    pub order: Order,
}

/// Inventory took an order's CDs from a shelf.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StockReserved {
    /// The order.
    pub order: Order,
    /// The shelf they were taken from.
    pub shelf: String,
}

/// Inventory has no shelf with as many CDs as an order wants.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StockRejected {
    /// The order.
    pub order: Order,
}

/// Shipping sent a parcel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShipmentCreated {
    /// The order.
    pub order: Order,
    /// The parcel's id.
    pub shipment: String,
}

/// Payment wrote one posting of a ledger entry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerPosted {
    /// The account, by which postings are ordered.
    pub account: String,
    /// The entry that the posting is half of.
    pub entry: String,
    /// The order it is about.
    pub order_id: String,
    /// Cents onto the account; negative, off it.
    pub cents: i64,
}

/// Tells payment to give an order's total back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RefundPayment {
    /// The order.
    pub order: Order,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for OrderCancelled {
    const TYPE: &'static str = "order.cancelled";
    const TOPIC: &'static str = "orders";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for PaymentCharged {
    const TYPE: &'static str = "payment.charged";
    const TOPIC: &'static str = "payments";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for PaymentFailed {
    const TYPE: &'static str = "payment.failed";
    const TOPIC: &'static str = "payments";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for PaymentRefunded {
    const TYPE: &'static str = "payment.refunded";
    const TOPIC: &'static str = "payments";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for StockReserved {
    const TYPE: &'static str = "stock.reserved";
    const TOPIC: &'static str = "stock";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for StockRejected {
    const TYPE: &'static str = "stock.rejected";
    const TOPIC: &'static str = "stock";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for ShipmentCreated {
    const TYPE: &'static str = "shipment.created";
    const TOPIC: &'static str = "shipments";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

impl Event for LedgerPosted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.account))
    }
}

impl Command for RefundPayment {
    const TYPE: &'static str = "RefundPayment";
    const CONSUMER: &'static str = "payment";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order.id))
    }
}

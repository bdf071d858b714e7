//! The read model: what has happened to each order, for who asks.
//!
//! Events arrive in any order. So the view doesn't store a status: it collects the [`Fact`]s, which
//! commute, and the status is that of the highest one. It never goes back, whatever comes late.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use fanfare::topology::TableAction;
use fanfare::{Delivery, Event, Failure, Handled, Handler, Router};
use fanfare_store::Inbox;
use serde::Serialize;

use crate::events::{
    OrderCancelled, OrderPlaced, PaymentCharged, PaymentFailed, PaymentRefunded, ShipmentCreated,
};
use crate::item::{Item, Unreadable, get_order, number, text};
use crate::tables::VIEWS;
use crate::{Deps, Order};

/// The consumer's name.
pub const NAME: &str = "orders-view";

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let view = OrdersView {
        inbox: deps.store.inbox(),
    };
    Router::new(NAME)
        .table(VIEWS.name, [TableAction::Update])
        .on::<OrderPlaced>(view.clone())
        .on::<PaymentCharged>(view.clone())
        .on::<PaymentFailed>(view.clone())
        .on::<OrderCancelled>(view.clone())
        .on::<PaymentRefunded>(view.clone())
        .on::<ShipmentCreated>(view)
}

/// Something that happened to an order, in the order of rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It was placed.
    Placed,
    /// It was paid.
    Charged,
    /// It was cancelled, and its refund is under way.
    Cancelled,
    /// The end: it could not be paid.
    PaymentFailed,
    /// The end: it was cancelled and its payment given back.
    Refunded,
    /// The end: it was shipped.
    Shipped,
}

impl Fact {
    /// All, in the order of rank.
    pub const ALL: [Self; 6] = [
        Self::Placed,
        Self::Charged,
        Self::Cancelled,
        Self::PaymentFailed,
        Self::Refunded,
        Self::Shipped,
    ];

    /// Its name in the table and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Charged => "charged",
            Self::Cancelled => "cancelled",
            Self::PaymentFailed => "payment_failed",
            Self::Refunded => "refunded",
            Self::Shipped => "shipped",
        }
    }

    /// Whether nothing happens to the order after it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::PaymentFailed | Self::Refunded | Self::Shipped)
    }
}

/// What is known of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The order.
    pub order: Order,
    /// What happened to it, in the order of rank; at least one fact.
    pub facts: Vec<Fact>,
}

impl View {
    /// How it ended, once it has.
    pub fn end(&self) -> Option<Fact> {
        self.facts.last().copied().filter(|fact| fact.is_end())
    }

    /// `processing`, or how it ended.
    pub fn status(&self) -> &'static str {
        self.end().map_or(PROCESSING, Fact::name)
    }

    /// Reads it from its item.
    ///
    /// # Errors
    /// The item isn't a view.
    pub fn from_item(item: &Item) -> Result<Self, Unreadable> {
        let names = match item.get("facts") {
            Some(AttributeValue::Ss(names)) => names.as_slice(),
            _ => &[],
        };
        let has = |fact: &Fact| names.iter().any(|name| name == fact.name());
        Ok(Self {
            order: get_order(VIEWS.name, item)?,
            facts: Fact::ALL.into_iter().filter(has).collect(),
        })
    }
}

/// The status of an order that hasn't ended yet.
pub const PROCESSING: &str = "processing";

/// Reads the view of an order; nothing, if no event of it has come here yet.
///
/// # Errors
/// DynamoDB can't be read, or the item isn't a view.
pub async fn view(dynamo: &Client, order_id: &str) -> anyhow::Result<Option<View>> {
    let found = dynamo
        .get_item()
        .table_name(VIEWS.name)
        .key("order_id", text(order_id))
        .send()
        .await?;
    Ok(found.item.map(|item| View::from_item(&item)).transpose()?)
}

#[derive(Clone)]
struct OrdersView {
    inbox: Inbox,
}

impl OrdersView {
    async fn add<E: Event>(
        &self,
        delivery: &Delivery<E>,
        order: &Order,
        fact: Fact,
    ) -> Result<Handled, Failure> {
        let update = Update::builder()
            .table_name(VIEWS.name)
            .key("order_id", text(&order.id))
            .update_expression(
                "SET customer_id = :customer, placed_on = :day, quantity = :quantity, total_cents = :cents \
                 ADD facts :facts",
            )
            .expression_attribute_values(":customer", text(&order.customer))
            .expression_attribute_values(":day", text(&order.placed_on))
            .expression_attribute_values(":quantity", number(order.quantity))
            .expression_attribute_values(":cents", number(order.total_cents))
            .expression_attribute_values(":facts", AttributeValue::Ss(vec![fact.name().to_owned()]))
            .build()?;
        Ok(self.inbox.once(delivery).write(update).commit().await?)
    }
}

impl Handler<OrderPlaced> for OrdersView {
    async fn handle(&self, event: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        self.add(&event, &event.order, Fact::Placed).await
    }
}

impl Handler<PaymentCharged> for OrdersView {
    async fn handle(&self, event: Delivery<PaymentCharged>) -> Result<Handled, Failure> {
        self.add(&event, &event.order, Fact::Charged).await
    }
}

impl Handler<PaymentFailed> for OrdersView {
    async fn handle(&self, event: Delivery<PaymentFailed>) -> Result<Handled, Failure> {
        self.add(&event, &event.order, Fact::PaymentFailed).await
    }
}

impl Handler<OrderCancelled> for OrdersView {
    async fn handle(&self, event: Delivery<OrderCancelled>) -> Result<Handled, Failure> {
        self.add(&event, &event.order, Fact::Cancelled).await
    }
}

impl Handler<PaymentRefunded> for OrdersView {
    async fn handle(&self, event: Delivery<PaymentRefunded>) -> Result<Handled, Failure> {
        self.add(&event, &event.order, Fact::Refunded).await
    }
}

impl Handler<ShipmentCreated> for OrdersView {
    async fn handle(&self, event: Delivery<ShipmentCreated>) -> Result<Handled, Failure> {
        self.add(&event, &event.order, Fact::Shipped).await
    }
}

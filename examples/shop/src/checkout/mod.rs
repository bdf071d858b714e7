//! Checkout takes orders, and cancels those that inventory can't serve.

mod place;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::Update;
use fanfare::topology::TableAction;
use fanfare::{Delivery, Failure, Handled, Handler, Producer, Router};
use fanfare_store::Inbox;

use crate::events::{OrderCancelled, OrderPlaced, RefundPayment, StockRejected};
use crate::item::{get_order, text};
use crate::tables::ORDERS;
use crate::{Deps, Order};

pub use place::{Checkout, PlaceError, Placed};

/// The name of the consumer and of the producer, which are one service.
pub const NAME: &str = "checkout";

/// What it publishes without having consumed anything.
pub fn producer() -> Producer {
    Producer::new(NAME).emits::<OrderPlaced>()
}

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let cancel = Cancel {
        inbox: deps.store.inbox(),
    };
    Router::new(NAME)
        .table(ORDERS.name, [TableAction::Update])
        .on::<StockRejected>(cancel)
        .emits::<OrderCancelled>()
        .sends::<RefundPayment>()
}

struct Cancel {
    inbox: Inbox,
}

impl Handler<StockRejected> for Cancel {
    async fn handle(&self, rejected: Delivery<StockRejected>) -> Result<Handled, Failure> {
        let order = rejected.order.clone();
        let cancel = Update::builder()
            .table_name(ORDERS.name)
            .key("order_id", text(&order.id))
            .update_expression("SET #state = :cancelled")
            .condition_expression("attribute_exists(order_id)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":cancelled", text("cancelled"))
            .build()?;
        let handled = self
            .inbox
            .once(&rejected)
            .write_as("order", cancel)
            .emit(&OrderCancelled { order: order.clone() })
            .send(&RefundPayment { order })
            .commit()
            .await?;
        Ok(handled)
    }
}

/// All orders that checkout has taken, by their ids.
///
/// # Errors
/// DynamoDB can't be read.
pub async fn orders(dynamo: &Client) -> anyhow::Result<BTreeMap<String, Order>> {
    let mut orders = BTreeMap::new();
    for item in ORDERS.scan(dynamo).await? {
        let order = get_order(ORDERS.name, &item)?;
        orders.insert(order.id.clone(), order);
    }
    Ok(orders)
}

/// Whether checkout has taken an order of this id.
///
/// # Errors
/// DynamoDB can't be read.
pub async fn knows(dynamo: &Client, order_id: &str) -> anyhow::Result<bool> {
    let found = dynamo
        .get_item()
        .table_name(ORDERS.name)
        .key("order_id", text(order_id))
        .projection_expression("order_id")
        .consistent_read(true)
        .send()
        .await?;
    Ok(found.item.is_some())
}

//! Analytics sums the revenue by day and by customer.
//!
//! A day's orders all come on that day, so its sum is spread over [`DAY_PARTS`] items, to be added up
//! by who reads it.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::Update;
use fanfare::topology::TableAction;
use fanfare::{Delivery, Failure, Handled, Handler, Router};
use fanfare_store::Inbox;

use crate::events::{PaymentCharged, PaymentRefunded};
use crate::item::{number, text};
use crate::tables::SALES;
use crate::{Deps, Order, spread};

/// The consumer's name.
pub const NAME: &str = "analytics";

/// Over how many items a day's sum is spread.
pub const DAY_PARTS: u32 = 8;

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let analytics = Analytics {
        inbox: deps.store.inbox(),
    };
    Router::new(NAME)
        .table(SALES.name, [TableAction::Update])
        .on::<PaymentCharged>(analytics.clone())
        .on::<PaymentRefunded>(analytics)
}

/// What an order's revenue is added to: its customer's sum, and its part of its day's sum.
pub fn sums(order: &Order) -> [String; 2] {
    [
        format!("customer#{}", order.customer),
        format!("day#{}#{}", order.placed_on, spread(&order.customer, DAY_PARTS)),
    ]
}

#[derive(Clone)]
struct Analytics {
    inbox: Inbox,
}

impl Handler<PaymentCharged> for Analytics {
    async fn handle(&self, charged: Delivery<PaymentCharged>) -> Result<Handled, Failure> {
        let [customer, day] = add(&charged.order, 1)?;
        let once = self.inbox.once(&charged);
        Ok(once.write(customer).write(day).commit().await?)
    }
}

impl Handler<PaymentRefunded> for Analytics {
    async fn handle(&self, refunded: Delivery<PaymentRefunded>) -> Result<Handled, Failure> {
        let [customer, day] = add(&refunded.order, -1)?;
        let once = self.inbox.once(&refunded);
        Ok(once.write(customer).write(day).commit().await?)
    }
}

/// Adds an order to its sums, or takes it off again.
fn add(order: &Order, sign: i64) -> Result<[Update; 2], BuildError> {
    let [customer, day] = sums(order);
    let update = |of: String| {
        Update::builder()
            .table_name(SALES.name)
            .key("of", text(of))
            .update_expression("ADD cents :cents, orders :orders")
            .expression_attribute_values(":cents", number(sign * order.total_cents))
            .expression_attribute_values(":orders", number(sign))
            .build()
    };
    Ok([update(customer)?, update(day)?])
}

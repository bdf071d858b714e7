//! Loyalty gives a customer a point for each whole dollar of what was shipped.
//!
//! It is the guide's worked example of a consumer that was added later: this module, and one line in
//! [`app`](crate::app). No other service knows of it.

use aws_sdk_dynamodb::types::Update;
use fanfare::topology::TableAction;
use fanfare::{Delivery, Failure, Handled, Handler, Router};
use fanfare_store::Inbox;

use crate::Deps;
use crate::events::ShipmentCreated;
use crate::item::{number, text};
use crate::tables::POINTS;

/// The consumer's name.
pub const NAME: &str = "loyalty";

/// What earns a point.
pub const CENTS_A_POINT: i64 = 100;

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let loyalty = Loyalty {
        inbox: deps.store.inbox(),
    };
    Router::new(NAME)
        .table(POINTS.name, [TableAction::Update])
        .on::<ShipmentCreated>(loyalty)
}

struct Loyalty {
    inbox: Inbox,
}

impl Handler<ShipmentCreated> for Loyalty {
    async fn handle(&self, shipped: Delivery<ShipmentCreated>) -> Result<Handled, Failure> {
        let add = Update::builder()
            .table_name(POINTS.name)
            .key("customer_id", text(&shipped.order.customer))
            .update_expression("ADD points :points")
            .expression_attribute_values(":points", number(shipped.order.total_cents / CENTS_A_POINT))
            .build()?;
        Ok(self.inbox.once(&shipped).write(add).commit().await?)
    }
}

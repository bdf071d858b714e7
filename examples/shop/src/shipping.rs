//! Shipping sends a parcel for what is reserved.

use aws_sdk_dynamodb::types::Put;
use fanfare::topology::TableAction;
use fanfare::{Clock, Delivery, Failure, Handled, Handler, Router, new_id};
use fanfare_store::Inbox;

use crate::Deps;
use crate::events::{ShipmentCreated, StockReserved};
use crate::item::text;
use crate::tables::SHIPMENTS;

/// The consumer's name.
pub const NAME: &str = "shipping";

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let shipping = Shipping {
        inbox: deps.store.inbox(),
        clock: deps.clock.clone(),
    };
    Router::new(NAME)
        .table(SHIPMENTS.name, [TableAction::Put])
        .on::<StockReserved>(shipping)
        .emits::<ShipmentCreated>()
}

struct Shipping {
    inbox: Inbox,
    clock: Clock,
}

impl Handler<StockReserved> for Shipping {
    async fn handle(&self, reserved: Delivery<StockReserved>) -> Result<Handled, Failure> {
        // Its own id: a second parcel for one order would be a second item, for the audit to see.
        let shipment = new_id(&self.clock);
        let put = Put::builder()
            .table_name(SHIPMENTS.name)
            .item("order_id", text(&reserved.order.id))
            .item("shipment", text(&shipment))
            .item("shelf", text(&reserved.shelf))
            .build()?;
        let created = ShipmentCreated {
            order: reserved.order.clone(),
            shipment,
        };
        let handled = self
            .inbox
            .once(&reserved)
            .write_as("shipment", put)
            .emit(&created)
            .commit()
            .await?;
        Ok(handled)
    }
}

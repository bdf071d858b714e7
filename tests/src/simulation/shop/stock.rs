//! Takes an article off its shelf, or has the payment refunded when the shelf is empty. Its work is
//! slow, so it asks whether an event was handled before it begins.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use fanfare::{Delivery, Failure, Handled, Handler};
use fanfare_store::Inbox;

use super::Parts;
use crate::simulation::events::{PaymentCharged, RefundPayment, StockRejected, StockReserved};
use crate::simulation::table::{TABLE, add, id, number};

#[derive(Clone, Debug)]
pub(super) struct Stock {
    client: Client,
    inbox: Inbox,
}

impl Stock {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            client: parts.client.clone(),
            inbox: parts.inbox.clone(),
        }
    }

    async fn left(&self, article: &str) -> Result<i64, Failure> {
        let shelf = self
            .client
            .get_item()
            .table_name(TABLE)
            .key("id", id("shelf", article))
            .consistent_read(true)
            .send()
            .await?;
        let left = shelf.item.as_ref().and_then(|item| item.get("left"));
        match left.and_then(|left| left.as_n().ok()) {
            Some(left) => Ok(left.parse()?),
            None => Err(Failure::terminal(format!("there is no shelf for {article}"))),
        }
    }
}

impl Handler<PaymentCharged> for Stock {
    async fn handle(&self, charged: Delivery<PaymentCharged>) -> Result<Handled, Failure> {
        if self.inbox.seen(&charged).await? {
            return Ok(Handled::Duplicate);
        }
        // Somebody walks to the shelf.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..3_000))).await;
        let (order, article) = (charged.order.clone(), charged.article.clone());
        let once = self.inbox.once(&charged);
        if self.left(&article).await? > 0 {
            let take = add("shelf", &article, "left", -1)
                .condition_expression("#number > :none")
                .expression_attribute_values(":none", number(0));
            return Ok(once
                .write_as("shelf", take.build()?)
                .write(add("stock", &order, "reserved", 1).build()?)
                .emit(&StockReserved { order, article })
                .commit()
                .await?);
        }
        // A shelf is never filled again, so that an empty one stays empty.
        Ok(once
            .write(add("stock", &order, "rejected", 1).build()?)
            .send(&RefundPayment {
                order: order.clone(),
                cents: charged.cents,
            })
            .emit(&StockRejected { order, article })
            .commit()
            .await?)
    }
}

//! Charges what was ordered, and gives it back on command. Posts both sides of each movement.

use fanfare::{Delivery, Failure, Handled, Handler};
use fanfare_store::Inbox;

use super::Parts;
use crate::simulation::events::{
    OrderPlaced, PaymentCharged, PaymentFailed, PaymentRefunded, Posted, RefundPayment,
};
use crate::simulation::table::add;

/// The card's limit, in cents.
pub(crate) const LIMIT: i64 = 5_000;

#[derive(Clone, Debug)]
pub(super) struct Payment {
    inbox: Inbox,
}

impl Payment {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            inbox: parts.inbox.clone(),
        }
    }
}

fn posted(account: &str, order: &str, cents: i64) -> Posted {
    Posted {
        account: account.to_owned(),
        order: order.to_owned(),
        cents,
    }
}

impl Handler<OrderPlaced> for Payment {
    async fn handle(&self, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        let order = placed.order.clone();
        let once = self.inbox.once(&placed);
        if placed.cents > LIMIT {
            let failed = add("payment", &order, "failed", 1).build()?;
            return Ok(once.write(failed).emit(&PaymentFailed { order }).commit().await?);
        }
        let charged = PaymentCharged {
            order: order.clone(),
            article: placed.article.clone(),
            cents: placed.cents,
        };
        Ok(once
            .write(add("payment", &order, "charged", placed.cents).build()?)
            .emit(&charged)
            .emit(&posted("card", &order, placed.cents))
            .emit(&posted("sales", &order, -placed.cents))
            .commit()
            .await?)
    }
}

impl Handler<RefundPayment> for Payment {
    async fn handle(&self, refund: Delivery<RefundPayment>) -> Result<Handled, Failure> {
        let order = refund.order.clone();
        let refunded = PaymentRefunded {
            order: order.clone(),
            cents: refund.cents,
        };
        Ok(self
            .inbox
            .once(&refund)
            .write(add("payment", &order, "refunded", refund.cents).build()?)
            .emit(&posted("card", &order, -refund.cents))
            .emit(&posted("sales", &order, refund.cents))
            .emit(&refunded)
            .commit()
            .await?)
    }
}

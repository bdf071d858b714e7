//! Writes to the customer: an effect outside the tables, so under a lease.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::{Delivery, Failure, Handled, Handler};
use fanfare_store::Inbox;

use super::Parts;
use crate::simulation::events::{MailSent, StockReserved};
use crate::simulation::provider::{Attempt, Provider};
use crate::simulation::table::{add, number};

/// Much shorter than the provider often takes.
const LEASE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub(super) struct Mail {
    process: Arc<str>,
    inbox: Inbox,
    provider: Provider,
}

impl Mail {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            process: parts.process.clone(),
            inbox: parts.inbox.clone(),
            provider: parts.provider.clone(),
        }
    }
}

impl Handler<StockReserved> for Mail {
    async fn handle(&self, reserved: Delivery<StockReserved>) -> Result<Handled, Failure> {
        let order = reserved.order.clone();
        self.inbox
            .lease(&reserved, LEASE, |claim| async move {
                let attempt = Attempt {
                    order: order.clone(),
                    key: claim.idempotency_key().to_owned(),
                    fence: claim.fence(),
                    process: self.process.clone(),
                };
                let receipt = self.provider.send(attempt).await?;
                let sent = add("mail", &order, "sent", 1)
                    .update_expression("ADD #number :amount SET receipt = :receipt, fence = :fence")
                    .expression_attribute_values(":receipt", AttributeValue::S(receipt.clone()))
                    .expression_attribute_values(":fence", number(claim.fence()))
                    .build()?;
                Ok(claim
                    .complete()
                    .write(sent)
                    .emit(&MailSent {
                        order,
                        receipt: receipt.clone(),
                    })
                    .result(&receipt)
                    .commit()
                    .await?)
            })
            .await
    }
}

//! Payment charges what was placed, up to the card's limit, and gives it back when told to.
//!
//! Its ledger is double-entry and append-only: an entry is two postings that sum to zero, from the
//! customer's account to a revenue account or back. The revenue is spread over [`REVENUE_ACCOUNTS`],
//! so that no account is part of every transaction. An entry's id is its own: were an event handled
//! twice, there would be two entries, and the audit would see them.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use fanfare::topology::TableAction;
use fanfare::{Clock, Delivery, Failure, Handled, Handler, Router, new_id};
use fanfare_store::Inbox;

use crate::events::{
    LedgerPosted, OrderPlaced, PaymentCharged, PaymentFailed, PaymentRefunded, RefundPayment,
};
use crate::item::{number, text};
use crate::tables::LEDGER;
use crate::{Deps, Order, spread};

/// The consumer's name.
pub const NAME: &str = "payment";

/// What a card can be charged with at once: 250 USD.
pub const CARD_LIMIT_CENTS: i64 = 25_000;

/// How many accounts the revenue is spread over. Postings of one account are published one after
/// the other, and transactions on one conflict.
pub const REVENUE_ACCOUNTS: u32 = 64;

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let payment = Payment {
        inbox: deps.store.inbox(),
        clock: deps.clock.clone(),
    };
    Router::new(NAME)
        .table(LEDGER.name, [TableAction::Put])
        .on::<OrderPlaced>(payment.clone())
        .emits::<PaymentCharged>()
        .emits::<PaymentFailed>()
        .emits::<LedgerPosted>()
        .on_command::<RefundPayment>(payment)
        .emits::<PaymentRefunded>()
        .emits::<LedgerPosted>()
}

/// The account of the customer of an order.
pub fn customer_account(order: &Order) -> String {
    format!("customer:{}", order.customer)
}

/// The revenue account of an order.
pub fn revenue_account(order: &Order) -> String {
    format!("revenue:{:02}", spread(&order.id, REVENUE_ACCOUNTS))
}

#[derive(Clone)]
struct Payment {
    inbox: Inbox,
    clock: Clock,
}

impl Handler<OrderPlaced> for Payment {
    async fn handle(&self, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        let order = placed.order.clone();
        if order.total_cents > CARD_LIMIT_CENTS {
            let failed = PaymentFailed {
                order,
                limit_cents: CARD_LIMIT_CENTS,
            };
            return Ok(self.inbox.once(&placed).emit(&failed).commit().await?);
        }
        let entry = Entry::new("charge", &order, order.total_cents, &self.clock);
        let [from, to] = entry.postings();
        let handled = self
            .inbox
            .once(&placed)
            .write_as("ledger", entry.put()?)
            .emit(&from)
            .emit(&to)
            .emit(&PaymentCharged { order })
            .commit()
            .await?;
        Ok(handled)
    }
}

impl Handler<RefundPayment> for Payment {
    async fn handle(&self, refund: Delivery<RefundPayment>) -> Result<Handled, Failure> {
        let order = refund.order.clone();
        let entry = Entry::new("refund", &order, -order.total_cents, &self.clock);
        let [from, to] = entry.postings();
        let handled = self
            .inbox
            .once(&refund)
            .write_as("ledger", entry.put()?)
            .emit(&from)
            .emit(&to)
            .emit(&PaymentRefunded { order })
            .commit()
            .await?;
        Ok(handled)
    }
}

/// An entry of the ledger.
struct Entry {
    id: String,
    kind: &'static str,
    order_id: String,
    customer: String,
    revenue: String,
    cents: i64,
}

impl Entry {
    /// An entry that moves `cents` from the customer's account to the revenue; back, if negative.
    fn new(kind: &'static str, order: &Order, cents: i64, clock: &Clock) -> Self {
        Self {
            id: new_id(clock),
            kind,
            order_id: order.id.clone(),
            customer: customer_account(order),
            revenue: revenue_account(order),
            cents,
        }
    }

    fn postings(&self) -> [LedgerPosted; 2] {
        let posting = |account: &str, cents| LedgerPosted {
            account: account.to_owned(),
            entry: self.id.clone(),
            order_id: self.order_id.clone(),
            cents,
        };
        [
            posting(&self.customer, -self.cents),
            posting(&self.revenue, self.cents),
        ]
    }

    fn put(&self) -> Result<Put, BuildError> {
        let postings = self.postings().into_iter().map(|posting| {
            AttributeValue::M(HashMap::from([
                ("account".to_owned(), text(posting.account)),
                ("cents".to_owned(), number(posting.cents)),
            ]))
        });
        Put::builder()
            .table_name(LEDGER.name)
            .item("order_id", text(&self.order_id))
            .item("entry", text(&self.id))
            .item("kind", text(self.kind))
            .item("postings", AttributeValue::L(postings.collect()))
            .condition_expression("attribute_not_exists(entry)")
            .build()
    }
}

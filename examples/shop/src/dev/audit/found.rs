//! What the tables hold, and what the mail provider was asked for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::model::Decision;
use crate::Order;
use crate::email::{Call, Post};
use crate::item::{Item, get_number, get_order, get_text};
use crate::orders_view::View;
use crate::tables::{BOOKS, FANFARE, LEDGER, ORDERS, POINTS, RESERVATIONS, SALES, SHELVES, SHIPMENTS, VIEWS};

/// All that was written, as it is read back.
#[derive(Debug, Default)]
pub struct Found {
    /// Checkout's orders by their ids, each with its state.
    pub orders: BTreeMap<String, (Order, String)>,
    /// The ledger's entries by their orders' ids.
    pub ledger: BTreeMap<String, Vec<Entry>>,
    /// The balances by account.
    pub books: BTreeMap<String, Booked>,
    /// The shelves by name.
    pub shelves: BTreeMap<String, Shelf>,
    /// Inventory's decisions by their orders' ids.
    pub decisions: BTreeMap<String, Decision>,
    /// The parcels by their orders' ids.
    pub shipments: BTreeMap<String, usize>,
    /// Analytics' sums: cents and orders.
    pub sales: BTreeMap<String, (i64, i64)>,
    /// The read model by order id.
    pub views: BTreeMap<String, View>,
    /// Loyalty's points by customer.
    pub points: BTreeMap<String, i64>,
    /// Every call to the mail provider.
    pub calls: Vec<Call>,
    /// The keys of the mails in the folder; nothing, where a mail server has them.
    pub sent: Option<BTreeSet<String>>,
    /// How many events each consumer has completed, by its inbox records.
    pub handled: BTreeMap<String, u64>,
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// `charge` or `refund`.
    pub kind: String,
    /// Accounts and cents.
    pub postings: Vec<(String, i64)>,
}

/// What is booked on an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// The number of the last posting.
    pub sequence: i64,
    /// The sum of the postings.
    pub balance: i64,
}

/// A shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// How many CDs lay there at first.
    pub initial: i64,
    /// How many are left.
    pub rest: i64,
}

impl Found {
    /// Reads everything, strongly consistent. The tables must be at rest.
    ///
    /// # Errors
    /// Something can't be read, or isn't what the shop writes.
    pub async fn read(dynamo: &Client, mails: &Post) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for item in ORDERS.scan(dynamo).await? {
            let order = get_order(ORDERS.name, &item)?;
            let state = get_text(ORDERS.name, &item, "state")?.to_owned();
            found.orders.insert(order.id.clone(), (order, state));
        }
        for item in LEDGER.scan(dynamo).await? {
            let order_id = get_text(LEDGER.name, &item, "order_id")?.to_owned();
            found.ledger.entry(order_id).or_default().push(entry(&item)?);
        }
        for item in BOOKS.scan(dynamo).await? {
            let booked = Booked {
                sequence: get_number(BOOKS.name, &item, "seq")?,
                balance: get_number(BOOKS.name, &item, "balance")?,
            };
            let account = get_text(BOOKS.name, &item, "account")?.to_owned();
            found.books.insert(account, booked);
        }
        for item in VIEWS.scan(dynamo).await? {
            let view = View::from_item(&item)?;
            found.views.insert(view.order.id.clone(), view);
        }
        for item in SALES.scan(dynamo).await? {
            let of = get_text(SALES.name, &item, "of")?.to_owned();
            let cents = get_number(SALES.name, &item, "cents")?;
            found
                .sales
                .insert(of, (cents, get_number(SALES.name, &item, "orders")?));
        }
        for item in POINTS.scan(dynamo).await? {
            let customer = get_text(POINTS.name, &item, "customer_id")?.to_owned();
            found
                .points
                .insert(customer, get_number(POINTS.name, &item, "points")?);
        }
        found.read_stock(dynamo).await?;
        found.read_handled(dynamo).await?;
        (found.calls, found.sent) = mails.read().await?;
        Ok(found)
    }

    async fn read_stock(&mut self, dynamo: &Client) -> anyhow::Result<()> {
        for item in SHELVES.scan(dynamo).await? {
            let shelf = Shelf {
                initial: get_number(SHELVES.name, &item, "initial")?,
                rest: get_number(SHELVES.name, &item, "rest")?,
            };
            let name = get_text(SHELVES.name, &item, "shelf")?.to_owned();
            self.shelves.insert(name, shelf);
        }
        for item in RESERVATIONS.scan(dynamo).await? {
            let shelf = match get_text(RESERVATIONS.name, &item, "decision")? {
                "reserved" => Some(get_text(RESERVATIONS.name, &item, "shelf")?.to_owned()),
                _ => None,
            };
            let decision = Decision {
                shelf,
                quantity: get_number(RESERVATIONS.name, &item, "quantity")?,
            };
            let order_id = get_text(RESERVATIONS.name, &item, "order_id")?.to_owned();
            self.decisions.insert(order_id, decision);
        }
        for item in SHIPMENTS.scan(dynamo).await? {
            let order_id = get_text(SHIPMENTS.name, &item, "order_id")?.to_owned();
            *self.shipments.entry(order_id).or_default() += 1;
        }
        Ok(())
    }

    /// Counts the inbox's completed records by consumer: the first part of the dedupe key in their
    /// partition key, behind its length.
    async fn read_handled(&mut self, dynamo: &Client) -> anyhow::Result<()> {
        let mut pages = dynamo
            .scan()
            .table_name(FANFARE)
            .consistent_read(true)
            .filter_expression("begins_with(pk, :inbox) AND #state = :done")
            .projection_expression("pk")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":inbox", AttributeValue::S(INBOX.to_owned()))
            .expression_attribute_values(":done", AttributeValue::S("done".to_owned()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for item in page?.items.unwrap_or_default() {
                let key = get_text(FANFARE, &item, "pk")?;
                let consumer = consumer_of(key).with_context(|| format!("{key} is no inbox record"))?;
                *self.handled.entry(consumer.to_owned()).or_default() += 1;
            }
        }
        Ok(())
    }
}

const INBOX: &str = "inbox#";

fn consumer_of(key: &str) -> Option<&str> {
    let (length, rest) = key.strip_prefix(INBOX)?.split_once(':')?;
    rest.get(..length.parse().ok()?)
}

fn entry(item: &Item) -> anyhow::Result<Entry> {
    let mut postings = Vec::new();
    if let Some(AttributeValue::L(list)) = item.get("postings") {
        for posting in list {
            let posting = posting
                .as_m()
                .ok()
                .context("a posting of the ledger isn't a map")?;
            postings.push((
                get_text(LEDGER.name, posting, "account")?.to_owned(),
                get_number(LEDGER.name, posting, "cents")?,
            ));
        }
    }
    Ok(Entry {
        id: get_text(LEDGER.name, item, "entry")?.to_owned(),
        kind: get_text(LEDGER.name, item, "kind")?.to_owned(),
        postings,
    })
}

#[cfg(test)]
mod tests {
    use super::consumer_of;

    #[test]
    fn the_consumer_is_read_from_the_key_of_an_inbox_record() {
        let key = format!(
            "inbox#{}",
            fanfare::DedupeKey::new("orders-view", "/payment", "1:x")
        );
        assert_eq!(consumer_of(&key), Some("orders-view"));
        assert_eq!(consumer_of("outbox#1"), None);
        assert_eq!(consumer_of("inbox#99:short"), None);
    }
}

//! What must be in the tables in the end, from the orders alone.

use std::collections::BTreeMap;

use super::shop::LIMIT;
use super::table::{Contents, Item};

/// One order, as a customer places it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) article: String,
    pub(crate) cents: i64,
    /// Where it is placed; only the shop's own counter keeps a record of it.
    pub(crate) producer: &'static str,
}

/// What one run starts from.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) orders: Vec<Order>,
    /// How many there are of each article.
    pub(crate) supply: BTreeMap<String, i64>,
}

impl Scenario {
    /// Six orders from three producers, for two articles of which there are too few.
    pub(crate) fn drawn(random: &mut fastrand::Rng) -> Self {
        let mut orders = Vec::new();
        for (producer, count) in [("web", 2), ("kiosk", 2), ("counter", 2)] {
            for number in 1..=count {
                orders.push(Order {
                    id: format!("{producer}-{number}"),
                    article: ["record", "tape"][random.usize(0..2)].to_owned(),
                    cents: random.i64(1..=LIMIT * 5 / 4),
                    producer,
                });
            }
        }
        let supply = [("record", random.i64(0..6)), ("tape", random.i64(0..6))];
        let supply = supply.map(|(article, count)| (article.to_owned(), count)).into();
        Self { orders, supply }
    }

    /// The tables as they must be, but for what the lease leaves there. Which orders get the last
    /// articles is chance: `is_reserved` says it of those that are charged.
    pub(crate) fn expected(&self, is_reserved: impl Fn(&Order) -> bool) -> Contents {
        let mut tables = Tables::default();
        for (article, count) in &self.supply {
            tables.add("shelf", article, "left", *count);
        }
        for order in &self.orders {
            let id = &order.id;
            if order.producer == "counter" {
                tables.add("order", id, "placed", 1);
            }
            tables.knows(id, "order.placed");
            if order.cents > LIMIT {
                tables.add("payment", id, "failed", 1);
                tables.knows(id, "payment.failed");
                continue;
            }
            tables.add("payment", id, "charged", order.cents);
            tables.post(order.cents);
            tables.knows(id, "payment.charged");
            if is_reserved(order) {
                tables.add("shelf", &order.article, "left", -1);
                tables.add("stock", id, "reserved", 1);
                tables.knows(id, "stock.reserved");
                tables.add("mail", id, "sent", 1);
                tables.knows(id, "mail.sent");
            } else {
                tables.add("stock", id, "rejected", 1);
                tables.knows(id, "stock.rejected");
                tables.add("payment", id, "refunded", order.cents);
                tables.post(-order.cents);
                tables.knows(id, "payment.refunded");
            }
        }
        tables.0
    }

    /// How many orders get an article, of those that are charged for it.
    pub(crate) fn reserved(&self, article: &str) -> usize {
        let charged = self.charged().filter(|order| order.article == article).count();
        let supply = self.supply.get(article).copied().unwrap_or(0);
        charged.min(usize::try_from(supply).unwrap_or(0))
    }

    pub(crate) fn charged(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| order.cents <= LIMIT)
    }
}

#[derive(Debug, Default)]
struct Tables(Contents);

impl Tables {
    fn item(&mut self, kind: &str, of: &str) -> &mut Item {
        self.0
            .entry(kind.to_owned())
            .or_default()
            .entry(of.to_owned())
            .or_default()
    }

    fn add(&mut self, kind: &str, of: &str, attribute: &str, amount: i64) {
        *self
            .item(kind, of)
            .numbers
            .entry(attribute.to_owned())
            .or_default() += amount;
    }

    fn knows(&mut self, order: &str, ty: &str) {
        self.add("view", order, ty, 1);
    }

    /// Both sides of a movement of money.
    fn post(&mut self, cents: i64) {
        for (account, cents) in [("card", cents), ("sales", -cents)] {
            self.add("account", account, "balance", cents);
            self.add("account", account, "postings", 1);
            self.add("account", account, "last", 1);
        }
    }
}

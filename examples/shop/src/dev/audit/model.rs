//! What must have become of an order: a pure function of the order and of what inventory decided.
//!
//! Written from the description of the shop, not from its code: it shares names with the services
//! (accounts, sums, facts) and no arithmetic.

use crate::Order;
use crate::analytics;
use crate::email::Kind;
use crate::orders_view::Fact;
use crate::payment::{customer_account, revenue_account};

/// The card's limit: 250.00 USD.
const LIMIT: i64 = 25_000;

/// What inventory decided on an order, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The shelf it was taken from; none, when it was rejected.
    pub shelf: Option<String>,
    /// How many CDs it was about.
    pub quantity: i64,
}

/// The way that an order must have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Over the limit: not paid.
    Unpaid,
    /// Paid, reserved and shipped.
    Shipped,
    /// Paid, rejected by inventory, cancelled and paid back.
    Refunded,
    /// Paid, and inventory has not decided: it has not ended.
    Undecided,
}

/// What a consumer must have handled of one order.
pub type Handled = &'static [(&'static str, u64)];

impl Path {
    /// The way of this order.
    pub fn of(order: &Order, decision: Option<&Decision>) -> Self {
        match decision {
            _ if order.total_cents > LIMIT => Self::Unpaid,
            None => Self::Undecided,
            Some(Decision { shelf: Some(_), .. }) => Self::Shipped,
            Some(Decision { shelf: None, .. }) => Self::Refunded,
        }
    }

    /// The entries of the ledger, by their kind, each with the cents that go from the customer's
    /// account to the revenue.
    pub fn entries(self, order: &Order) -> Vec<(&'static str, i64)> {
        match self {
            Self::Unpaid => vec![],
            Self::Shipped | Self::Undecided => vec![("charge", order.total_cents)],
            Self::Refunded => vec![("charge", order.total_cents), ("refund", -order.total_cents)],
        }
    }

    /// The postings, of all entries.
    pub fn postings(self, order: &Order) -> Vec<(String, i64)> {
        self.entries(order)
            .into_iter()
            .flat_map(|(_, cents)| postings(order, cents))
            .collect()
    }

    /// What happened to the order, in the order of rank.
    pub fn facts(self) -> &'static [Fact] {
        match self {
            Self::Unpaid => &[Fact::Placed, Fact::PaymentFailed],
            Self::Shipped => &[Fact::Placed, Fact::Charged, Fact::Shipped],
            Self::Refunded => &[Fact::Placed, Fact::Charged, Fact::Cancelled, Fact::Refunded],
            Self::Undecided => &[Fact::Placed, Fact::Charged],
        }
    }

    /// The state that checkout keeps.
    pub fn state(self) -> &'static str {
        match self {
            Self::Refunded => "cancelled",
            Self::Unpaid | Self::Shipped | Self::Undecided => "placed",
        }
    }

    /// The mail to the customer.
    pub fn mail(self) -> Option<Kind> {
        match self {
            Self::Unpaid => Some(Kind::PaymentFailed),
            Self::Shipped => Some(Kind::Shipped),
            Self::Refunded => Some(Kind::Refunded),
            Self::Undecided => None,
        }
    }

    /// How many parcels.
    pub fn shipments(self) -> usize {
        usize::from(self == Self::Shipped)
    }

    /// What counts as revenue in the end: cents and orders, for each sum.
    pub fn sales(self, order: &Order) -> Option<([String; 2], i64, i64)> {
        let (cents, orders) = match self {
            Self::Unpaid => return None,
            Self::Shipped | Self::Undecided => (order.total_cents, 1),
            Self::Refunded => (0, 0),
        };
        Some((analytics::sums(order), cents, orders))
    }

    /// The points for the customer: one for each whole dollar.
    pub fn points(self, order: &Order) -> i64 {
        match self {
            Self::Shipped => order.total_cents / 100,
            Self::Unpaid | Self::Refunded | Self::Undecided => 0,
        }
    }

    /// How many events and commands each consumer handled.
    pub fn handled(self) -> Handled {
        match self {
            Self::Unpaid => &[("payment", 1), ("orders-view", 2), ("email", 1)],
            Self::Undecided => &[
                ("payment", 1),
                ("bookkeeping", 2),
                ("analytics", 1),
                ("orders-view", 2),
            ],
            Self::Shipped => &[
                ("payment", 1),
                ("bookkeeping", 2),
                ("inventory", 1),
                ("shipping", 1),
                ("email", 1),
                ("analytics", 1),
                ("orders-view", 3),
                ("loyalty", 1),
            ],
            Self::Refunded => &[
                ("payment", 2),
                ("bookkeeping", 4),
                ("inventory", 1),
                ("checkout", 1),
                ("email", 1),
                ("analytics", 2),
                ("orders-view", 4),
            ],
        }
    }
}

/// The two postings of an entry.
pub fn postings(order: &Order, cents: i64) -> [(String, i64); 2] {
    [(customer_account(order), -cents), (revenue_account(order), cents)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(cents: &str) -> Order {
        Order::from_texts(["a-1", "4", "1997-01-01", "2", cents]).unwrap()
    }

    fn decision(shelf: Option<&str>) -> Decision {
        Decision {
            shelf: shelf.map(str::to_owned),
            quantity: 2,
        }
    }

    fn path(cents: &str, shelf: Option<&str>) -> Path {
        Path::of(&order(cents), Some(&decision(shelf)))
    }

    const PATHS: [Path; 4] = [Path::Unpaid, Path::Shipped, Path::Refunded, Path::Undecided];

    #[test]
    fn an_order_over_250_dollars_is_not_paid_and_one_of_250_is() {
        assert_eq!(path("25001", Some("shelf-01")), Path::Unpaid);
        assert_eq!(path("25000", Some("shelf-01")), Path::Shipped);
        assert_eq!(Path::of(&order("25001"), None), Path::Unpaid);
    }

    #[test]
    fn what_inventory_decided_is_the_way_of_a_paid_order() {
        assert_eq!(path("0", Some("shelf-01")), Path::Shipped);
        assert_eq!(path("0", None), Path::Refunded);
        assert_eq!(Path::of(&order("0"), None), Path::Undecided);
    }

    #[test]
    fn every_entry_sums_to_zero_and_a_refund_takes_back_the_charge() {
        for path in PATHS {
            let sum: i64 = path.postings(&order("2933")).iter().map(|(_, cents)| cents).sum();
            assert_eq!(sum, 0, "{path:?}");
        }
        let entries = Path::Refunded.entries(&order("2933"));
        assert_eq!(entries, [("charge", 2933), ("refund", -2933)]);
    }

    #[test]
    fn a_free_order_posts_zero_twice() {
        let postings = Path::Shipped.postings(&order("0"));
        assert_eq!(postings.len(), 2);
        assert!(postings.iter().all(|(_, cents)| *cents == 0));
    }

    #[test]
    fn bookkeeping_handles_every_posting_and_the_view_every_fact() {
        for path in PATHS {
            let handled = |consumer: &str| {
                let of = path.handled().iter().find(|(name, _)| *name == consumer);
                of.map_or(0, |(_, count)| *count as usize)
            };
            assert_eq!(
                handled("bookkeeping"),
                path.postings(&order("1")).len(),
                "{path:?}"
            );
            assert_eq!(handled("orders-view"), path.facts().len(), "{path:?}");
            assert_eq!(handled("email"), usize::from(path.mail().is_some()), "{path:?}");
            assert_eq!(handled("shipping"), path.shipments(), "{path:?}");
        }
    }

    #[test]
    fn every_way_but_the_undecided_ends() {
        for path in PATHS {
            let end = path.facts().last().is_some_and(|fact| fact.is_end());
            assert_eq!(end, path != Path::Undecided);
        }
    }

    #[test]
    fn points_are_whole_dollars_of_what_was_shipped() {
        assert_eq!(Path::Shipped.points(&order("2999")), 29);
        assert_eq!(Path::Refunded.points(&order("2999")), 0);
    }
}

//! The audit: what the tables and the mail folder hold, against what the orders must have led to.
//!
//! It counts nothing that the services counted themselves. Everything is read back after the run
//! ([`Found`]) and held against a model ([`model`]) that is a pure function of the orders and of what
//! inventory decided, which is the one thing that a run may decide. That decision is audited too: an
//! order may be rejected only if no shelf has as many CDs as it wants, also at the end.

mod found;
mod ledger;
pub mod model;
mod orders;
mod stock;
mod sums;

use std::collections::BTreeMap;
use std::fmt;

use crate::Order;

pub use found::{Booked, Entry, Found, Shelf};
use model::Path;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// An effect is missing.
    Lost,
    /// An effect is there more than once.
    Doubled,
    /// Something else than it should be.
    Differs,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In what way.
    pub wrong: Wrong,
    /// How many effects it concerns.
    pub count: u64,
    /// What, where, and what it should be.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self.wrong {
            Wrong::Lost => "lost",
            Wrong::Doubled => "doubled",
            Wrong::Differs => "differs",
        };
        write!(f, "{wrong}: {}", self.text)
    }
}

/// What the audit says.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// All that is wrong; nothing, if the audit holds.
    pub findings: Vec<Finding>,
    /// Orders that have ended as they must.
    pub terminal: u64,
    /// Whether every entry and the whole ledger sum to zero and the books agree with it.
    pub ledger_balanced: bool,
    /// Whether every shelf has what its reservations left, and every rejection was right.
    pub stock_consistent: bool,
    /// For each consumer, how many events it must have handled and how many it has.
    pub handled: BTreeMap<String, Count>,
    /// Mails that must have been sent, that were, and that were more than once.
    pub emails: Count,
    /// How many mails were sent more than once, or under a second key.
    pub emails_doubled: u64,
}

/// How many there must be and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many there must be.
    pub expected: u64,
    /// How many there are.
    pub actual: u64,
}

impl Count {
    /// Whether there are as many as there must be.
    pub fn is_right(&self) -> bool {
        self.expected == self.actual
    }
}

impl Audit {
    /// Holds what was found against what these orders must have led to, with so many CDs in stock at
    /// first.
    pub fn of(orders: &[Order], stock: u32, found: &Found) -> Self {
        let mut audit = Self {
            ledger_balanced: true,
            stock_consistent: true,
            ..Self::default()
        };
        let paths: Vec<_> = orders
            .iter()
            .map(|order| (order, Path::of(order, found.decisions.get(&order.id))))
            .collect();
        orders::check(&mut audit, &paths, found);
        ledger::check(&mut audit, &paths, found);
        stock::check(&mut audit, &paths, stock, found);
        sums::check(&mut audit, &paths, found);
        audit
    }

    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.findings.is_empty() && self.ledger_balanced && self.stock_consistent
    }

    /// Whether waiting longer changes nothing: it holds, or there is something that must not be.
    pub fn is_final(&self) -> bool {
        self.holds() || self.doubled() > 0
    }

    /// How many effects are missing.
    pub fn lost(&self) -> u64 {
        self.count(Wrong::Lost)
    }

    /// How many effects are there once too often.
    pub fn doubled(&self) -> u64 {
        self.count(Wrong::Doubled)
    }

    fn count(&self, wrong: Wrong) -> u64 {
        let such = self.findings.iter().filter(|finding| finding.wrong == wrong);
        such.map(|finding| finding.count).sum()
    }

    fn find(&mut self, wrong: Wrong, text: impl Into<String>) {
        self.find_some(wrong, 1, text);
    }

    fn find_some(&mut self, wrong: Wrong, count: u64, text: impl Into<String>) {
        self.findings.push(Finding {
            wrong,
            count,
            text: text.into(),
        });
    }

    /// Notes a number of things that isn't what it must be: what is missing is lost, what is there too
    /// often is doubled.
    fn compare(&mut self, expected: u64, actual: u64, what: impl fmt::Display) {
        let text = || format!("{what}: {actual}, must be {expected}");
        if actual < expected {
            self.find_some(Wrong::Lost, expected - actual, text());
        } else if actual > expected {
            self.find_some(Wrong::Doubled, actual - expected, text());
        }
    }

    /// Notes a value that isn't what it must be.
    fn same<T: PartialEq + fmt::Debug>(&mut self, expected: T, actual: T, what: impl fmt::Display) -> bool {
        let same = expected == actual;
        if !same {
            self.find(
                Wrong::Differs,
                format!("{what}: {actual:?}, must be {expected:?}"),
            );
        }
        same
    }
}

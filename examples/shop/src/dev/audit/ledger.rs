//! The ledger as a whole, and the books that are kept from it.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Path;
use super::{Audit, Booked, Found, Wrong};
use crate::Order;

pub(super) fn check(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    let mut entered: BTreeMap<&str, Booked> = BTreeMap::new();
    for (order_id, entries) in &found.ledger {
        for entry in entries {
            let sum: i64 = entry.postings.iter().map(|(_, cents)| cents).sum();
            if sum != 0 {
                audit.ledger_balanced = false;
                let text = format!("entry {} of order {order_id} sums to {sum}, must be 0", entry.id);
                audit.find(Wrong::Differs, text);
            }
            for (account, cents) in &entry.postings {
                add(entered.entry(account).or_default(), *cents);
            }
        }
    }
    let mut expected: BTreeMap<String, Booked> = BTreeMap::new();
    for (order, path) in paths {
        for (account, cents) in path.postings(order) {
            add(expected.entry(account).or_default(), cents);
        }
    }
    let accounts: BTreeSet<&str> = expected
        .keys()
        .chain(found.books.keys())
        .map(String::as_str)
        .chain(entered.keys().copied())
        .collect();
    for account in accounts {
        let must = expected.get(account).copied().unwrap_or_default();
        let entered = entered.get(account).copied().unwrap_or_default();
        let booked = found.books.get(account).copied().unwrap_or_default();
        books(audit, account, must, booked);
        audit.ledger_balanced &= booked == entered;
    }
    let total: i64 = found.books.values().map(|booked| booked.balance).sum();
    audit.ledger_balanced &= total == 0;
}

fn add(booked: &mut Booked, cents: i64) {
    booked.sequence += 1;
    booked.balance += cents;
}

fn books(audit: &mut Audit, account: &str, must: Booked, booked: Booked) {
    let (must_be, are) = (must.sequence.unsigned_abs(), booked.sequence.unsigned_abs());
    audit.compare(must_be, are, format!("postings booked on {account}"));
    if must_be == are {
        audit.same(must.balance, booked.balance, format!("the balance of {account}"));
    }
}

//! The stock: what every shelf has left, and whether every rejection was right.

use std::collections::BTreeMap;

use super::model::Path;
use super::{Audit, Found, Wrong};
use crate::Order;

pub(super) fn check(audit: &mut Audit, paths: &[(&Order, Path)], stock: u32, found: &Found) {
    let before = audit.findings.len();
    let initial: i64 = found.shelves.values().map(|shelf| shelf.initial).sum();
    audit.same(i64::from(stock), initial, "CDs in stock at first");
    shelves(audit, found);
    let most = found
        .shelves
        .values()
        .map(|shelf| shelf.rest)
        .max()
        .unwrap_or_default();
    for (order, path) in paths {
        let Some(decision) = found.decisions.get(&order.id) else {
            continue;
        };
        let what = format!("CDs of the decision on order {}", order.id);
        audit.same(i64::from(order.quantity), decision.quantity, what);
        if *path == Path::Refunded && i64::from(order.quantity) <= most {
            let text = format!(
                "order {} was rejected and wants {}, while a shelf still has {most}",
                order.id, order.quantity
            );
            audit.find(Wrong::Differs, text);
        }
    }
    audit.stock_consistent = audit.findings.len() == before;
}

fn shelves(audit: &mut Audit, found: &Found) {
    let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
    for (order_id, decision) in &found.decisions {
        let Some(shelf) = &decision.shelf else {
            continue;
        };
        if !found.shelves.contains_key(shelf) {
            let text = format!("order {order_id} is reserved on {shelf}, which is not there");
            audit.find(Wrong::Differs, text);
        }
        *taken.entry(shelf).or_default() += decision.quantity;
    }
    for (name, shelf) in &found.shelves {
        let taken = taken.get(name.as_str()).copied().unwrap_or_default();
        let what = format!("CDs left on {name}, of {} without {taken}", shelf.initial);
        audit.same(shelf.initial - taken, shelf.rest, what);
        if shelf.rest < 0 {
            audit.find(
                Wrong::Differs,
                format!("{name} has less than nothing: {}", shelf.rest),
            );
        }
    }
}

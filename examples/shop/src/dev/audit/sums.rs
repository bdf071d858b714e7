//! What is summed up over orders: revenue, points, and what each consumer has handled.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Path;
use super::{Audit, Count, Found, Wrong};
use crate::Order;

pub(super) fn check(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    revenue(audit, paths, found);
    points(audit, paths, found);
    handled(audit, paths, found);
}

fn revenue(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    let mut expected: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (order, path) in paths {
        let Some((sums, cents, orders)) = path.sales(order) else {
            continue;
        };
        for sum in sums {
            let sum = expected.entry(sum).or_default();
            *sum = (sum.0 + cents, sum.1 + orders);
        }
    }
    compare(audit, &expected, &found.sales, |of| {
        format!("the revenue (cents, orders) of {of}")
    });
}

fn points(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (order, path) in paths {
        *expected.entry(order.customer.clone()).or_default() += path.points(order);
    }
    compare(audit, &expected, &found.points, |customer| {
        format!("the points of customer {customer}")
    });
}

/// A sum that isn't there is zero.
fn compare<T: Copy + Default + PartialEq + std::fmt::Debug>(
    audit: &mut Audit,
    expected: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    what: impl Fn(&str) -> String,
) {
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for name in names {
        let must = expected.get(name).copied().unwrap_or_default();
        let is = found.get(name).copied().unwrap_or_default();
        audit.same(must, is, what(name));
    }
}

fn handled(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for (consumer, actual) in &found.handled {
        counts.entry(consumer.clone()).or_default().actual = *actual;
    }
    for (_, path) in paths {
        for (consumer, count) in path.handled() {
            counts.entry((*consumer).to_owned()).or_default().expected += count;
        }
    }
    for (consumer, count) in &counts {
        let text = format!(
            "events that {consumer} has handled: {}, must be {}",
            count.actual, count.expected
        );
        if count.actual < count.expected {
            audit.find_some(Wrong::Lost, count.expected - count.actual, text);
        } else if count.actual > count.expected {
            // Not twice the same: the inbox has one record an event. Events that must not be there.
            audit.find(Wrong::Differs, text);
        }
    }
    audit.handled = counts;
}

//! Each order alone: taken, decided, entered, shipped, shown and mailed as it must be.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Path, postings};
use super::{Audit, Found, Wrong};
use crate::Order;
use crate::email::{Call, Kind};

pub(super) fn check(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    let mails = Mails::new(found);
    for (order, path) in paths {
        taken(audit, order, *path, found);
        entries(audit, order, *path, found);
        parcels(audit, order, *path, found);
        shown(audit, order, *path, found);
        mailed(audit, order, *path, &mails);
    }
    strangers(audit, paths, found);
}

fn taken(audit: &mut Audit, order: &Order, path: Path, found: &Found) {
    let id = &order.id;
    match found.orders.get(id) {
        None => audit.find(Wrong::Lost, format!("order {id} was not taken")),
        Some((taken, state)) => {
            audit.same(order, taken, format!("order {id} as it was taken"));
            audit.same(path.state(), state.as_str(), format!("the state of order {id}"));
        }
    }
    match (path, found.decisions.get(id)) {
        (Path::Undecided, _) => {
            audit.find(Wrong::Lost, format!("inventory has not decided on order {id}"));
        }
        (Path::Unpaid, Some(_)) => {
            audit.find(
                Wrong::Differs,
                format!("inventory decided on order {id}, which was not paid"),
            );
        }
        _ => {}
    }
}

fn entries(audit: &mut Audit, order: &Order, path: Path, found: &Found) {
    let entries = found.ledger.get(&order.id).map_or(&[][..], Vec::as_slice);
    let expected = path.entries(order);
    for kind in ["charge", "refund"] {
        let must = expected.iter().filter(|(of, _)| *of == kind).count() as u64;
        let are = entries.iter().filter(|entry| entry.kind == kind).count() as u64;
        audit.compare(
            must,
            are,
            format!("ledger entries `{kind}` of order {}", order.id),
        );
    }
    for entry in entries {
        let Some((_, cents)) = expected.iter().find(|(kind, _)| *kind == entry.kind) else {
            continue;
        };
        let what = format!("the postings of entry {} of order {}", entry.id, order.id);
        audit.same(&postings(order, *cents)[..], &entry.postings, what);
    }
}

fn parcels(audit: &mut Audit, order: &Order, path: Path, found: &Found) {
    let parcels = found.shipments.get(&order.id).copied().unwrap_or_default();
    let what = format!("parcels of order {}", order.id);
    audit.compare(path.shipments() as u64, parcels as u64, what);
}

fn shown(audit: &mut Audit, order: &Order, path: Path, found: &Found) {
    let id = &order.id;
    let Some(view) = found.views.get(id) else {
        audit.find(Wrong::Lost, format!("order {id} is not in the read model"));
        return;
    };
    audit.same(order, &view.order, format!("order {id} in the read model"));
    for fact in path.facts() {
        if !view.facts.contains(fact) {
            let text = format!("order {id} is not `{}` in the read model", fact.name());
            audit.find(Wrong::Lost, text);
        }
    }
    for fact in &view.facts {
        if !path.facts().contains(fact) {
            let text = format!(
                "order {id} is `{}` in the read model and must not be",
                fact.name()
            );
            audit.find(Wrong::Differs, text);
        }
    }
    let end = path.facts().last().copied().filter(|fact| fact.is_end());
    if end.is_some() && view.end() == end {
        audit.terminal += 1;
    }
}

/// The calls about each order.
struct Mails<'a> {
    calls: BTreeMap<&'a str, Vec<&'a Call>>,
    sent: Option<&'a BTreeSet<String>>,
}

impl<'a> Mails<'a> {
    fn new(found: &'a Found) -> Self {
        let mut calls: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for call in &found.calls {
            calls.entry(call.order_id.as_str()).or_default().push(call);
        }
        Self {
            calls,
            sent: found.sent.as_ref(),
        }
    }

    fn about(&self, order: &Order) -> &[&'a Call] {
        self.calls.get(order.id.as_str()).map_or(&[], Vec::as_slice)
    }

    /// How many mails these calls have led to.
    fn delivered(&self, calls: &[&Call]) -> u64 {
        match self.sent {
            Some(sent) => keys(calls).filter(|key| sent.contains(*key)).count() as u64,
            None => calls.iter().filter(|call| call.delivered).count() as u64,
        }
    }
}

/// The different keys of these calls.
fn keys<'a>(calls: &[&'a Call]) -> impl Iterator<Item = &'a str> {
    let keys: BTreeSet<_> = calls.iter().map(|call| call.key.as_str()).collect();
    keys.into_iter()
}

fn mailed(audit: &mut Audit, order: &Order, path: Path, mails: &Mails<'_>) {
    let calls = mails.about(order);
    for kind in [Kind::PaymentFailed, Kind::Refunded, Kind::Shipped] {
        let of_kind: Vec<_> = calls.iter().copied().filter(|call| call.kind == kind).collect();
        let what = format!("mails `{kind}` about order {}", order.id);
        let expected = u64::from(path.mail() == Some(kind));
        let delivered = mails.delivered(&of_kind);
        audit.compare(expected, delivered, &what);
        audit.emails.expected += expected;
        audit.emails.actual += delivered;
        let keys = keys(&of_kind).count() as u64;
        let doubled = delivered.max(keys).saturating_sub(1);
        audit.emails_doubled += doubled;
        if keys > 1 && delivered <= 1 {
            audit.find(
                Wrong::Doubled,
                format!("{what}: calls with {keys} keys, must be one"),
            );
        }
    }
    let mut by_start = calls.to_vec();
    by_start.sort_by_key(|call| (call.started, call.ended));
    for pair in by_start.windows(2) {
        if pair[1].started < pair[0].ended {
            let text = format!(
                "two calls about the mail to order {} were under way at once",
                order.id
            );
            audit.find(Wrong::Doubled, text);
        }
    }
}

/// What is about orders that nobody placed.
fn strangers(audit: &mut Audit, paths: &[(&Order, Path)], found: &Found) {
    let known: BTreeSet<_> = paths.iter().map(|(order, _)| order.id.as_str()).collect();
    let tables: [(&str, Vec<&String>); 5] = [
        ("order", found.orders.keys().collect()),
        ("ledger entry", found.ledger.keys().collect()),
        ("decision of inventory", found.decisions.keys().collect()),
        ("parcel", found.shipments.keys().collect()),
        ("view", found.views.keys().collect()),
    ];
    let mails = found.calls.iter().map(|call| ("mail", &call.order_id));
    let all = tables
        .iter()
        .flat_map(|(what, ids)| ids.iter().map(move |id| (*what, *id)))
        .chain(mails);
    for (what, id) in all {
        if !known.contains(id.as_str()) {
            audit.find(
                Wrong::Differs,
                format!("there is a {what} of order {id}, which nobody placed"),
            );
        }
    }
    let logged: BTreeSet<_> = found.calls.iter().map(|call| call.key.as_str()).collect();
    for key in found.sent.iter().flatten() {
        if !logged.contains(key.as_str()) {
            audit.find(
                Wrong::Differs,
                format!("there is a mail under key {key}, which no call asked for"),
            );
        }
    }
}

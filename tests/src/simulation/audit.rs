//! Holds what is in the tables against the model, exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::model::{Order, Scenario};
use super::provider::{Provider, Recorded};
use super::table::{Contents, Item};

/// Something that is not as the model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of.
    pub kind: ProblemKind,
    /// Where, what is there and what was expected.
    pub text: String,
}

/// What went wrong with an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It is missing.
    Lost,
    /// It was applied more than once.
    Doubled,
    /// Anything else, such as an order that was not kept.
    Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ProblemKind::Lost => "lost",
            ProblemKind::Doubled => "doubled",
            ProblemKind::Wrong => "wrong",
        };
        write!(f, "{kind}: {}", self.text)
    }
}

pub(super) fn problem(kind: ProblemKind, text: impl Into<String>) -> Problem {
    Problem {
        kind,
        text: text.into(),
    }
}

/// Everything that differs from the model.
pub(super) fn audit(scenario: &Scenario, contents: &Contents, provider: &Provider) -> Vec<Problem> {
    let mut problems = shelves(scenario, contents);
    let is_reserved = |order: &Order| number(contents, "stock", &order.id, "reserved") > 0;
    let mut expected = scenario.expected(is_reserved);
    problems.extend(mails(provider, contents, &mut expected));
    problems.extend(differences(contents, &expected));
    problems
}

fn item<'a>(contents: &'a Contents, kind: &str, of: &str) -> Option<&'a Item> {
    contents.get(kind)?.get(of)
}

fn number(contents: &Contents, kind: &str, of: &str, attribute: &str) -> i64 {
    item(contents, kind, of).map_or(0, |item| item.number(attribute))
}

/// No article may stay on its shelf while somebody who paid for it is turned away.
fn shelves(scenario: &Scenario, contents: &Contents) -> Vec<Problem> {
    let count = |article: &str| {
        scenario
            .charged()
            .filter(|order| order.article == article && number(contents, "stock", &order.id, "reserved") > 0)
            .count()
    };
    scenario
        .supply
        .keys()
        .filter(|article| count(article) != scenario.reserved(article))
        .map(|article| {
            let (is, expected) = (count(article), scenario.reserved(article));
            problem(
                ProblemKind::Wrong,
                format!("{is} orders got a {article}, expected {expected}"),
            )
        })
        .collect()
}

/// Every item and number, of either side.
fn differences(contents: &Contents, expected: &Contents) -> Vec<Problem> {
    let keys = |contents: &Contents| -> BTreeSet<(String, String)> {
        contents
            .iter()
            .flat_map(|(kind, items)| items.keys().map(|of| (kind.clone(), of.clone())))
            .collect()
    };
    let all: BTreeSet<_> = keys(contents).union(&keys(expected)).cloned().collect();
    let nothing = Item::default();
    let mut problems = Vec::new();
    for (kind, of) in all {
        let is = item(contents, &kind, &of).unwrap_or(&nothing);
        let should = item(expected, &kind, &of).unwrap_or(&nothing);
        let attributes: BTreeSet<_> = is.numbers.keys().chain(should.numbers.keys()).collect();
        for attribute in attributes {
            let (is, should) = (is.number(attribute), should.number(attribute));
            if is == should {
                continue;
            }
            // What is left on a shelf and who held a lease are no sums of effects.
            let kind_of = match (kind.as_str(), attribute.as_str()) {
                ("shelf", _) | (_, "fence") => ProblemKind::Wrong,
                _ if is.abs() > should.abs() => ProblemKind::Doubled,
                _ => ProblemKind::Lost,
            };
            problems.push(problem(
                kind_of,
                format!("{kind} {of}: {attribute} is {is}, expected {should}"),
            ));
        }
        if is.texts != should.texts {
            let text = format!("{kind} {of}: {:?}, expected {:?}", is.texts, should.texts);
            problems.push(problem(ProblemKind::Wrong, text));
        }
    }
    problems
}

/// What the lease promises of the calls to the provider. Adds to the expected tables what the last
/// of them leaves there.
fn mails(provider: &Provider, contents: &Contents, expected: &mut Contents) -> Vec<Problem> {
    let mut problems = Vec::new();
    let books = provider.books();
    let mut orders: BTreeMap<&str, Vec<&Recorded>> = BTreeMap::new();
    for call in &books {
        orders.entry(&call.attempt.order).or_default().push(call);
    }
    let mut keys = BTreeMap::new();
    for (order, calls) in &orders {
        let mut wrong = |text: String| problems.push(problem(ProblemKind::Wrong, text));
        let own: BTreeSet<_> = calls.iter().map(|call| call.attempt.key.as_str()).collect();
        if own.len() > 1 {
            wrong(format!("the calls for {order} had the keys {own:?}"));
        }
        for key in own {
            if let Some(other) = keys.insert(key, order) {
                wrong(format!("{order} and {other} shared the key {key}"));
            }
        }
        for pair in calls.windows(2) {
            if pair[0].attempt.fence >= pair[1].attempt.fence {
                wrong(format!(
                    "the fencing tokens for {order} did not grow: {:?}, then {:?}",
                    pair[0], pair[1]
                ));
            }
        }
        let sent: Vec<_> = calls.iter().filter_map(|call| call.mail.clone()).collect();
        if provider.honours_keys() && sent.len() > 1 {
            problems.push(problem(
                ProblemKind::Doubled,
                format!("{} mails went out for {order}, under one key", sent.len()),
            ));
        }
        let Some(mail) = expected.get_mut("mail").and_then(|mails| mails.get_mut(*order)) else {
            problems.push(problem(
                ProblemKind::Wrong,
                format!("{order} got a mail and no article"),
            ));
            continue;
        };
        // Only the last holder can complete, with what the provider told it.
        let fence = calls.last().map_or(0, |call| call.attempt.fence);
        mail.numbers
            .insert("fence".to_owned(), fence.try_into().unwrap_or(i64::MAX));
        if let Some(receipt) = sent.last() {
            mail.texts.insert("receipt".to_owned(), receipt.clone());
        }
    }
    for order in contents.get("mail").into_iter().flat_map(|mails| mails.keys()) {
        if !orders.contains_key(order.as_str()) {
            let text = format!("{order} is completed without a call to the provider");
            problems.push(problem(ProblemKind::Wrong, text));
        }
    }
    problems
}

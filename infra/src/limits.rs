//! AWS's limits, looked at before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use fanfare::table::Table;

use crate::InfraError;
use crate::wanted::Wanted;

/// The most bytes of a queue's policy.
const POLICY: usize = 8_192;
/// The most subscriptions of a topic that have a filter policy.
const FILTERED: usize = 200;
/// The most global secondary indexes of a table.
const INDEXES: usize = 20;

/// Refuses what AWS would refuse, all of it at once.
pub(crate) fn check(wanted: &Wanted, tables: &[Table]) -> Result<(), InfraError> {
    let mut problems = Vec::new();
    for topic in &wanted.topics {
        let name = &topic.resource.name;
        if !is_name(name, 1..=256) {
            problems.push(format!(
                "topic {name}: a name has 1 to 256 letters, digits, `-` and `_`"
            ));
        }
    }
    let mut roles = BTreeMap::new();
    for queue in &wanted.queues {
        let name = &queue.resource.name;
        if let Some(other) = roles.insert(name, &queue.role) {
            problems.push(format!(
                "queue {name}: it would be both {other} and {}; rename one of the consumers",
                queue.role
            ));
        }
        if !is_name(name, 1..=80) {
            problems.push(format!(
                "queue {name}: a name has 1 to 80 letters, digits, `-` and `_`"
            ));
        }
        let policy = queue.attributes.get("Policy").map_or(0, String::len);
        if policy > POLICY {
            problems.push(format!(
                "queue {name}: its policy for all its topics has {policy} bytes, and may have {POLICY}"
            ));
        }
        let retention = queue.attributes.get("MessageRetentionPeriod");
        let retention: u64 = retention.and_then(|text| text.parse().ok()).unwrap_or_default();
        if !(60..=14 * 24 * 60 * 60).contains(&retention) {
            problems.push(format!(
                "queue {name}: a retention of {retention} s is not within 60 s and 14 days"
            ));
        }
    }
    let mut filtered: BTreeMap<&str, usize> = BTreeMap::new();
    for subscription in &wanted.subscriptions {
        *filtered.entry(&subscription.topic).or_default() += 1;
    }
    for (topic, count) in filtered.into_iter().filter(|(_, count)| *count > FILTERED) {
        problems.push(format!(
            "topic {topic}: {count} filtered subscriptions, and it takes {FILTERED}"
        ));
    }
    let mut names = BTreeSet::new();
    for table in tables {
        let name = &table.name;
        if !is_name(&name.replace('.', "_"), 3..=255) {
            problems.push(format!(
                "table {name}: a name has 3 to 255 letters, digits, `-`, `_` and `.`"
            ));
        }
        if !names.insert(name) {
            problems.push(format!("table {name}: it is described twice"));
        }
        if table.indexes.len() > INDEXES {
            problems.push(format!("table {name}: more than {INDEXES} indexes"));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(InfraError::Limits { problems }),
    }
}

fn is_name(name: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let of_the_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !stem.is_empty() && lengths.contains(&name.len()) && stem.bytes().all(of_the_alphabet)
}

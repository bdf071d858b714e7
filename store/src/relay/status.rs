//! What is left to do, as far as the index shows.

use std::time::{Duration, SystemTime};

use fanfare::metric;
use metrics::gauge;
use uuid::Uuid;

use super::RelayError;
use super::table::{BATCH_GET, Table};
use super::unordered::NEVER;
use crate::record::head::{self, Head};
use crate::record::{DUE, Item, Key, Millis, shard};

/// What is in the outbox.
///
/// From the index, which lags behind the table by some milliseconds: for metrics and alarms, not for
/// decisions. An age that keeps growing means that nothing is published, whatever the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Records with something to be published: one for each commit, and one for each ordered key.
    pub pending: u64,
    /// How long ago the oldest event that isn't published, nor parked, was committed.
    ///
    /// Of the ordered keys only the hundred that are due first are looked at.
    pub oldest_unsent: Option<Duration>,
    /// Records with a parked event. [`Relay::parked`](super::Relay::parked) lists them.
    pub parked: u64,
}

impl Status {
    pub(super) fn record(&self) {
        let oldest = self.oldest_unsent.unwrap_or_default();
        gauge!(metric::OUTBOX_PENDING).set(self.pending as f64);
        gauge!(metric::OUTBOX_OLDEST).set(oldest.as_secs_f64());
        gauge!(metric::OUTBOX_PARKED).set(self.parked as f64);
    }
}

/// Reads the whole index.
pub(super) async fn status(table: Table<'_>) -> Result<Status, RelayError> {
    let mut status = Status::default();
    let mut oldest: Option<Millis> = None;
    let mut heads = Vec::new();
    for number in 0..table.0.shards {
        for shard in [shard::pending(number), shard::parked(number)] {
            let is_parked = shard::is_parked(&shard);
            let mut from = None;
            loop {
                let page = table.due(&shard, NEVER, from).await?;
                for item in &page.items {
                    status.parked += u64::from(is_parked);
                    if is_parked && is_never_due(item) {
                        continue;
                    }
                    status.pending += 1;
                    let key = Key::of(item)?;
                    if key.sk == head::SORT {
                        heads.push((due(item), key));
                    } else if let Some(committed) = committed(&key.pk) {
                        oldest = Some(oldest.map_or(committed, |oldest| oldest.min(committed)));
                    }
                }
                // Only so many are read.
                heads.sort_unstable();
                heads.truncate(BATCH_GET);
                match page.next {
                    Some(next) => from = Some(next),
                    None => break,
                }
            }
        }
    }
    let heads: Vec<_> = heads.into_iter().map(|(_, key)| key).collect();
    for item in table.get_all(&heads).await? {
        if let Some(emitted) = Head::read(&item).ok().and_then(|head| emitted(&head)) {
            let emitted = Millis::of(emitted);
            oldest = Some(oldest.map_or(emitted, |oldest| oldest.min(emitted)));
        }
    }
    let now = Millis::now(&table.0.clock);
    status.oldest_unsent = oldest.map(|oldest| now.since(oldest));
    Ok(status)
}

fn is_never_due(item: &Item) -> bool {
    due(item) >= NEVER
}

fn due(item: &Item) -> Millis {
    let due = item.get(DUE).and_then(|due| due.as_n().ok());
    due.and_then(|due| due.parse().ok()).unwrap_or_default()
}

/// When a commit was made, from its id: a UUIDv7 begins with the time.
fn committed(pk: &str) -> Option<Millis> {
    let id = Uuid::try_parse(pk.split('#').nth(1)?).ok()?;
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Some(Millis(seconds * 1_000 + u64::from(nanoseconds) / 1_000_000))
}

/// When the first event of a key was emitted.
fn emitted(head: &Head) -> Option<SystemTime> {
    let first = head.pending.first()?;
    first.outgoing(head.sequence_of(0)).ok()?.envelope.time()
}

//! What hosts report while they run: for progress, and for what leaves no trace in a table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::Verdict;
use fanfare::host::Settled;
use tokio::time::Instant;

/// How often what happened, for all consumers. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    consumers: Mutex<BTreeMap<String, Counted>>,
    seen: AtomicU64,
    last: Mutex<Option<Instant>>,
}

/// How often what happened to messages of one consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Messages whose effect was applied.
    pub applied: u64,
    /// Messages whose effect had been applied before.
    pub duplicates: u64,
    /// Tries after which the message came again.
    pub retries: u64,
    /// Messages that were received before: whoever had them gave them back, or died.
    pub redelivered: u64,
}

impl Counters {
    /// Counts a try.
    pub(crate) fn note(&self, settled: &Settled<'_>) {
        {
            let mut consumers = self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = match consumers.get_mut(settled.consumer) {
                Some(counted) => counted,
                None => consumers.entry(settled.consumer.to_owned()).or_default(),
            };
            counted.redelivered += u64::from(settled.message.receive_count > 1);
            match (settled.outcome.name(), settled.verdict) {
                ("applied", _) => counted.applied += 1,
                ("duplicate", _) => counted.duplicates += 1,
                (_, Verdict::Retry { .. } | Verdict::Hold { .. }) => counted.retries += 1,
                _ => {}
            }
        }
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        // The last, so that who sees it sees the rest.
        self.0.seen.fetch_add(1, Ordering::SeqCst);
    }

    /// How many tries there were, of all consumers.
    pub(crate) fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::SeqCst)
    }

    /// When the last try ended.
    pub(crate) fn last(&self) -> Option<Instant> {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened to messages of this consumer.
    pub(crate) fn of(&self, consumer: &str) -> Counted {
        let consumers = self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        consumers.get(consumer).copied().unwrap_or_default()
    }

    /// How many messages were applied, by all consumers.
    pub(crate) fn applied(&self) -> u64 {
        let consumers = self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        consumers.values().map(|counted| counted.applied).sum()
    }
}

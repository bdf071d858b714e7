//! FIFO's memory of what was sent in the last five minutes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How long SNS and SQS remember a deduplication id.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// The group, where ids count within it, and the deduplication id.
pub(super) type Key = (Option<Arc<str>>, Arc<str>);

/// What was sent lately under which deduplication id, even if it is deleted by now.
#[derive(Debug, Default)]
pub(super) struct Deduplication {
    sent: BTreeMap<Key, (Arc<str>, u64)>,
    ages: VecDeque<(Instant, Key)>,
}

impl Deduplication {
    /// The id and sequence number of the message that was sent under this key, if one was.
    pub(super) fn find(&mut self, key: &Key, now: Instant) -> Option<(Arc<str>, u64)> {
        while let Some((_, old)) = self.ages.pop_front_if(|(at, _)| *at + WINDOW <= now) {
            self.sent.remove(&old);
        }
        self.sent.get(key).cloned()
    }

    /// Remembers a message, to be called only when [`find`](Self::find) found none.
    pub(super) fn remember(&mut self, key: Key, id: Arc<str>, sequence: u64, now: Instant) {
        self.ages.push_back((now, key.clone()));
        self.sent.insert(key, (id, sequence));
    }
}

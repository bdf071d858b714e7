//! What waits for a batch call.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How long an entry waits for others to go with it.
const LINGER: Duration = Duration::from_millis(10);

/// Entries on their way into batch calls of one kind.
#[derive(Debug)]
pub(super) struct Lane<T> {
    /// Each with the time by which it goes.
    entries: VecDeque<(Instant, T)>,
}

impl<T> Lane<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, entry: T) {
        self.entries.push_back((Instant::now() + LINGER, entry));
    }

    /// When the first entry has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.entries.front().map(|(by, _)| *by)
    }

    /// The entries of the next call, if it is time for one: `limit` units are there, an entry has
    /// waited long enough, or nothing else is to come (`at_once`). An entry alone may be over the limit.
    pub(super) fn next(
        &mut self,
        at_once: bool,
        limit: usize,
        units: impl Fn(&T) -> usize,
    ) -> Option<Vec<T>> {
        let due = at_once || self.due().is_some_and(|by| Instant::now() >= by);
        let (mut count, mut sum) = (0, 0);
        let mut full = false;
        for (_, entry) in &self.entries {
            let more = units(entry);
            if count > 0 && sum + more > limit {
                full = true;
                break;
            }
            (count, sum) = (count + 1, sum + more);
        }
        if count == 0 || !(due || full || sum >= limit) {
            return None;
        }
        Some(self.entries.drain(..count).map(|(_, entry)| entry).collect())
    }
}

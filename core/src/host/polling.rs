//! When to receive, and how much: places first, several receives at a time while there is much to do,
//! one while there is nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::{BATCH_ENTRIES, Backoff};

/// The most receives at a time.
const MOST: usize = 4;
/// How long to wait for places, so that a busy queue is asked for whole batches.
const GATHER: Duration = Duration::from_millis(100);
/// Pauses between receives that fail.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(20));

/// The receives of a host.
#[derive(Debug)]
pub(super) struct Pollers {
    /// How many are under way.
    pub(super) under_way: usize,
    /// How many places those have asked for.
    asked: usize,
    /// How many there may be.
    wanted: usize,
    /// From how many free places on it's worth asking a busy queue at once.
    enough: usize,
    /// Whether the last one came back full.
    busy: bool,
    gather_by: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Pollers {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            under_way: 0,
            asked: 0,
            wanted: 1,
            // A quarter of the places at most is left empty for the sake of fewer calls.
            enough: (concurrency / 4).clamp(1, BATCH_ENTRIES),
            busy: false,
            gather_by: None,
            failures: 0,
            not_before: None,
        }
    }

    /// How many messages to ask for now, if any, with so many places free. It counts as under way.
    pub(super) fn next(&mut self, places: usize, now: Instant) -> Option<usize> {
        if self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        self.not_before = None;
        let places = places.saturating_sub(self.asked);
        if places == 0 || self.under_way >= self.wanted {
            self.gather_by = None;
            return None;
        }
        if self.busy && places < self.enough && now < *self.gather_by.get_or_insert(now + GATHER) {
            return None;
        }
        self.gather_by = None;
        let max = places.min(BATCH_ENTRIES);
        self.under_way += 1;
        self.asked += max;
        Some(max)
    }

    /// When to look again, besides when a place becomes free.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.not_before.or(self.gather_by)
    }

    /// One that had asked for `max` brought so many.
    pub(super) fn brought(&mut self, max: usize, count: usize) {
        self.back(max);
        self.failures = 0;
        self.busy = count >= max;
        self.wanted = match count {
            0 => 1,
            _ if self.busy => (self.wanted + 1).min(MOST),
            _ if count * 2 >= max => self.wanted,
            _ => (self.wanted - 1).max(1),
        };
    }

    /// One that had asked for `max` failed; says how long the pause is.
    pub(super) fn failed(&mut self, max: usize, now: Instant) -> Duration {
        self.back(max);
        self.failures = self.failures.saturating_add(1);
        let pause = BACKOFF.delay(self.failures);
        self.not_before = Some(now + pause);
        (self.busy, self.wanted) = (false, 1);
        pause
    }

    fn back(&mut self, max: usize) {
        self.under_way = self.under_way.saturating_sub(1);
        self.asked = self.asked.saturating_sub(max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_when_idle_and_more_while_they_come_back_full_and_places_are_free() {
        let now = Instant::now();
        let mut pollers = Pollers::new(64);
        assert_eq!(pollers.next(64, now), Some(10));
        assert_eq!(pollers.next(64, now), None, "one when idle");
        pollers.brought(10, 10);
        assert_eq!(
            (pollers.next(54, now), pollers.next(54, now)),
            (Some(10), Some(10))
        );
        assert_eq!(pollers.next(54, now), None);
        for _ in 0..2 {
            pollers.brought(10, 10);
        }
        let asked: Vec<_> = std::iter::from_fn(|| pollers.next(34, now)).collect();
        assert_eq!(asked, [10, 10, 10], "no more than there are places");
        pollers.brought(10, 0);
        assert_eq!(pollers.next(64, now), None);
        for _ in 0..2 {
            pollers.brought(10, 0);
        }
        assert_eq!((pollers.next(64, now), pollers.next(64, now)), (Some(10), None));
    }

    #[test]
    fn a_busy_queue_is_asked_for_whole_batches_or_after_a_moment() {
        let now = Instant::now();
        let mut pollers = Pollers::new(64);
        assert_eq!(pollers.next(10, now), Some(10));
        pollers.brought(10, 10);
        assert_eq!((pollers.next(3, now), pollers.wake()), (None, Some(now + GATHER)));
        assert_eq!(pollers.next(9, now + GATHER / 2), None);
        assert_eq!(pollers.next(10, now + GATHER / 2), Some(10));
        pollers.brought(10, 10);
        assert_eq!(pollers.next(3, now), None);
        assert_eq!(pollers.next(3, now + GATHER), Some(3));
    }

    #[test]
    fn a_few_places_are_used_at_once() {
        let now = Instant::now();
        let mut pollers = Pollers::new(4);
        assert_eq!(pollers.next(4, now), Some(4));
        pollers.brought(4, 4);
        assert_eq!(pollers.next(1, now), Some(1));
    }

    #[test]
    fn after_a_failure_there_is_a_pause() {
        let now = Instant::now();
        let mut pollers = Pollers::new(64);
        assert_eq!(pollers.next(64, now), Some(10));
        let pause = pollers.failed(10, now);
        assert_eq!(pollers.wake(), Some(now + pause));
        assert_eq!(pollers.next(64, now + pause), Some(10));
    }
}

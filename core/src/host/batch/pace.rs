//! How long messages take.

use std::collections::VecDeque;
use std::time::Duration;

/// How many messages are remembered: one that took long by chance is forgotten after so many others.
const RECENT: usize = 64;

/// How long recent messages took.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<Duration>);

impl Pace {
    pub(super) fn took(&mut self, time: Duration) {
        if self.0.len() == RECENT {
            self.0.pop_front();
        }
        self.0.push_back(time);
    }

    /// The longest of them.
    pub(super) fn longest(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_took_long_counts_for_64_messages() {
        let mut pace = Pace::default();
        assert_eq!(pace.longest(), Duration::ZERO);
        pace.took(Duration::from_secs(9));
        for _ in 0..63 {
            pace.took(Duration::from_secs(1));
        }
        assert_eq!(pace.longest(), Duration::from_secs(9));
        pace.took(Duration::from_secs(2));
        assert_eq!(pace.longest(), Duration::from_secs(2));
    }
}

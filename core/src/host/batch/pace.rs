//! How long messages take.

use std::collections::VecDeque;
use std::time::Duration;

/// How many messages are remembered.
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

    /// The time in which 95 % of them were done: one in twenty may hang until it is stopped, and others are
    /// started all the same.
    pub(super) fn needed(&self) -> Duration {
        let mut times: Vec<_> = self.0.iter().copied().collect();
        times.sort_unstable();
        let most = (times.len() * 95).div_ceil(100);
        most.checked_sub(1)
            .and_then(|last| times.get(last).copied())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(seconds: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        for second in seconds {
            pace.took(Duration::from_secs(second));
        }
        pace
    }

    #[test]
    fn it_is_the_longest_of_few_and_of_many_all_but_one_in_twenty() {
        assert_eq!(pace([]).needed(), Duration::ZERO);
        assert_eq!(pace([3]).needed(), Duration::from_secs(3));
        assert_eq!(pace([1, 9, 2]).needed(), Duration::from_secs(9));
        assert_eq!(pace(1..=19).needed(), Duration::from_secs(19));
        assert_eq!(pace(1..=20).needed(), Duration::from_secs(19));
        assert_eq!(pace(1..=64).needed(), Duration::from_secs(61));
    }

    #[test]
    fn what_was_64_messages_ago_is_forgotten() {
        let long = std::iter::repeat_n(9, 64);
        assert_eq!(
            pace(long.clone().chain(std::iter::repeat_n(1, 60))).needed(),
            Duration::from_secs(9)
        );
        assert_eq!(
            pace(long.chain(std::iter::repeat_n(1, 61))).needed(),
            Duration::from_secs(1)
        );
    }
}

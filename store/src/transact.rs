//! How a transaction is made.

use std::time::Duration;

use fanfare::Backoff;

/// How often a transaction is tried, and how long.
///
/// A transaction that meets another one on an item, is throttled or gets no answer is tried again
/// after a random pause (full jitter) under the same token, so that it takes effect once. By default
/// 8 tries, pauses of up to 50 ms doubling to 2 s, and 10 s for a try (the SDK's own retries of it
/// included).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactPolicy {
    /// How often it is tried, the first time included; at least once.
    pub tries: u32,
    /// The pauses between tries.
    pub backoff: Backoff,
    /// How long a single try may take.
    pub timeout: Duration,
}

impl Default for TransactPolicy {
    fn default() -> Self {
        Self {
            tries: 8,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(2)),
            timeout: Duration::from_secs(10),
        }
    }
}

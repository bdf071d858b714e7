//! Exponential backoff with full jitter.

use std::time::Duration;

/// Waits between tries: a random time between zero and an exponentially growing, capped bound
/// ("full jitter": AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
///
/// ```
/// use std::time::Duration;
/// let backoff = fanfare::Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// assert_eq!(backoff.bound(1), Duration::from_secs(1));
/// assert_eq!(backoff.bound(4), Duration::from_secs(8));
/// assert_eq!(backoff.bound(400), Duration::from_secs(60));
/// assert!(backoff.delay(4) <= Duration::from_secs(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// A backoff whose bound starts at `base` and doubles up to `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The longest wait after the `attempt`th failure, counted from 1.
    pub fn bound(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// A random wait of at most [`bound`](Self::bound), from `fastrand`'s generator of this thread.
    pub fn delay(&self, attempt: u32) -> Duration {
        self.bound(attempt).mul_f64(fastrand::f64())
    }
}

impl Default for Backoff {
    /// From 1 s to 15 min: SQS keeps a message for days, and a short outage needs no more.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(15 * 60))
    }
}

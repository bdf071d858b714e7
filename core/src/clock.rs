//! Where the time comes from.

use std::time::{Duration, SystemTime};

/// The time of day, from the system or, in simulations, from tokio's (paused) clock.
///
/// Every part that compares or stores an epoch time takes a `Clock`, so that a simulation of hours
/// runs in milliseconds and the same way each time.
///
/// ```
/// let clock = fanfare::Clock::system();
/// assert!(clock.now() > std::time::UNIX_EPOCH);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    #[cfg(feature = "memory")]
    Tokio {
        start: SystemTime,
        at: tokio::time::Instant,
    },
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `start` now and then runs with tokio's, also while that one is paused.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// use std::time::{Duration, UNIX_EPOCH};
    /// let clock = fanfare::Clock::tokio(UNIX_EPOCH);
    /// tokio::time::sleep(Duration::from_secs(3600)).await;
    /// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(3600));
    /// # }
    /// ```
    #[cfg(feature = "memory")]
    pub fn tokio(start: SystemTime) -> Self {
        Self(Source::Tokio {
            start,
            at: tokio::time::Instant::now(),
        })
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            #[cfg(feature = "memory")]
            Source::Tokio { start, at } => *start + at.elapsed(),
        }
    }

    /// The time now as milliseconds since 1970, for records and ids; 0 for a clock set before it.
    pub fn millis(&self) -> u64 {
        let since = self
            .now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

//! How a consumer's queue is set up.

use std::time::Duration;

use serde::Serialize;

use crate::Backoff;
use crate::wiring::WiringError;

/// How a consumer's queue is set up.
///
/// ```
/// let settings = fanfare::topology::QueueSettings::default();
/// assert_eq!(settings.max_receives, 5);
/// assert_eq!(settings.dead_letter_retention.as_secs(), 14 * 24 * 60 * 60);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueSettings {
    /// How long it keeps a message; 4 days by default.
    pub retention: Duration,
    /// How long its dead-letter queue keeps one; 14 days, the most there is.
    pub dead_letter_retention: Duration,
    /// How long a received message is hidden; 30 s by default.
    pub visibility_timeout: Duration,
    /// How often a message is received before it becomes a dead letter; 5 by default.
    pub max_receives: u32,
    /// The pauses between tries. The host's, not the queue's.
    #[serde(skip)]
    pub backoff: Backoff,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            retention: 4 * DAY,
            dead_letter_retention: 14 * DAY,
            visibility_timeout: Duration::from_secs(30),
            max_receives: 5,
            backoff: Backoff::default(),
        }
    }
}

impl QueueSettings {
    pub(crate) fn check(&self, consumer: &str) -> Vec<WiringError> {
        let within = |setting, fits: bool, value: String, range| {
            let error = WiringError::OutOfRange {
                consumer: consumer.to_owned(),
                setting,
                value,
                range,
            };
            (!fits).then_some(error)
        };
        let minute = Duration::from_secs(60);
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        [
            within(
                "retention",
                (minute..=14 * DAY).contains(&self.retention),
                seconds(self.retention),
                "60 s to 14 days",
            ),
            within(
                "visibility timeout",
                self.visibility_timeout <= DAY / 2,
                seconds(self.visibility_timeout),
                "0 s to 12 h",
            ),
            within(
                "max_receives",
                (1..=1000).contains(&self.max_receives),
                self.max_receives.to_string(),
                "1 to 1000",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

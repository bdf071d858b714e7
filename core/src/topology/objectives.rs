//! What is expected of a consumer, for alarms to watch.

use std::time::Duration;

use serde::Serialize;

use super::QueueSettings;
use crate::wiring::WiringError;

/// What is expected of a consumer; an alarm tells when it isn't so.
///
/// ```
/// use std::time::Duration;
/// let email = fanfare::Router::new("email").objective(Duration::from_secs(15 * 60));
/// let topology = fanfare::App::new("shop").consumer(email).topology()?;
/// assert_eq!(topology.consumers[0].objectives.oldest.as_secs(), 900);
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Objectives {
    /// How old the oldest message of its queue may be; 5 minutes by default.
    pub oldest: Duration,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            oldest: Duration::from_secs(5 * 60),
        }
    }
}

impl Objectives {
    /// What of it no alarm could tell: SQS measures once a minute, and drops what is past its retention.
    pub(super) fn check(&self, consumer: &str, queue: &QueueSettings) -> Option<WiringError> {
        let minute = Duration::from_secs(60);
        let told = self.oldest >= minute && self.oldest < queue.retention && self.oldest.subsec_nanos() == 0;
        (!told).then(|| WiringError::ObjectiveNotSeen {
            consumer: consumer.to_owned(),
            oldest: self.oldest,
            retention: queue.retention,
        })
    }
}

//! What a transport can't do, and why.

use std::collections::BTreeMap;
use std::time::Duration;

/// Something that a case needs and not every transport has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Hours pass in no time, on tokio's paused clock.
    SkipsTime,
    /// FIFO topics and queues.
    Fifo,
    /// Dead letters can be moved back to their queue.
    Redrive,
    /// One entry of a batch can be refused without the others.
    PartialBatch,
    /// A receipt is refused once the message was received again.
    RefusesStaleReceipts,
}

/// What a transport can do. It can do everything, but for what it says with its reason.
///
/// ```
/// use fanfare_tests::conformance::{Capabilities, Capability};
///
/// let capabilities = Capabilities::all().without(Capability::SkipsTime, "a server's clock is real");
/// assert_eq!(capabilities.missing(&[Capability::Fifo]), None);
/// assert_eq!(
///     capabilities.missing(&[Capability::Fifo, Capability::SkipsTime]),
///     Some((Capability::SkipsTime, "a server's clock is real"))
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Capabilities {
    missing: BTreeMap<Capability, &'static str>,
    lateness: Duration,
}

impl Capabilities {
    /// Everything, with timers that are exact to 10 ms (tokio's are to one).
    pub fn all() -> Self {
        Self {
            missing: BTreeMap::new(),
            lateness: Duration::from_millis(10),
        }
    }

    /// All of these but one, for this reason.
    #[must_use]
    pub fn without(mut self, capability: Capability, reason: &'static str) -> Self {
        self.missing.insert(capability, reason);
        self
    }

    /// Sets how much later than asked for a message may come back: a second for a server whose
    /// timers tick once a second.
    #[must_use]
    pub fn lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// The first of `needs` that is missing, and why.
    pub fn missing(&self, needs: &[Capability]) -> Option<(Capability, &'static str)> {
        needs
            .iter()
            .find_map(|need| self.missing.get(need).map(|reason| (*need, *reason)))
    }

    pub(super) fn allowed_lateness(&self) -> Duration {
        self.lateness
    }
}

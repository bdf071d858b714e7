//! A host as seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How often a host that is watched turns at least.
pub(super) const TURN: Duration = Duration::from_secs(5);

/// What a host is doing, for those who watch it: health checks, and what keeps its machine from being
/// taken away while it works. Clones watch the same host.
///
/// ```
/// use std::time::Duration;
/// use fanfare::host::{Host, Pulse};
/// use fanfare::memory::{Broker, MemoryQueue, QueueSettings};
/// use fanfare::{Handled, Message, Outcome};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::default();
/// broker.create_queue("billing", QueueSettings::default())?;
/// let pulse = Pulse::new();
/// assert!(!pulse.is_receiving());
///
/// let service = tower::service_fn(|_: Message| async {
///     Ok::<_, std::convert::Infallible>(Outcome::handled(None, Handled::Applied))
/// });
/// let host = Host::new(MemoryQueue::new(broker, "billing"), "billing").pulse(pulse.clone());
/// tokio::spawn(host.serve(service, std::future::pending()));
/// tokio::time::sleep(Duration::from_secs(30)).await;
/// assert!(pulse.is_receiving() && pulse.turned_within(Duration::from_secs(10)));
/// assert_eq!(pulse.in_flight(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    made: Instant,
    /// Milliseconds from `made` to the last turn of the loop.
    turned: AtomicU64,
    receiving: AtomicBool,
    in_flight: AtomicUsize,
    busy: watch::Sender<bool>,
}

impl Pulse {
    /// A pulse for one host.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            made: Instant::now(),
            turned: AtomicU64::new(0),
            receiving: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            busy: watch::Sender::new(false),
        }))
    }

    /// Whether the last receive worked and the host goes on receiving: not before the first one came
    /// back, after 1 s at most, nor since the shutdown began.
    pub fn is_receiving(&self) -> bool {
        self.0.receiving.load(Ordering::Relaxed)
    }

    /// Whether the host's loop turned, or this was made, within this time. A host that is well turns
    /// every 5 s at least.
    pub fn turned_within(&self, time: Duration) -> bool {
        let turned = Duration::from_millis(self.0.turned.load(Ordering::Relaxed));
        self.0.made.elapsed().saturating_sub(turned) <= time
    }

    /// How many messages the host holds.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// Resolves when the host holds messages (`true`) or none (`false`). Safe to cancel.
    pub async fn until_busy(&self, busy: bool) {
        let mut watched = self.0.busy.subscribe();
        // The sender lives in `self`, so that this can't fail.
        let _ = watched.wait_for(|is| *is == busy).await;
    }

    pub(super) fn turn(&self, in_flight: usize) {
        let since = u64::try_from(self.0.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.turned.store(since, Ordering::Relaxed);
        self.0.in_flight.store(in_flight, Ordering::Relaxed);
        let busy = in_flight > 0;
        self.0
            .busy
            .send_if_modified(|was| std::mem::replace(was, busy) != busy);
    }

    pub(super) fn receiving(&self, receiving: bool) {
        self.0.receiving.store(receiving, Ordering::Relaxed);
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

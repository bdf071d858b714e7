//! Topics, queues and subscriptions inside the process, with the semantics of SNS and SQS.

mod check;
mod dedup;
mod entry;
mod error;
mod order;
mod publish;
mod queue;
mod receive;
mod redrive;
mod settings;
mod setup;
mod topic;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Builder;

use self::queue::{Queue, Stored};
use self::topic::Topic;
use crate::Clock;
use crate::fault::{Fault, FaultPlan};

pub use self::entry::{Counts, Entry, Receipt, Receive, ReceivedMessage, Sent};
pub use self::error::BrokerError;
pub use self::redrive::Redriven;
pub use self::settings::{QueueSettings, Redrive, RedriveAllow, SubscriptionSettings, TopicSettings};
pub use self::topic::Subscription;

/// Topics, queues and subscriptions inside the process, with the semantics of SNS and SQS: what is
/// sent here behaves as it would there, and what AWS refuses is refused here.
///
/// Cheap to clone; the clones are one broker. It lives in memory and **does not survive the
/// process**: what is in its queues when the process ends is gone.
///
/// Time is tokio's, so that tests can pause it. Nothing happens in the background: what is due is
/// done when a queue is next looked at, and a waiting receiver has one timer of its own. Without a
/// fault plan a standard queue delivers once and in the order sent; under one it also duplicates and
/// reorders, as SQS may.
///
/// Not as in AWS: everything counts at once and exactly (a filter policy's change, a queue's
/// counts), there are no permissions, encryption and throughput limits, fair queues deliver in plain
/// order, and a FIFO queue takes a body's hash for the deduplication id that isn't SHA-256.
///
/// ```
/// use fanfare::memory::{Broker, Entry, QueueSettings, Receive, SubscriptionSettings, TopicSettings};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), fanfare::memory::BrokerError> {
/// let broker = Broker::default();
/// broker.create_topic("orders", TopicSettings::default())?;
/// broker.create_queue("billing", QueueSettings::default())?;
/// broker.subscribe("orders", "billing", SubscriptionSettings::default())?;
///
/// broker.publish("orders", Entry::new("order 17"))?;
/// let received = broker.receive("billing", Receive { max: 10, ..Receive::default() }).await?;
/// assert_eq!(received[0].body, "order 17");
/// broker.delete("billing", received[0].receipt)?;
/// broker.quiet(["billing"]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

struct Shared {
    clock: Clock,
    faults: FaultPlan,
    state: Mutex<State>,
    emptied: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, Topic>,
    queues: BTreeMap<String, Queue>,
    /// The last number given to a message.
    number: u64,
}

/// Now, on tokio's clock and as the time of day.
type Now = (Instant, SystemTime);

impl Broker {
    /// A broker whose messages carry the time of `clock`, and whose standard queues duplicate and
    /// reorder as `faults` says.
    pub fn new(clock: Clock, faults: FaultPlan) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared {
            clock,
            faults,
            state,
            emptied: Arc::new(Notify::new()),
        }))
    }

    /// The clock that its messages' times come from.
    pub fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        (Instant::now(), self.0.clock.now())
    }

    /// How many messages a queue and its dead-letter queue have.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn counts(&self, queue: &str) -> Result<Counts, BrokerError> {
        let now = Instant::now();
        let mut state = self.state();
        let own = state.queue(queue, now)?;
        let (mut counts, redrive) = (own.counts(), own.settings.redrive.clone());
        if let Some(redrive) = redrive
            && let Ok(dead) = state.queue(&redrive.dead_letter_queue, now)
        {
            counts.dead = dead.counts().total();
        }
        Ok(counts)
    }

    /// Waits until all of these queues are empty at one moment: nothing visible, in flight or
    /// delayed. Dead-letter queues count only where they are named. Safe to cancel.
    ///
    /// # Errors
    /// There is no such queue.
    pub async fn quiet<Q: AsRef<str>>(&self, queues: impl IntoIterator<Item = Q>) -> Result<(), BrokerError> {
        let queues: Vec<Q> = queues.into_iter().collect();
        loop {
            let emptied = self.0.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            emptied.as_mut().enable();
            let now = Instant::now();
            let mut next_expiry = None;
            let mut empty = true;
            {
                let mut state = self.state();
                for queue in &queues {
                    let queue = state.queue(queue.as_ref(), now)?;
                    empty &= queue.is_empty();
                    next_expiry = next_expiry.into_iter().chain(queue.next_expiry()).min();
                }
            }
            if empty {
                return Ok(());
            }
            let expiry = next_expiry.unwrap_or(now + settings::DAY);
            tokio::select! {
                biased;
                () = emptied => {}
                () = tokio::time::sleep_until(expiry) => {}
            }
        }
    }
}

impl fmt::Debug for Broker {
    /// The names of its topics and queues, and nothing of what is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("topics", &self.topics())
            .field("queues", &self.queues())
            .finish()
    }
}

impl Default for Broker {
    /// A broker on the system's clock, without faults.
    fn default() -> Self {
        Self::new(Clock::system(), FaultPlan::none())
    }
}

impl State {
    /// The queue of this name, with all that is due by now done.
    fn queue(&mut self, name: &str, now: Instant) -> Result<&mut Queue, BrokerError> {
        let queue = self
            .queues
            .get_mut(name)
            .ok_or_else(|| BrokerError::NoQueue(name.to_owned()))?;
        queue.advance(now);
        Ok(queue)
    }

    fn topic(&mut self, name: &str) -> Result<&mut Topic, BrokerError> {
        self.topics
            .get_mut(name)
            .ok_or_else(|| BrokerError::NoTopic(name.to_owned()))
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Puts a message into a queue that is there; the plan may double or hold it back. Returns its
    /// number.
    fn store(
        &mut self,
        queue: &str,
        message: Stored,
        delay: Duration,
        faults: &FaultPlan,
        now: Instant,
    ) -> Result<u64, BrokerError> {
        let number = self.next_number();
        let mut copies = vec![(number, delay)];
        if !crate::is_fifo(queue) {
            let late = || Duration::from_millis(1 + faults.below(2_000));
            match faults.draw("deliver", &[Fault::Duplicate, Fault::Reorder]) {
                Some(Fault::Duplicate) => copies.push((self.next_number(), delay + late())),
                // What is sent in the meantime comes first.
                Some(Fault::Reorder) => copies[0].1 += late(),
                _ => {}
            }
        }
        let queue = self.queue(queue, now)?;
        for (number, delay) in copies {
            queue.add(number, message.clone(), delay, now);
        }
        Ok(number)
    }
}

/// A random UUID from this thread's generator.
fn random_id() -> Arc<str> {
    let mut bytes = [0; 16];
    fastrand::fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().to_string().into()
}

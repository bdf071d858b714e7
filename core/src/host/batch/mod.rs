//! Serving a consumer from batches that somebody else receives, as Lambda's event-source mapping does.

mod entries;
mod invocation;
mod pace;
mod settling;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower::Service;

use self::invocation::Invocation;
use self::pace::Pace;
use super::judge::{Judge, OwnTries};
use super::measure::Meters;
use super::{Mutation, Observe, Settled};
use crate::port::{Completed, Queue, Received, Tries};
use crate::topology::Hosting;
use crate::{BoxError, Clock, Message, Outcome, RouterService};

/// Serves a consumer from batches of messages that somebody else received and will delete: the sibling
/// of [`Host`](super::Host) for Lambda's event-source mapping. Made once a process, it serves any number
/// of invocations, one after another or at a time.
///
/// Every message of a batch counts as failed until it is done:
///
/// ```text
/// applied, duplicate, ignored  done: whoever received it deletes it
/// failed                       failed, and given back for the pause of its backoff
/// terminal, or failed too      put with the dead letters, with its reason; done once that is certain
///   often
/// held by another host         failed, and given back for as long as that may take; on its last
///                              permitted receive it waits in place, if the time is there
/// not started                  failed, and given back at once
/// ```
///
/// - Messages of a standard queue are handled side by side, those first that were received most often.
///   On FIFO each group is handled in order, and groups side by side. A failure stops its group alone:
///   what is behind it is given back unstarted, and comes again behind it.
/// - What there is a place for when a batch comes in is started unless less than a second is left before
///   the reserve. After that, nothing is started when less is left than 95 % of recent messages took.
/// - What still runs when only the [reserve](Self::reserve) is left is told so ([`Lost`](crate::Lost)),
///   which keeps it from committing, and is dropped; that is a failed try. A handler that blocks its
///   thread can't be dropped and is left behind, as long as the runtime has another thread. The answer
///   is there when a quarter of the reserve is left.
/// - A call that settles and fails costs only time: its message comes again when it is visible.
/// - A message that a batch has twice is handled once.
/// - A panic costs its message one try.
/// - The metrics of [`metric`](crate::metric) are recorded, by the recorder that there is when the first batch comes.
///
/// On FIFO the queue counts a receive of each message that is behind a failing one, so that receives say
/// little of a message's own tries. With [`tries`](Self::tries) a message becomes a dead letter with the
/// last of the function's `attempts`
/// ([`FunctionSettings`](crate::topology::FunctionSettings::attempts)) that failed. Without, it becomes
/// one when it fails after so many receives, were it for the first time; but never one that didn't fail.
/// In any case it does so on the last permitted receive.
///
/// Dropping the future of [`handle`](Self::handle) stops at once, as a kill does: handlers are dropped at
/// their current await and can't commit any more, nothing is settled, and every message comes again when
/// its time is over.
///
/// ```
/// use std::time::Duration;
/// use fanfare::host::BatchHost;
/// use fanfare::memory::{Broker, Entry, MemoryQueue, QueueSettings};
/// use fanfare::port::Queue;
/// use fanfare::{Failure, Handled, Message, Outcome, Router};
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::default();
/// broker.create_queue("billing", QueueSettings::default())?;
/// broker.send("billing", Entry::new("order 17"))?;
/// broker.send("billing", Entry::new("order 18"))?;
/// let queue = MemoryQueue::new(broker.clone(), "billing");
///
/// let billing = Router::new("billing").into_service()?;
/// let host = BatchHost::of(queue.clone(), &billing);
///
/// let service = tower::service_fn(|message: Message| async move {
///     Ok::<_, std::convert::Infallible>(match &*message.body {
///         "order 17" => Outcome::handled(None, Handled::Applied),
///         _ => Outcome::failed(None, Failure::retry("not yet")),
///     })
/// });
/// // The part of the mapping: it receives, and deletes what isn't named.
/// let batch = queue.receive(10, Duration::ZERO).await?;
/// let second = batch[1].message.id.clone();
/// let handed = host.handle(service, batch, Instant::now() + Duration::from_secs(30)).await;
/// assert_eq!(handed.failed, [second]);
/// # Ok(())
/// # }
/// ```
pub struct BatchHost<Q: Queue> {
    queue: Arc<Q>,
    consumer: Arc<str>,
    concurrency: usize,
    reserve: Duration,
    judge: Judge,
    observe: Option<Observe>,
    pub(super) mutations: Vec<Mutation>,
    pace: Arc<Mutex<Pace>>,
    meters: Arc<Mutex<Option<Arc<Meters>>>>,
}

/// What became of a batch.
///
/// ```
/// let handed = fanfare::host::Handed::default();
/// assert!(handed.failed.is_empty(), "all are done");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handed {
    /// The ids of the messages that aren't done, in the order in which they came, each once. All others
    /// are to be deleted.
    pub failed: Vec<String>,
}

impl<Q: Queue> BatchHost<Q> {
    /// A host for this router, with the retries and the backoff of its queue settings, and the attempts
    /// of its function settings where the queue is FIFO.
    ///
    /// The queue is used to give messages back and to move them to the dead letters; nothing is received
    /// from it.
    pub fn of(queue: Q, service: &RouterService) -> Self {
        let mut judge = Judge::new(service.retry_policy());
        if let Hosting::Function(settings) = service.hosting() {
            judge.own = Some(OwnTries {
                consumer: service.consumer().into(),
                attempts: settings.attempts.max(1),
                counter: None,
            });
        }
        Self {
            queue: Arc::new(queue),
            consumer: service.consumer().into(),
            concurrency: 64,
            reserve: Duration::from_secs(1),
            judge,
            observe: None,
            mutations: Vec::new(),
            pace: Arc::default(),
            meters: Arc::default(),
        }
    }

    /// How many messages of a batch are handled at a time; 64 by default.
    #[must_use]
    pub fn concurrency(mut self, messages: usize) -> Self {
        self.concurrency = messages.max(1);
        self
    }

    /// How much of an invocation's time is kept back for settling and for the answer; a second by
    /// default. Nothing is started that hasn't a second besides.
    #[must_use]
    pub fn reserve(mut self, time: Duration) -> Self {
        self.reserve = time;
        self
    }

    /// The inbox to ask before a failure becomes a dead letter.
    #[must_use]
    pub fn completed(mut self, inbox: Arc<dyn Completed>) -> Self {
        self.judge.completed = Some(inbox);
        self
    }

    /// Who counts failed tries; asked for the messages of a function on a FIFO queue only.
    #[must_use]
    pub fn tries(mut self, counter: Arc<dyn Tries>) -> Self {
        if let Some(own) = &mut self.judge.own {
            own.counter = Some(counter);
        }
        self
    }

    /// The clock that ages are measured by; the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.judge.clock = clock;
        self
    }

    /// Calls this after each try of a message, before it is settled.
    #[must_use]
    pub fn observe(mut self, observe: impl Fn(&Settled<'_>) + Send + Sync + 'static) -> Self {
        self.observe = Some(Arc::new(observe));
        self
    }

    /// Handles a batch, until `deadline` at the latest: then nobody listens to the answer any more.
    ///
    /// The service is cloned for each message, and polled until it is ready inside that message's task.
    pub async fn handle<S>(&self, service: S, batch: Vec<Received<Q::Receipt>>, deadline: Instant) -> Handed
    where
        S: Service<Message, Response = Outcome> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
    {
        Invocation::new(self, service, batch, deadline).run().await
    }

    /// Those of the first batch, as long as the queue has the same name: a function's has one only from the first
    /// event on.
    fn meters(&self) -> Arc<Meters> {
        let mut kept = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = self.queue.name();
        match &*kept {
            Some(meters) if meters.queue() == queue => meters.clone(),
            _ => kept.insert(Arc::new(Meters::new(queue, &self.consumer))).clone(),
        }
    }

    /// How long recent messages took, but for a few that took longer.
    fn needed(&self) -> Duration {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).needed()
    }

    fn took(&self, time: Duration) {
        self.pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .took(time);
    }
}

/// A clone is the same host: it shares what is known of how long messages take, and its metrics.
impl<Q: Queue> Clone for BatchHost<Q> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            consumer: self.consumer.clone(),
            concurrency: self.concurrency,
            reserve: self.reserve,
            judge: self.judge.clone(),
            observe: self.observe.clone(),
            mutations: self.mutations.clone(),
            pace: self.pace.clone(),
            meters: self.meters.clone(),
        }
    }
}

impl<Q: Queue> std::fmt::Debug for BatchHost<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchHost")
            .field("consumer", &self.consumer)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

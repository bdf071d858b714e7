//! Serving a consumer from a queue, in process, on SQS and on Lambda.
//!
//! [`Host`] takes messages from any [`Queue`], calls the service and settles what it did. [`BatchHost`]
//! is given messages in batches, as Lambda is, and says which are to come again.

mod attempt;
mod batch;
mod calls;
mod handling;
mod heartbeat;
mod job;
mod judge;
mod lane;
mod measure;
mod mutation;
mod polling;
mod pulse;
mod run;
mod settling;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tower::Service;

pub use self::batch::{BatchHost, Handed};
use self::judge::Judge;
#[cfg(feature = "mutations")]
pub use self::mutation::Mutation;
#[cfg(not(feature = "mutations"))]
use self::mutation::Mutation;
pub use self::pulse::Pulse;
use self::run::Run;
use crate::port::{Completed, Queue};
use crate::topology::QueueSettings;
use crate::{BoxError, Clock, Message, Outcome, RetryPolicy, RouterService, Verdict};

/// What became of one try of one message, for metrics and tests.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settled<'a> {
    /// The consumer.
    pub consumer: &'a str,
    /// The message.
    pub message: &'a Message,
    /// Which try it was, counted from 1: its receives, and the tries in place. A failed one of a FIFO
    /// queue on Lambda: how many of its own tries have failed.
    pub attempt: u32,
    /// What happened.
    pub outcome: &'a Outcome,
    /// What the host does with it.
    pub verdict: &'a Verdict,
}

type Observe = Arc<dyn Fn(&Settled<'_>) + Send + Sync>;

/// Serves a consumer from any [`Queue`]: receives, calls the service, settles.
///
/// The time line of a message, with the defaults (visibility timeout 30 s):
///
/// ```text
///   0 s  received; there was a free place before the host asked for it
///        handled at once; on FIFO after those before it in its group
///  15 s  half of its time is over: extended by 30 s with all the others that need it, again and
///        again up to 12 h, the most SQS gives
///   end  the extension under way is waited for, then it is settled, and never extended again
/// ```
///
/// - There is one receive at a time while there is little to do. One that came back full while places
///   are free is joined by another, up to four; a busy queue is asked when ten places are free (a
///   quarter of them, where there are less than 40) or after 100 ms, so that calls are few.
/// - Messages are deleted, given back and moved to the dead letters in batches of 10 or after 10 ms, or
///   at once when no handler runs. Entries of a batch that fail or aren't answered are tried again.
/// - Applied and duplicate messages are deleted.
/// - A failed one is given back for as long as its verdict says. On FIFO it is kept and tried again
///   in place, and those behind it in its group are kept too: none that never failed becomes a dead
///   letter, and other groups go on.
/// - One that somebody else is handling is kept and tried again in place, without counting.
/// - On the last permitted receive a failure becomes a dead letter with its reason. Where that has no
///   room for it, the message is given back until the queue itself moves it, and the log tells why.
/// - When the hold is lost, [`Lost`](crate::Lost) is raised; a message that waits is dropped without
///   being started.
/// - The metrics of [`metric`](crate::metric) are recorded.
///
/// Dropping the future of [`serve`](Self::serve) stops at once, as a kill does: handlers are dropped
/// at their current await, nothing is settled, and every message comes again when its time is over.
///
/// ```
/// use std::time::Duration;
/// use fanfare::host::Host;
/// use fanfare::memory::{Broker, Entry, MemoryQueue, QueueSettings};
/// use fanfare::{Handled, Message, Outcome};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::default();
/// broker.create_queue("billing", QueueSettings::default())?;
/// broker.send("billing", Entry::new("order 17"))?;
///
/// let service = tower::service_fn(|message: Message| async move {
///     assert_eq!(message.body, "order 17");
///     Ok::<_, std::convert::Infallible>(Outcome::handled(None, Handled::Applied))
/// });
/// let host = Host::new(MemoryQueue::new(broker.clone(), "billing"), "billing").concurrency(8);
/// let all_done = async { broker.quiet(["billing"]).await.expect("the queue is there") };
/// host.serve(service, all_done).await;
/// # Ok(())
/// # }
/// ```
pub struct Host<Q> {
    queue: Arc<Q>,
    consumer: Arc<str>,
    concurrency: usize,
    kept: usize,
    visibility_timeout: Duration,
    poll: Duration,
    drain: Duration,
    judge: Judge,
    observe: Option<Observe>,
    pulse: Option<Pulse>,
    mutations: Vec<Mutation>,
}

impl<Q: Queue> Host<Q> {
    /// A host for this consumer on this queue.
    pub fn new(queue: Q, consumer: impl Into<Arc<str>>) -> Self {
        Self {
            queue: Arc::new(queue),
            consumer: consumer.into(),
            concurrency: 64,
            kept: 640,
            visibility_timeout: QueueSettings::default().visibility_timeout,
            poll: Duration::from_secs(20),
            drain: Duration::from_secs(24),
            judge: Judge::new(RetryPolicy::default()),
            observe: None,
            pulse: None,
            mutations: Vec::new(),
        }
    }

    /// A host for this router, with the visibility timeout, the retries and the backoff of its queue
    /// settings.
    pub fn of(queue: Q, service: &RouterService) -> Self {
        let settings = service.queue();
        Self::new(queue, service.consumer())
            .visibility_timeout(settings.visibility_timeout)
            .retry(service.retry_policy())
    }

    /// How many messages are handled at a time; 64 by default. Up to ten times as many are held,
    /// counting those that wait for their next try or behind another one of their FIFO group.
    #[must_use]
    pub fn concurrency(mut self, messages: usize) -> Self {
        self.concurrency = messages.max(1);
        self.kept = self.concurrency.saturating_mul(10);
        self
    }

    /// The queue's visibility timeout, which the host goes by; 30 s by default.
    #[must_use]
    pub fn visibility_timeout(mut self, timeout: Duration) -> Self {
        self.visibility_timeout = timeout;
        self
    }

    /// How long one receive waits for messages: 20 s by default, the most SQS does. At shutdown the
    /// receive under way is waited for.
    #[must_use]
    pub fn poll(mut self, wait: Duration) -> Self {
        self.poll = wait;
        self
    }

    /// How long handlers may go on after the shutdown began; 24 s by default. Then they are dropped and
    /// their messages given back, in 4 s at most, which leaves 2 s of the 30 s that ECS gives.
    ///
    /// One that blocks its thread can't be dropped: it is left behind a second later, its message given
    /// back and lost to it. A runtime waits for such a thread when it is dropped, so end the process with
    /// tokio's `Runtime::shutdown_timeout`.
    #[must_use]
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// When to try again and when to give up.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.judge.policy = policy;
        self
    }

    /// The inbox to ask before a failure becomes a dead letter.
    #[must_use]
    pub fn completed(mut self, inbox: Arc<dyn Completed>) -> Self {
        self.judge.completed = Some(inbox);
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

    /// Shows what the host is doing to whoever has a clone of this.
    #[must_use]
    pub fn pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = Some(pulse);
        self
    }

    /// Serves until `shutdown` resolves. Then it receives no more, gives back what it hasn't
    /// started, lets handlers finish until the drain time is over, and settles what they did.
    ///
    /// The service is cloned for each message, and polled until it is ready inside that message's
    /// task, while the message is kept.
    pub async fn serve<S>(self, service: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Message, Response = Outcome> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
    {
        Run::new(self, service).until(shutdown).await;
    }
}

impl<Q> std::fmt::Debug for Host<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("consumer", &self.consumer)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

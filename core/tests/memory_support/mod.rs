//! What the tests of the in-process host share.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fanfare::fault::FaultPlan;
use fanfare::host::Host;
use fanfare::memory::{
    Broker, Entry, MemoryQueue, QueueSettings, Receipt, Receive, ReceivedMessage, Redrive,
};
use fanfare::port::{DeadLetter, Queue, QueueError, Received};
use fanfare::{Backoff, Clock, Failure, Handled, Message, Outcome, RetryPolicy, dead_letter_name};
use tokio::sync::watch;
use tokio::time::Instant;

pub const DAY: Duration = Duration::from_secs(24 * 3600);
pub const HOUR: Duration = Duration::from_secs(3600);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn broker() -> Broker {
    Broker::new(Clock::tokio(UNIX_EPOCH + 20_000 * DAY), FaultPlan::none())
}

/// A broker with this queue, and a dead-letter queue after `receives`.
pub fn with_queue(queue: &str, receives: u32) -> Broker {
    let broker = broker();
    let dead_letter_queue = dead_letter_name(queue);
    let long = || QueueSettings {
        retention: 14 * DAY,
        ..QueueSettings::default()
    };
    broker.create_queue(&dead_letter_queue, long()).unwrap();
    let redrive = Some(Redrive {
        dead_letter_queue,
        max_receive_count: receives,
    });
    broker
        .create_queue(queue, QueueSettings { redrive, ..long() })
        .unwrap();
    broker
}

pub fn send(broker: &Broker, queue: &str, bodies: impl IntoIterator<Item = impl ToString>) {
    for body in bodies {
        broker.send(queue, Entry::new(body.to_string())).unwrap();
    }
}

pub fn send_fifo(broker: &Broker, queue: &str, messages: &[(&str, &str)]) {
    for (group, body) in messages {
        let entry = Entry {
            group: Some(group.to_string()),
            deduplication_id: Some(format!("{group}-{body}")),
            ..Entry::new(*body)
        };
        broker.send(queue, entry).unwrap();
    }
}

pub async fn drain(broker: &Broker, queue: &str) -> Vec<ReceivedMessage> {
    let mut all = Vec::new();
    while let received @ [_, ..] = &mut broker
        .receive(
            queue,
            Receive {
                max: 10,
                ..Receive::default()
            },
        )
        .await
        .unwrap()[..]
    {
        for message in received {
            broker.delete(queue, message.receipt).unwrap();
            all.push(message.clone());
        }
    }
    all
}

/// A policy with a fixed pause of a second.
pub fn policy(max_receives: u32) -> RetryPolicy {
    RetryPolicy {
        max_receives,
        backoff: Backoff::new(seconds(1), seconds(1)),
        ..RetryPolicy::default()
    }
}

pub fn host<Q: Queue>(queue: Q, broker: &Broker) -> Host<Q> {
    Host::new(queue, "consumer")
        .clock(broker.clock())
        .retry(policy(5))
}

pub fn applied() -> Outcome {
    Outcome::handled(None, Handled::Applied)
}

pub fn failed() -> Outcome {
    Outcome::failed(None, Failure::retry("a passing fault"))
}

/// What happened, when, in seconds since the start.
#[derive(Clone)]
pub struct Diary(Arc<Mutex<Vec<(u64, String)>>>, Instant);

impl Diary {
    pub fn new() -> Self {
        Self(Arc::default(), Instant::now())
    }

    pub fn note(&self, what: impl Into<String>) {
        self.0
            .lock()
            .unwrap()
            .push((self.1.elapsed().as_secs(), what.into()));
    }

    pub fn entries(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap().clone()
    }

    pub fn whats(&self) -> Vec<String> {
        self.entries().into_iter().map(|(_, what)| what).collect()
    }

    pub fn count(&self, what: &str) -> usize {
        self.whats().iter().filter(|entry| *entry == what).count()
    }
}

/// A queue whose calls are noted, held up and broken on demand.
#[derive(Clone)]
pub struct Watched {
    pub inner: MemoryQueue,
    pub diary: Diary,
    /// While true, an extension waits before it takes effect.
    pub hold_extensions: Arc<watch::Sender<bool>>,
    /// How an entry of a call fails: by the call and how often it was made.
    pub fails: Arc<dyn Fn(&'static str, usize, usize) -> Fails + Send + Sync>,
    calls: Arc<Mutex<Vec<&'static str>>>,
    /// How long a receive that brings something takes.
    takes: Duration,
    /// Receives under way, and the most at a time.
    receives: Arc<Mutex<(usize, usize)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    No,
    /// The call isn't made for this entry.
    Retryable,
    NotHeld,
    /// The reply ends before this entry, which isn't made, as those behind it.
    Missing,
}

impl Watched {
    pub fn new(broker: &Broker, queue: &str) -> Self {
        Self {
            inner: MemoryQueue::new(broker.clone(), queue),
            diary: Diary::new(),
            hold_extensions: Arc::new(watch::Sender::new(false)),
            fails: Arc::new(|_, _, _| Fails::No),
            calls: Arc::default(),
            takes: Duration::ZERO,
            receives: Arc::default(),
        }
    }

    pub fn failing(
        mut self,
        fails: impl Fn(&'static str, usize, usize) -> Fails + Send + Sync + 'static,
    ) -> Self {
        self.fails = Arc::new(fails);
        self
    }

    pub fn answering_after(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    pub fn most_receives(&self) -> usize {
        self.receives.lock().unwrap().1
    }

    pub fn calls(&self, call: &str) -> usize {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|made| **made == call)
            .count()
    }

    pub fn all_calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn called(&self, call: &'static str) -> usize {
        self.calls.lock().unwrap().push(call);
        self.calls(call)
    }

    async fn batch<E, F: Future<Output = Vec<Result<(), QueueError>>>>(
        &self,
        call: &'static str,
        entries: Vec<E>,
        make: impl FnOnce(Vec<E>) -> F,
    ) -> Vec<Result<(), QueueError>> {
        let nth = self.called(call);
        let fails: Vec<_> = (0..entries.len())
            .map(|entry| (self.fails)(call, nth, entry))
            .take_while(|fails| *fails != Fails::Missing)
            .collect();
        let made = entries
            .into_iter()
            .zip(&fails)
            .filter(|(_, fails)| **fails == Fails::No);
        let mut results = make(made.map(|(entry, _)| entry).collect()).await.into_iter();
        let mut reply = Vec::new();
        for fails in fails {
            match fails {
                Fails::No | Fails::Missing => reply.extend(results.next()),
                Fails::Retryable => {
                    reply.push(Err(QueueError::Retryable {
                        call,
                        queue: "q".into(),
                        reason: "broken".into(),
                    }));
                }
                Fails::NotHeld => reply.push(Err(QueueError::NotHeld {
                    call,
                    queue: "q".into(),
                })),
            }
        }
        reply
    }
}

impl Queue for Watched {
    type Receipt = Receipt;

    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<Receipt>>, QueueError> {
        let nth = self.called("receive");
        if (self.fails)("receive", nth, 0) == Fails::Retryable {
            return Err(QueueError::Retryable {
                call: "receive",
                queue: "q".into(),
                reason: "broken".into(),
            });
        }
        {
            let mut receives = self.receives.lock().unwrap();
            receives.0 += 1;
            receives.1 = receives.1.max(receives.0);
        }
        let received = self.inner.receive(max, wait).await;
        if received.as_ref().is_ok_and(|received| !received.is_empty()) {
            tokio::time::sleep(self.takes).await;
        }
        self.receives.lock().unwrap().0 -= 1;
        received
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Vec<Result<(), QueueError>> {
        self.diary.note(format!("delete {}", receipts.len()));
        self.batch("delete", receipts, |receipts| self.inner.delete(receipts))
            .await
    }

    async fn extend(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.diary.note(format!("extend {}", receipts.len()));
        let mut hold = self.hold_extensions.subscribe();
        let _ = hold.wait_for(|hold| !hold).await;
        self.batch("extend", receipts, |receipts| self.inner.extend(receipts))
            .await
    }

    async fn release(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        for (_, after) in &receipts {
            self.diary.note(format!("release {}", after.as_secs()));
        }
        self.batch("release", receipts, |receipts| self.inner.release(receipts))
            .await
    }

    async fn dead_letter(
        &self,
        letters: Vec<(Received<Receipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        for (_, letter) in &letters {
            self.diary.note(format!("dead letter after {}", letter.attempts));
        }
        self.batch("dead_letter", letters, |letters| self.inner.dead_letter(letters))
            .await
    }
}

/// A service from an async function.
#[macro_export]
macro_rules! service {
    ($handler:expr) => {
        tower::service_fn(move |message: fanfare::Message| {
            let handled = ($handler)(message);
            async move { Ok::<_, std::convert::Infallible>(handled.await) }
        })
    };
}

/// The message's group and body.
pub fn named(message: &Message) -> String {
    format!("{}{}", message.group.as_deref().unwrap_or_default(), message.body)
}

/// When a queue got empty, since this was made.
pub struct Quiet(Instant, Mutex<Option<Duration>>);

impl Quiet {
    pub fn new() -> Self {
        Self(Instant::now(), Mutex::default())
    }

    pub async fn wait(&self, broker: &Broker, queue: &str) {
        broker.quiet([queue]).await.unwrap();
        *self.1.lock().unwrap() = Some(self.0.elapsed());
    }

    pub fn after(&self) -> Duration {
        self.1.lock().unwrap().unwrap()
    }
}

//! What the contract wants from the outside: somewhere to publish to, a queue to take from, a look
//! into the inbox, and a count of tries. A transport implements these; a handler never sees them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use crate::dead_letter::{DEAD_LETTER_ATTRIBUTE, DeadLetter};
use crate::{BoxError, DedupeKey, Message, Outgoing};

/// A boxed future, as the ports that are used as `dyn` return it.
///
/// ```
/// use fanfare::port::BoxFuture;
///
/// fn answer<'a>(question: &'a str) -> BoxFuture<'a, usize> {
///     Box::pin(async move { question.len() })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(answer("why").await, 3);
/// # }
/// ```
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes envelopes to their topic or queue.
///
/// Implemented by the in-process broker and by `fanfare-publisher`.
///
/// ```
/// use fanfare::port::{BoxFuture, Publish, PublishError};
/// use fanfare::{Clock, Draft, Outgoing};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
///
/// /// Writes what is published to standard output.
/// struct Print;
///
/// impl Publish for Print {
///     fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
///         Box::pin(async move {
///             let print = |outgoing: Outgoing| println!("{}: {}", outgoing.destination, outgoing.envelope.to_json());
///             outgoing.into_iter().map(print).map(Ok).collect()
///         })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fanfare::EncodeError> {
/// let placed = Draft::event(&OrderPlaced { order: "17".into() })?.first("/checkout", &Clock::system());
/// let results = Print.publish(vec![placed]).await;
/// assert!(results.iter().all(Result::is_ok));
/// # Ok(())
/// # }
/// ```
pub trait Publish: Send + Sync + 'static {
    /// Publishes all of `outgoing` and says of each, in the same order, whether its destination
    /// confirmed it. An error is no proof that it did not arrive: the reply may have been lost.
    /// Consumers drop the copy that a second try makes.
    ///
    /// Cancelling the future leaves open which of them arrived.
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>>;
}

impl<P: Publish + ?Sized> Publish for Arc<P> {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        (**self).publish(outgoing)
    }
}

/// Why an envelope was not confirmed.
///
/// ```
/// use fanfare::port::PublishError;
/// let error = PublishError::TooLarge { destination: "topic orders".into(), size: 300_000, limit: 262_144 };
/// assert!(!error.is_retryable());
/// assert_eq!(error.to_string(), "300000 bytes are more than the 262144 that topic orders takes");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Throttled, timed out, or the service failed: worth another try with the same id.
    #[error("not confirmed by {destination}: {reason}")]
    Retryable {
        /// The topic or queue.
        destination: String,
        /// What went wrong.
        reason: String,
        /// The error below, if there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The destination refused it and will refuse it again.
    #[error("refused by {destination}: {reason}")]
    Rejected {
        /// The topic or queue.
        destination: String,
        /// What is wrong with the message or the destination.
        reason: String,
    },
    /// The application has no such topic or consumer.
    #[error("there is no {destination}: there are {}", .known.join(", "))]
    Unknown {
        /// What was published to.
        destination: String,
        /// The topics and consumers that there are.
        known: Vec<String>,
    },
    /// Larger than the destination takes.
    #[error("{size} bytes are more than the {limit} that {destination} takes")]
    TooLarge {
        /// The topic or queue.
        destination: String,
        /// Bytes of body and attributes.
        size: usize,
        /// The destination's limit in bytes.
        limit: usize,
    },
}

impl PublishError {
    /// Whether the same envelope may be confirmed at another try.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. })
    }
}

/// A message together with what the queue wants to see when it is settled.
///
/// ```
/// use fanfare::{Message, port::Received};
/// let received = Received { message: Message::new("{}"), receipt: "AQEB..." };
/// assert_eq!(received.message.receive_count, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Received<R> {
    /// The message.
    pub message: Message,
    /// The queue's receipt for this one receive of it.
    pub receipt: R,
}

/// A queue that a host takes messages from. Every call but `receive` takes a batch and gives one
/// result per entry, in the same order.
///
/// ```
/// use std::time::Duration;
/// use fanfare::port::{Queue, QueueError};
///
/// /// Deletes all that lies in a queue, and says how much it was.
/// async fn purge(queue: &impl Queue) -> Result<usize, QueueError> {
///     let mut purged = 0;
///     loop {
///         let received = queue.receive(10, Duration::ZERO).await?;
///         if received.is_empty() {
///             return Ok(purged);
///         }
///         let receipts = received.into_iter().map(|received| received.receipt).collect();
///         for deleted in queue.delete(receipts).await {
///             deleted?;
///             purged += 1;
///         }
///     }
/// }
/// ```
pub trait Queue: Send + Sync + 'static {
    /// What identifies one receive of one message.
    type Receipt: Clone + std::fmt::Debug + Send + Sync + 'static;

    /// The queue's name, for logs and metrics.
    fn name(&self) -> &str;

    /// Waits up to `wait` for messages and returns up to `max` of them (at most 10 on SQS), each
    /// invisible to others for the queue's visibility timeout, counted from now. A cancelled
    /// receive may leave messages invisible until then.
    fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Received<Self::Receipt>>, QueueError>> + Send;

    /// Deletes messages. Deleting one that is gone already is no error.
    fn delete(
        &self,
        receipts: Vec<Self::Receipt>,
    ) -> impl Future<Output = Vec<Result<(), QueueError>>> + Send;

    /// Keeps messages invisible for this much longer, counted from now.
    fn extend(
        &self,
        receipts: Vec<(Self::Receipt, Duration)>,
    ) -> impl Future<Output = Vec<Result<(), QueueError>>> + Send;

    /// Gives messages back: they can be received again after this long, counted from now.
    fn release(
        &self,
        receipts: Vec<(Self::Receipt, Duration)>,
    ) -> impl Future<Output = Vec<Result<(), QueueError>>> + Send;

    /// Moves messages to the dead-letter queue, with body, attributes and group as they are and the
    /// reason in [`DEAD_LETTER_ATTRIBUTE`]: copied first, deleted only when the copy is confirmed. A
    /// crash in between leaves two copies, never none.
    ///
    /// Where there is no room for the reason ([`DeadLetter::attributes`]), nothing is moved and the
    /// result is [`QueueError::NoRoom`]: give the message back, until the queue itself moves it after
    /// the last permitted receive. On FIFO, where that would use up the receives of those behind it,
    /// the copy is made without the reason instead.
    fn dead_letter(
        &self,
        letters: Vec<(Received<Self::Receipt>, DeadLetter)>,
    ) -> impl Future<Output = Vec<Result<(), QueueError>>> + Send;
}

/// Why a call on a queue failed.
///
/// ```
/// use fanfare::port::QueueError;
/// let error = QueueError::NotHeld { call: "delete", queue: "shop-billing".into() };
/// assert!(!error.is_retryable());
/// assert_eq!(error.to_string(), "delete on shop-billing: the message is no longer held");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// Throttled, timed out, or the service failed; the call may have taken effect all the same.
    #[error("{call} on {queue} failed: {reason}")]
    Retryable {
        /// The call.
        call: &'static str,
        /// The queue's name.
        queue: String,
        /// What went wrong.
        reason: String,
    },
    /// The receipt no longer holds the message: its visibility ran out, or it was deleted.
    #[error("{call} on {queue}: the message is no longer held")]
    NotHeld {
        /// The call.
        call: &'static str,
        /// The queue's name.
        queue: String,
    },
    /// A dead letter has no room for its reason, and is left to the queue's own move.
    #[error("dead_letter on {queue}: there is no room for the reason in the message")]
    NoRoom {
        /// The queue's name.
        queue: String,
    },
    /// The queue refuses the call and will again.
    #[error("{call} on {queue} refused: {reason}")]
    Rejected {
        /// The call.
        call: &'static str,
        /// The queue's name.
        queue: String,
        /// Why.
        reason: String,
    },
}

impl QueueError {
    /// Whether the same call may succeed at another try.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. })
    }
}

/// A strongly consistent look at whether a consumer has completed an event.
///
/// A host asks it before a handler's failure becomes a dead letter: a repeat that raced with the
/// first handling may fail on the state that the first one advanced, and is a duplicate, no failure.
///
/// ```
/// use std::collections::BTreeSet;
/// use fanfare::port::{BoxFuture, Completed};
/// use fanfare::{BoxError, DedupeKey};
///
/// struct Inbox(BTreeSet<DedupeKey>);
///
/// impl Completed for Inbox {
///     fn completed<'a>(&'a self, key: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>> {
///         Box::pin(async { Ok(self.0.contains(key)) })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let key = DedupeKey::new("billing", "/checkout", "17");
/// assert!(Inbox([key.clone()].into()).completed(&key).await?);
/// # Ok(())
/// # }
/// ```
pub trait Completed: Send + Sync + 'static {
    /// Whether the inbox holds a completed record under this key. Bounded in time by whoever
    /// implements it; an error makes the host try the message again.
    fn completed<'a>(&'a self, key: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>>;
}

/// Counts the failed tries of a message that its receives can't count.
///
/// Behind Lambda's event-source mapping a FIFO group is received as a whole: those behind a head that
/// fails are received, and counted by the queue, with each of its tries, without having been tried. A
/// [`BatchHost`](crate::host::BatchHost) asks this port once for each failed try, and for nothing else.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
/// use fanfare::BoxError;
/// use fanfare::port::{BoxFuture, Tries};
///
/// #[derive(Default)]
/// struct Counter(Mutex<BTreeMap<String, u32>>);
///
/// impl Tries for Counter {
///     fn failed<'a>(&'a self, _consumer: &'a str, message: &'a str) -> BoxFuture<'a, Result<u32, BoxError>> {
///         Box::pin(async move {
///             let mut counts = self.0.lock().map_err(|_| "poisoned")?;
///             let count = counts.entry(message.to_owned()).or_default();
///             *count += 1;
///             Ok(*count)
///         })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let counter = Counter::default();
/// assert_eq!(counter.failed("ledger", "219f8380-5770").await?, 1);
/// assert_eq!(counter.failed("ledger", "219f8380-5770").await?, 2);
/// # Ok(())
/// # }
/// ```
pub trait Tries: Send + Sync + 'static {
    /// Counts one more failed try of this consumer's message, and says how many there were with it.
    ///
    /// `message` is the queue's id of it, which is new after a redrive: a dead letter that is put back is
    /// counted anew. Bounded in time by whoever implements it. After an error it may have been counted
    /// all the same; the message is tried again then, unless it is its last permitted receive.
    fn failed<'a>(&'a self, consumer: &'a str, message: &'a str) -> BoxFuture<'a, Result<u32, BoxError>>;
}

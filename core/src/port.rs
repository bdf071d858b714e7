//! What the contract wants from the outside: somewhere to publish to, a queue to take from, and a
//! look into the inbox. A transport implements these; a handler never sees them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{BoxError, DedupeKey, Message, Outgoing};

/// A boxed future, as the ports that are used as `dyn` return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes envelopes to their topic or queue.
///
/// Implemented by the in-process broker and by `fanfare-publisher`.
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
#[derive(Clone, Debug)]
pub struct Received<R> {
    /// The message.
    pub message: Message,
    /// The queue's receipt for this one receive of it.
    pub receipt: R,
}

/// A queue that a host takes messages from. Every call but `receive` takes a batch and gives one
/// result per entry, in the same order.
pub trait Queue: Send + Sync + 'static {
    /// What identifies one receive of one message.
    type Receipt: Clone + std::fmt::Debug + Send + Sync + 'static;

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

    /// Moves messages to the dead-letter queue with the reason: copied first, deleted only when the
    /// copy is confirmed. A crash in between leaves two copies, never none.
    fn dead_letter(
        &self,
        letters: Vec<(Received<Self::Receipt>, DeadLetter)>,
    ) -> impl Future<Output = Vec<Result<(), QueueError>>> + Send;
}

/// Why a message became a dead letter, as it is kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What went wrong.
    pub reason: String,
    /// The consumer that gave up.
    pub consumer: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Why a call on a queue failed.
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
pub trait Completed: Send + Sync + 'static {
    /// Whether the inbox holds a completed record under this key. Bounded in time by whoever
    /// implements it; an error makes the host try the message again.
    fn completed<'a>(&'a self, key: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>>;
}

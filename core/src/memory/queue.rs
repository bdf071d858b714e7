//! A queue of the broker, as hosts take from it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Broker, BrokerError, Receipt, Receive, ReceivedMessage};
use crate::port::{DeadLetter, Queue, QueueError, Received};
use crate::{Attribute, Attributes, BATCH_ENTRIES, Clock, Lost, Message};

/// The attribute of a dead letter that says why it is one: a JSON object with `reason`, `consumer`,
/// `attempts`, `first` and `last` (when it became a dead letter the first and the last time, RFC
/// 3339) and `times` (how often it did).
pub const DEAD_LETTER_ATTRIBUTE: &str = "fanfare.deadletter";

/// The longest reason that is kept, in bytes.
const REASON: usize = 2048;
/// The most attributes of a message in a queue.
const ATTRIBUTES: usize = 10;

/// A queue of a [`Broker`], as a [`Queue`] for a host.
///
/// Calls that take a batch take any number of entries.
///
/// ```
/// use std::time::Duration;
/// use fanfare::memory::{Broker, Entry, MemoryQueue, QueueSettings};
/// use fanfare::port::Queue;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::default();
/// broker.create_queue("billing", QueueSettings::default())?;
/// broker.send("billing", Entry::new("order 17"))?;
///
/// let queue = MemoryQueue::new(broker, "billing");
/// let received = queue.receive(10, Duration::from_secs(20)).await?;
/// assert_eq!(received[0].message.body, "order 17");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    broker: Broker,
    name: Arc<str>,
    clock: Clock,
}

/// Why a message is a dead letter, as its attribute keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Reason {
    reason: String,
    consumer: String,
    attempts: u32,
    first: String,
    last: String,
    times: u32,
}

impl MemoryQueue {
    /// The broker's queue of this name, which need not be there yet.
    pub fn new(broker: Broker, name: impl Into<Arc<str>>) -> Self {
        let clock = broker.clock();
        Self {
            broker,
            name: name.into(),
            clock,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn message(&self, received: ReceivedMessage) -> Received<Receipt> {
        let message = Message {
            id: received.id,
            body: received.body,
            attributes: received.attributes,
            receive_count: received.receive_count,
            sent_at: received.sent_at,
            group: received.group,
            queue: self.name.clone(),
            lost: Lost::never(),
            envelope: None,
        };
        Received {
            message,
            receipt: received.receipt,
        }
    }

    fn error(&self, call: &'static str, error: BrokerError) -> QueueError {
        let queue = self.name.to_string();
        match error {
            BrokerError::NotHeld(_) => QueueError::NotHeld { call, queue },
            BrokerError::OverLimit(_) => QueueError::Retryable {
                call,
                queue,
                reason: error.to_string(),
            },
            error => QueueError::Rejected {
                call,
                queue,
                reason: error.to_string(),
            },
        }
    }

    /// Makes a batch call of the broker for each 10 entries.
    fn batches<E>(
        &self,
        call: &'static str,
        entries: &[E],
        make: impl Fn(&[E]) -> Result<Vec<Result<(), BrokerError>>, BrokerError>,
    ) -> Vec<Result<(), QueueError>> {
        let chunks = entries.chunks(BATCH_ENTRIES).flat_map(|chunk| match make(chunk) {
            Ok(results) => results,
            Err(error) => vec![Err(error); chunk.len()],
        });
        chunks
            .map(|result| result.map_err(|error| self.error(call, error)))
            .collect()
    }

    fn change(&self, call: &'static str, changes: &[(Receipt, Duration)]) -> Vec<Result<(), QueueError>> {
        self.batches(call, changes, |changes| {
            self.broker.change_visibility_batch(&self.name, changes)
        })
    }

    fn bury(&self, received: &Received<Receipt>, letter: &DeadLetter) -> Result<(), QueueError> {
        let call = "dead_letter";
        let target = self
            .broker
            .dead_letter_queue(&self.name)
            .map_err(|error| self.error(call, error))?;
        let Some(target) = target else {
            let reason = "there is no dead-letter queue; it comes again until its retention is over";
            return Err(QueueError::Rejected {
                call,
                queue: self.name.to_string(),
                reason: reason.into(),
            });
        };
        let own = &received.message.attributes;
        let attributes = self.with_reason(own, letter);
        let with_reason = match attributes.len() {
            0..=ATTRIBUTES => self
                .broker
                .dead_letter(&self.name, &target, received.receipt, attributes),
            count => Err(BrokerError::TooManyAttributes(count)),
        };
        match with_reason {
            Err(BrokerError::TooManyAttributes(_) | BrokerError::TooLarge { .. }) => {
                let message = &received.message.id;
                tracing::warn!(
                    queue = &*self.name,
                    message,
                    "a dead letter has no room for its reason"
                );
                self.broker
                    .dead_letter(&self.name, &target, received.receipt, own.clone())
            }
            other => other,
        }
        .map_err(|error| self.error(call, error))
    }

    fn with_reason(&self, attributes: &Attributes, letter: &DeadLetter) -> Attributes {
        let mut attributes = attributes.clone();
        let before = attributes.get(DEAD_LETTER_ATTRIBUTE).and_then(Attribute::text);
        let before: Option<Reason> = before.and_then(|json| serde_json::from_str(json).ok());
        let now = OffsetDateTime::from(self.clock.now())
            .format(&Rfc3339)
            .unwrap_or_default();
        let end = letter.reason.floor_char_boundary(REASON);
        let reason = Reason {
            reason: letter.reason[..end].to_owned(),
            consumer: letter.consumer.clone(),
            attempts: letter.attempts,
            times: before.as_ref().map_or(1, |before| before.times.saturating_add(1)),
            first: before.map_or_else(|| now.clone(), |before| before.first),
            last: now,
        };
        // Strings and numbers only: this can't fail.
        let json = serde_json::to_string(&reason).unwrap_or_default();
        attributes.insert(DEAD_LETTER_ATTRIBUTE.to_owned(), Attribute::string(json));
        attributes
    }
}

impl Queue for MemoryQueue {
    type Receipt = Receipt;

    /// As [`Broker::receive`], for at most 10 messages and 20 s.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<Receipt>>, QueueError> {
        let receive = Receive {
            max: max.clamp(1, BATCH_ENTRIES),
            wait: Some(wait.min(Duration::from_secs(20))),
            visibility_timeout: None,
        };
        let received = self.broker.receive(&self.name, receive).await;
        let received = received.map_err(|error| self.error("receive", error))?;
        Ok(received
            .into_iter()
            .map(|received| self.message(received))
            .collect())
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Vec<Result<(), QueueError>> {
        self.batches("delete", &receipts, |receipts| {
            self.broker.delete_batch(&self.name, receipts)
        })
    }

    async fn extend(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.change("extend", &receipts)
    }

    async fn release(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.change("release", &receipts)
    }

    /// Moves messages, each in one step, with the reason in the attribute [`DEAD_LETTER_ATTRIBUTE`].
    /// Where there is no room for it, because a message has 10 attributes already or is too large,
    /// it goes without, as with the queue's own move, and the log says so.
    async fn dead_letter(
        &self,
        letters: Vec<(Received<Receipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        letters
            .iter()
            .map(|(received, letter)| self.bury(received, letter))
            .collect()
    }
}

//! A queue of the broker, as hosts take from it.

use std::sync::Arc;
use std::time::Duration;

use super::{Broker, BrokerError, Receipt, Receive, ReceivedMessage};
use crate::port::{DeadLetter, Queue, QueueError, Received};
use crate::{BATCH_ENTRIES, Clock, Lost, Message, is_fifo};

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
            BrokerError::NotHeld(_) | BrokerError::NotInFlight(_) => QueueError::NotHeld { call, queue },
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
        let limit = self
            .broker
            .queue_settings(&target)
            .map_err(|error| self.error(call, error))?
            .maximum_size;
        let queue = || self.name.to_string();
        let attributes = match letter.attributes(&received.message, self.clock.now(), limit) {
            Some(attributes) => attributes,
            None if is_fifo(&self.name) => {
                let message = &received.message.id;
                tracing::warn!(
                    queue = &*self.name,
                    consumer = letter.consumer,
                    message,
                    attempts = letter.attempts,
                    reason = letter.summary(),
                    "a dead letter has no room for its reason, and goes without"
                );
                received.message.attributes.clone()
            }
            None => return Err(QueueError::NoRoom { queue: queue() }),
        };
        self.broker
            .dead_letter(&self.name, &target, received.receipt, attributes)
            .map_err(|error| self.error(call, error))
    }
}

impl Queue for MemoryQueue {
    type Receipt = Receipt;

    fn name(&self) -> &str {
        &self.name
    }

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

    /// Moves messages, each in one step.
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

//! Into dead-letter queues and back, and emptying queues.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::publish::restamp;
use super::queue::Stored;
use super::{Broker, BrokerError, Now, Receipt, State, random_id};
use crate::{Attributes, is_fifo, wire_size};

/// How long SQS takes for a purge, and refuses another.
const PURGE: Duration = Duration::from_secs(60);

/// What a redrive did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redriven {
    /// How many messages were moved.
    pub moved: usize,
    /// How many were left: those in flight, those beyond the number asked for, and, without a
    /// destination, those that no queue gave up but somebody sent.
    pub left: usize,
    /// Without a destination: of those left, how many of the ones looked at no queue gave up.
    pub unknown: usize,
    /// Without a destination: of those left, how many of the ones looked at came from a queue that is
    /// gone.
    pub homeless: usize,
}

impl Broker {
    /// Moves up to `max` messages of a dead-letter queue that are not in flight to `destination`, or
    /// else each to the queue that gave it up. As with SQS's message move task, a message gets a new
    /// id, a new time of sending and a receive count of 0, and its body and attributes stay.
    ///
    /// # Errors
    /// There is no such queue, it is no queue's dead-letter queue (SQS knows no redrive of a
    /// subscription's), or the destination is of the other kind
    /// or the same queue.
    pub fn redrive(
        &self,
        dead_letter_queue: &str,
        destination: Option<&str>,
        max: usize,
    ) -> Result<Redriven, BrokerError> {
        let now = self.now();
        let mut state = self.state();
        state.queue(dead_letter_queue, now.0)?;
        if state.sources(dead_letter_queue).is_empty() {
            return Err(BrokerError::NoDeadLetterQueue(dead_letter_queue.to_owned()));
        }
        if let Some(destination) = destination {
            state.queue(destination, now.0)?;
            if destination == dead_letter_queue {
                return Err(BrokerError::RedriveToItself(dead_letter_queue.to_owned()));
            }
            if is_fifo(destination) != is_fifo(dead_letter_queue) {
                return Err(BrokerError::MixedKinds {
                    from: format!("the dead-letter queue `{dead_letter_queue}`"),
                    to: format!("the queue `{destination}`"),
                    reason: "both must be FIFO, or both standard",
                });
            }
        }
        let mut redriven = Redriven::default();
        let mut from = 0;
        while redriven.moved < max
            && let Some((number, dead)) = state.queue(dead_letter_queue, now.0)?.idle_from(from)
        {
            from = number + 1;
            let source = dead.source.clone();
            let to = destination
                .map(str::to_owned)
                .or(source.map(|source| source.to_string()));
            let Some(to) = to else {
                redriven.unknown += 1;
                continue;
            };
            if !state.queues.contains_key(&to) {
                redriven.homeless += 1;
                continue;
            }
            let Some(dead) = state.queue(dead_letter_queue, now.0)?.remove(number) else {
                continue;
            };
            state.put_back(&to, dead, now)?;
            redriven.moved += 1;
        }
        redriven.left = state.queue(dead_letter_queue, now.0)?.counts().total();
        Ok(redriven)
    }

    /// Deletes all messages of a queue, also those in flight.
    ///
    /// # Errors
    /// There is no such queue, or it was purged less than 60 s ago.
    pub fn purge(&self, queue: &str) -> Result<(), BrokerError> {
        let now = Instant::now();
        let mut state = self.state();
        let own = state.queue(queue, now)?;
        if own.purged.is_some_and(|at| now < at + PURGE) {
            return Err(BrokerError::PurgeInProgress(queue.to_owned()));
        }
        own.purged = Some(now);
        own.clear();
        Ok(())
    }

    /// The dead-letter queue of this queue, if it has one.
    pub(in crate::memory) fn dead_letter_queue(&self, queue: &str) -> Result<Option<String>, BrokerError> {
        Ok(self
            .queue_settings(queue)?
            .redrive
            .map(|redrive| redrive.dead_letter_queue))
    }

    /// Moves a message in flight to the dead-letter queue with these attributes, in one step. One
    /// that is gone is no error.
    pub(in crate::memory) fn dead_letter(
        &self,
        queue: &str,
        dead_letter_queue: &str,
        receipt: Receipt,
        attributes: Attributes,
    ) -> Result<(), BrokerError> {
        let now = self.now();
        let mut state = self.state();
        let limit = state.queue(dead_letter_queue, now.0)?.settings.maximum_size;
        let own = state.queue(queue, now.0)?;
        let Some(held) = own.held(receipt)? else {
            return Ok(());
        };
        let size = wire_size(&held.body, &attributes);
        if size > limit {
            return Err(BrokerError::TooLarge {
                destination: dead_letter_queue.to_owned(),
                size,
                limit,
            });
        }
        if let Some(mut message) = own.remove(receipt.message) {
            message.attributes = Arc::new(attributes);
            state.give_up(queue, dead_letter_queue, message, now)?;
        }
        Ok(())
    }
}

impl State {
    /// Puts a message into the dead-letter queue, under its own id. A standard queue's keeps the time
    /// it was sent, from which its retention counts; a FIFO queue's starts anew, and its id becomes
    /// its deduplication id.
    pub(super) fn give_up(
        &mut self,
        from: &str,
        dead_letter_queue: &str,
        mut message: Stored,
        now: Now,
    ) -> Result<(), BrokerError> {
        if is_fifo(dead_letter_queue) {
            restamp(&mut message, now);
            message.deduplication_id = Some(message.id.clone());
        }
        message.source = Some(from.into());
        message.receives_here = 0;
        let number = self.next_number();
        self.queue(dead_letter_queue, now.0)?
            .add(number, message, Duration::ZERO, now.0);
        Ok(())
    }

    fn put_back(&mut self, to: &str, mut message: Stored, now: Now) -> Result<(), BrokerError> {
        restamp(&mut message, now);
        message.id = random_id();
        if is_fifo(to) {
            message.deduplication_id = Some(message.id.clone());
        }
        message.source = None;
        message.first_received_at = None;
        (message.receives, message.receives_here) = (0, 0);
        let number = self.next_number();
        self.queue(to, now.0)?.add(number, message, Duration::ZERO, now.0);
        Ok(())
    }
}

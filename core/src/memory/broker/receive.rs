//! Receiving messages, and what is done with one that was received.

use std::time::Duration;

use tokio::time::Instant;

use super::queue::Taken;
use super::settings::{VISIBILITY_LIMIT, WAIT_LIMIT};
use super::{Broker, BrokerError, Now, Receipt, Receive, ReceivedMessage, State};
use crate::BATCH_ENTRIES;

impl Broker {
    /// Receives messages: up to `max` that are there, or else what comes first while it waits. Each
    /// is hidden from other receives for the visibility timeout, counted from now.
    ///
    /// A FIFO queue gives all it can of one group, in order, before it begins another, and nothing of
    /// a group that has a message in flight. A message that was received too often goes to the
    /// dead-letter queue instead.
    ///
    /// Safe to cancel: a message is in flight only when it was returned.
    ///
    /// # Errors
    /// There is no such queue (any more), `max`, the wait or the timeout are out of range, or, when
    /// it doesn't wait, a standard queue has 120,000 messages in flight.
    pub async fn receive(&self, queue: &str, receive: Receive) -> Result<Vec<ReceivedMessage>, BrokerError> {
        check(queue, &receive)?;
        // Keeps a loop of receives from starving others on its thread.
        tokio::task::coop::consume_budget().await;
        let start = Instant::now();
        let arrivals = self.state().queue(queue, start)?.arrivals.clone();
        loop {
            let arrival = arrivals.notified();
            let mut arrival = std::pin::pin!(arrival);
            arrival.as_mut().enable();
            let (received, deadline, next) = self.try_receive(queue, &receive, start)?;
            if !received.is_empty() || Instant::now() >= deadline {
                return Ok(received);
            }
            tokio::select! {
                biased;
                () = arrival => {}
                () = tokio::time::sleep_until(next.map_or(deadline, |next| next.min(deadline))) => {}
            }
        }
    }

    /// As [`receive`](Self::receive), under an id that the caller makes up, so that it can ask again when
    /// the answer got lost: within 5 minutes a receive of the same id brings the same messages under the
    /// same receipts, hidden anew, unless one of them was deleted, had its visibility changed or became
    /// visible since. SQS has this on FIFO queues, which would keep the messages' groups shut meanwhile.
    ///
    /// ```
    /// use fanfare::memory::{Broker, Entry, QueueSettings, Receive};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), fanfare::memory::BrokerError> {
    /// let broker = Broker::default();
    /// broker.create_queue("billing.fifo", QueueSettings::default())?;
    /// let (group, deduplication_id) = (Some("account-1".into()), Some("17".into()));
    /// broker.send("billing.fifo", Entry { group, deduplication_id, ..Entry::new("order 17") })?;
    ///
    /// let first = broker.receive_attempt("billing.fifo", Receive::default(), "attempt-1").await?;
    /// let again = broker.receive_attempt("billing.fifo", Receive::default(), "attempt-1").await?;
    /// assert_eq!(first, again);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_attempt(
        &self,
        queue: &str,
        receive: Receive,
        attempt: &str,
    ) -> Result<Vec<ReceivedMessage>, BrokerError> {
        check(queue, &receive)?;
        {
            let now = Instant::now();
            let mut state = self.state();
            let own = state.queue(queue, now)?;
            let visibility = receive
                .visibility_timeout
                .unwrap_or(own.settings.visibility_timeout);
            if let Some(again) = own.take_again(attempt, visibility, now) {
                return Ok(again);
            }
        }
        let received = self.receive(queue, receive).await?;
        let now = Instant::now();
        if !received.is_empty() {
            self.state()
                .queue(queue, now)?
                .remember_attempt(attempt, &received, now);
        }
        Ok(received)
    }

    /// What can be received now, until when to wait otherwise, and when to look again.
    fn try_receive(
        &self,
        queue: &str,
        receive: &Receive,
        start: Instant,
    ) -> Result<(Vec<ReceivedMessage>, Instant, Option<Instant>), BrokerError> {
        let now = self.now();
        let mut state = self.state();
        let own = state.queue(queue, now.0)?;
        let deadline = start + receive.wait.unwrap_or(own.settings.receive_wait);
        if own.is_at_limit() && !own.fifo && deadline <= now.0 {
            return Err(BrokerError::OverLimit(queue.to_owned()));
        }
        let received = state.take(queue, receive, now)?;
        let own = state.queue(queue, now.0)?;
        if own.is_ready() {
            own.arrivals.notify_one();
        }
        Ok((received, deadline, own.next_timer()))
    }

    /// Deletes one message.
    ///
    /// # Errors
    /// As an entry of [`delete_batch`](Self::delete_batch).
    pub fn delete(&self, queue: &str, receipt: Receipt) -> Result<(), BrokerError> {
        self.delete_batch(queue, &[receipt])?.into_iter().collect()
    }

    /// Deletes 1 to 10 messages and says of each, in order, whether that went well: a message that is
    /// gone already, or was received again since, is left alone without an error. A FIFO queue
    /// refuses a receipt whose visibility timeout is over.
    ///
    /// # Errors
    /// There is no such queue, or the batch has no or more than 10 entries.
    pub fn delete_batch(
        &self,
        queue: &str,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), BrokerError>>, BrokerError> {
        entries(receipts.len())?;
        let mut state = self.state();
        let own = state.queue(queue, Instant::now())?;
        Ok(receipts.iter().map(|receipt| own.delete(*receipt)).collect())
    }

    /// Hides one message for this long from now, or shows it at once.
    ///
    /// # Errors
    /// As an entry of [`change_visibility_batch`](Self::change_visibility_batch).
    pub fn change_visibility(
        &self,
        queue: &str,
        receipt: Receipt,
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        self.change_visibility_batch(queue, &[(receipt, timeout)])?
            .into_iter()
            .collect()
    }

    /// Hides 1 to 10 messages for a new time each, counted from now, and says of each, in order,
    /// whether that went well: not when it is no longer in flight by this receipt, and not for longer
    /// than 12 hours after it was received.
    ///
    /// # Errors
    /// There is no such queue, or the batch has no or more than 10 entries.
    pub fn change_visibility_batch(
        &self,
        queue: &str,
        changes: &[(Receipt, Duration)],
    ) -> Result<Vec<Result<(), BrokerError>>, BrokerError> {
        entries(changes.len())?;
        let now = Instant::now();
        let mut state = self.state();
        let own = state.queue(queue, now)?;
        Ok(changes
            .iter()
            .map(|(receipt, timeout)| own.change_visibility(*receipt, *timeout, now))
            .collect())
    }
}

impl State {
    fn take(
        &mut self,
        queue: &str,
        receive: &Receive,
        now: Now,
    ) -> Result<Vec<ReceivedMessage>, BrokerError> {
        let redrive = self.queue(queue, now.0)?.settings.redrive.clone();
        // Without its dead-letter queue a message is not given up.
        let redrive = redrive.filter(|redrive| self.queues.contains_key(&redrive.dead_letter_queue));
        let limit = redrive.as_ref().map(|redrive| redrive.max_receive_count);
        let own = self.queue(queue, now.0)?;
        let visibility = receive
            .visibility_timeout
            .unwrap_or(own.settings.visibility_timeout);
        let Taken { messages, dead } = own.take(receive.max, visibility, limit, now);
        if let Some(redrive) = redrive {
            for message in dead {
                self.give_up(queue, &redrive.dead_letter_queue, message, now)?;
            }
        }
        Ok(messages)
    }
}

fn entries(count: usize) -> Result<(), BrokerError> {
    match count {
        1..=BATCH_ENTRIES => Ok(()),
        _ => Err(BrokerError::BatchEntries(count)),
    }
}

fn check(queue: &str, receive: &Receive) -> Result<(), BrokerError> {
    let setting = |setting, value: String, expected, fits: bool| match fits {
        true => Ok(()),
        false => Err(BrokerError::Setting {
            of: queue.to_owned(),
            setting,
            value,
            expected,
        }),
    };
    setting(
        "number of messages",
        receive.max.to_string(),
        "1 to 10",
        (1..=BATCH_ENTRIES).contains(&receive.max),
    )?;
    let time = |time: Option<Duration>| time.unwrap_or_default();
    let (wait, timeout) = (time(receive.wait), time(receive.visibility_timeout));
    setting("wait", format!("{wait:?}"), "0 s to 20 s", wait <= WAIT_LIMIT)?;
    setting(
        "visibility timeout",
        format!("{timeout:?}"),
        "0 s to 12 h",
        timeout <= VISIBILITY_LIMIT,
    )
}

//! How the messages of a batch leave: done, given back, or given up.

use std::time::Duration;

use tokio::time::Instant;
use tower::Service;

use super::entries::State;
use super::invocation::{FLOOR, Invocation};
use crate::host::attempt::{tell, tell_no_room};
use crate::host::calls::{self, Called};
use crate::host::job::Slot;
use crate::host::judge::Judged;
use crate::host::{Mutation, Settled};
use crate::port::{DeadLetter, Queue, QueueError, Received};
use crate::{BATCH_ENTRIES, BoxError, Message, Outcome, Verdict};

/// The longest pause. SQS hides a message for 12 h from when it was received, which was before the
/// invocation began.
const LONGEST: Duration = Duration::from_secs(10 * 60 * 60);

/// How many calls are made at a time: a batch can be 10,000 messages, all to be given back.
const CALLS: usize = 32;

impl<Q, S> Invocation<'_, Q, S>
where
    Q: Queue,
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    /// Acts on what came of a try.
    pub(super) fn judged(&mut self, slot: Slot, judged: Judged) {
        let Some(entry) = self.entries.get_mut(slot) else {
            return;
        };
        let Judged {
            outcome,
            verdict,
            attempt,
        } = judged;
        (entry.outcome, entry.attempt) = (outcome.name(), attempt);
        let took = entry.started.elapsed();
        self.host.took(took);
        let settled = Settled {
            consumer: &self.host.consumer,
            message: &entry.message,
            attempt,
            outcome: &outcome,
            verdict: &verdict,
        };
        let (now, observe) = (self.host.judge.clock.now(), self.host.observe.as_ref());
        tell(&settled, took, now, &self.meters, observe);
        match verdict {
            Verdict::Delete => self.done(slot),
            Verdict::Retry { after } => self.give_back(slot, after),
            Verdict::Hold { after } => self.hold(slot, after),
            Verdict::DeadLetter { reason } => {
                (entry.state, entry.reason) = (State::Leaving, reason);
                self.letters.push(slot);
            }
        }
    }

    fn done(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.state = State::Done;
        }
        let next = self.entries.next(slot);
        self.make_ready(next);
    }

    /// A message that another host is handling is given back until that is over. On its last permitted
    /// receive the queue would move it to the dead letters then: it waits here, if the time is there.
    fn hold(&mut self, slot: Slot, after: Duration) {
        let from = Instant::now() + after;
        let last = self
            .entries
            .get(slot)
            .is_some_and(|entry| entry.message.receive_count >= self.host.judge.policy.max_receives);
        match last && from + FLOOR <= self.stop {
            true => self.run_handler(slot, from),
            false => self.give_back(slot, after),
        }
    }

    /// A message has failed and comes again after this long, and those behind it in its group with it.
    pub(super) fn give_back(&mut self, slot: Slot, after: Duration) {
        let behind = match self.host.is(Mutation::GroupGoesOn) {
            true => {
                let next = self.entries.next(slot);
                self.make_ready(next);
                Vec::new()
            }
            false => self.entries.stop_group(slot),
        };
        let all = behind.into_iter().map(|behind| (behind, Duration::ZERO));
        for (slot, after) in std::iter::once((slot, after)).chain(all) {
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.state = State::Failed;
                self.releases.push((slot, after.min(LONGEST)));
            }
        }
    }

    /// Makes the calls that have gathered, dead letters first.
    pub(super) fn flush(&mut self) {
        // When no handler runs, nothing comes to go with them.
        let at_once = !self.is_working();
        let entries = &self.entries;
        while self.calls.len() < CALLS
            && let Some(batch) = self.letters.next(at_once, BATCH_ENTRIES, |_| 1)
        {
            let consumer = &self.host.consumer;
            let entry = |slot| {
                let entry = entries.get(slot)?;
                let letter = DeadLetter {
                    reason: entry.reason.clone(),
                    consumer: consumer.to_string(),
                    attempts: entry.attempt,
                };
                let received = Received {
                    message: entry.message.clone(),
                    receipt: entry.receipt.clone(),
                };
                Some((slot, (received, letter)))
            };
            let batch = batch.into_iter().filter_map(entry).collect();
            self.calls.push(calls::dead_letter(
                &self.host.queue,
                &self.meters.dead_letter,
                batch,
            ));
        }
        while self.calls.len() < CALLS
            && let Some(batch) = self.releases.next(at_once, BATCH_ENTRIES, |_| 1)
        {
            let entry = |(slot, after)| Some((slot, (entries.get(slot)?.receipt.clone(), after)));
            let batch = batch.into_iter().filter_map(entry).collect();
            self.calls
                .push(calls::release(&self.host.queue, &self.meters.release, batch));
        }
    }

    /// When the next call is due that there is room for.
    pub(super) fn next_call(&self) -> Option<Instant> {
        let due = [self.letters.due(), self.releases.due()];
        due.into_iter()
            .flatten()
            .min()
            .filter(|_| self.calls.len() < CALLS)
    }

    pub(super) fn called(&mut self, called: Called<Q::Receipt>) {
        match called {
            Called::Released(results) => {
                for (slot, result) in results {
                    if let Err(error) = result {
                        let message = self.entries.get(slot).map(|entry| entry.message.id.as_str());
                        let consumer = &self.host.consumer;
                        tracing::warn!(%consumer, message, %error, "a message could not be given back");
                    }
                }
            }
            Called::DeadLettered(results) => {
                for (slot, result) in results {
                    self.dead_lettered(slot, result);
                }
            }
            // Not called here: messages are received and deleted by the mapping.
            Called::Received(..) | Called::Extended(..) | Called::Deleted(_) => {}
        }
    }

    fn dead_lettered(&mut self, slot: Slot, result: Result<(), QueueError>) {
        let policy = &self.host.judge.policy;
        let Some(entry) = self.entries.get(slot) else {
            return;
        };
        let (message, attempt) = (entry.message.id.as_str(), entry.attempt);
        let pause = policy.backoff.delay(attempt);
        match result {
            Ok(()) => self.done(slot),
            Err(QueueError::NoRoom { .. }) => {
                let last = entry.message.receive_count >= policy.max_receives;
                tell_no_room(
                    &self.host.consumer,
                    message,
                    attempt,
                    entry.outcome,
                    &entry.reason,
                    last,
                );
                self.give_back(slot, if last { Duration::ZERO } else { pause });
            }
            Err(error) => {
                tracing::error!(message, %error, "a dead letter could not be put away");
                self.give_back(slot, pause);
            }
        }
    }
}

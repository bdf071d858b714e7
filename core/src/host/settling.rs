//! How messages leave a host: deleted, given back, or given up.

use std::time::Duration;

use tokio::time::Instant;
use tower::Service;

use super::Mutation;
use super::attempt::tell_no_room;
use super::calls;
use super::job::{Action, Slot, State};
use super::run::Run;
use crate::port::{DeadLetter, Queue, QueueError, Received};
use crate::{BATCH_ENTRIES, Backoff, BoxError, Message, Outcome};

/// Pauses between tries to settle a message.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// A message is settled at least this often before that is given up, and until its time is over.
const TRIES: u32 = 4;

impl<Q, S> Run<Q, S>
where
    Q: Queue,
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    /// Takes a message out of the heartbeat and settles it, after an extension that is under way.
    pub(super) fn leave(&mut self, slot: Slot, action: Action) {
        let Some(job) = self.jobs.get_mut(slot).filter(|job| job.state != State::Settling) else {
            return;
        };
        if let State::Pausing(until) = job.state {
            // Its timer would settle it while an extension is under way.
            self.timers.remove(&(until, slot));
        }
        job.state = State::Settling;
        job.action = Some(action.clone());
        let extending = job.extending;
        match action {
            // The next of its group need not wait for the deletion.
            Action::Delete => {
                let next = self.jobs.leave_group(slot);
                self.begin(next);
            }
            Action::Release(_) => {
                self.give_back_behind(slot);
                self.jobs.leave_group(slot);
                self.jobs.forget_message(slot);
            }
            // Those behind it wait until it is safe.
            Action::DeadLetter(_) => self.jobs.forget_message(slot),
        }
        if !extending || self.host.is(Mutation::HeartbeatNotJoined) {
            self.settle_now(slot);
        }
    }

    /// Lines a message up for the next calls.
    pub(super) fn settle_now(&mut self, slot: Slot) {
        let now = Instant::now();
        let Some(job) = self.jobs.get(slot) else { return };
        match job.action.clone() {
            Some(Action::Delete) => self.deletes.push(slot),
            Some(Action::Release(after)) => self.releases.push((slot, after.min(job.left(now)))),
            Some(Action::DeadLetter(reason)) => self.letters.push((slot, reason)),
            None => {}
        }
    }

    pub(super) fn deleted(&mut self, results: Vec<(Slot, Result<(), QueueError>)>) {
        for (slot, result) in results {
            match result {
                Err(error) if error.is_retryable() => self.settle_later(slot, &error),
                // Not held: received again since, and then it is deleted with that receipt.
                Ok(()) | Err(QueueError::NotHeld { .. }) => drop(self.jobs.remove(slot)),
                Err(error) => self.give_up(slot, &error),
            }
        }
    }

    pub(super) fn released(&mut self, results: Vec<(Slot, Result<(), QueueError>)>) {
        for (slot, result) in results {
            match result {
                Err(error) if error.is_retryable() => self.settle_later(slot, &error),
                Ok(()) | Err(QueueError::NotHeld { .. }) => drop(self.jobs.remove(slot)),
                Err(error) => self.give_up(slot, &error),
            }
        }
    }

    pub(super) fn dead_lettered(&mut self, results: Vec<(Slot, Result<(), QueueError>)>) {
        for (slot, result) in results {
            match result {
                Ok(()) => {
                    let next = self.jobs.leave_group(slot);
                    self.jobs.remove(slot);
                    self.begin(next);
                }
                Err(QueueError::NotHeld { .. }) => self.gone(slot),
                Err(error) if error.is_retryable() => self.settle_later(slot, &error),
                Err(QueueError::NoRoom { .. }) => self.leave_to_queue(slot),
                Err(error) => self.keep_without_dead_letter(slot, &error),
            }
        }
    }

    /// There is nowhere to put it: it comes again, or on FIFO stays where it is, with a pause.
    fn keep_without_dead_letter(&mut self, slot: Slot, error: &QueueError) {
        let stopping = self.is_stopping();
        let Some(job) = self.jobs.get_mut(slot) else {
            return;
        };
        tracing::error!(message = job.message.id, %error, "a dead letter could not be put away");
        let after = self.host.judge.policy.backoff.delay(job.attempt());
        job.state = State::Running;
        job.action = None;
        job.settle_tries = 0;
        if job.group.is_none() || stopping {
            self.leave(slot, Action::Release(after));
            return;
        }
        job.tries = job.tries.saturating_add(1);
        let beat = job.beat;
        self.jobs.remember_message(slot);
        self.pause(slot, after);
        self.beat_by(beat);
    }

    /// The dead letter has no room for its reason. Given back until it was received too often, it is
    /// moved by the queue; the reason is told here, since nothing else will.
    fn leave_to_queue(&mut self, slot: Slot) {
        let policy = &self.host.judge.policy;
        let Some(job) = self.jobs.get_mut(slot) else {
            return;
        };
        let last = job.message.receive_count >= policy.max_receives;
        let after = match last {
            true => Duration::ZERO,
            false => policy.backoff.delay(job.attempt()),
        };
        let reason = match &job.action {
            Some(Action::DeadLetter(reason)) => reason,
            _ => job.outcome,
        };
        let (message, attempts) = (&job.message.id, job.attempt());
        tell_no_room(&self.host.consumer, message, attempts, job.outcome, reason, last);
        job.state = State::Running;
        job.action = None;
        self.leave(slot, Action::Release(after));
    }

    /// Tries again after a pause, until the message's time is over; a dead letter of a group is kept
    /// before that.
    fn settle_later(&mut self, slot: Slot, error: &QueueError) {
        let now = Instant::now();
        let Some(job) = self.jobs.get_mut(slot) else {
            return;
        };
        job.settle_tries += 1;
        let tried = job.settle_tries >= TRIES;
        if job.group.is_some()
            && matches!(job.action, Some(Action::DeadLetter(_)))
            && (tried || now >= job.beat)
        {
            // Its time must not run out: those behind it, which never failed, would be received again.
            return self.keep_without_dead_letter(slot, error);
        }
        if tried && now >= job.expires {
            return self.give_up(slot, error);
        }
        let at = now + BACKOFF.delay(job.settle_tries);
        self.timers.insert((at, slot));
    }

    /// It comes again by itself.
    fn give_up(&mut self, slot: Slot, error: &QueueError) {
        let message = self.jobs.get(slot).map(|job| job.message.id.as_str());
        tracing::warn!(consumer = %self.host.consumer, message, %error, "a message could not be settled");
        self.gone(slot);
    }

    /// Makes the calls that have gathered.
    pub(super) fn flush(&mut self) {
        // When no handler runs, nothing comes to go with them.
        let at_once = self.is_idle();
        let jobs = &self.jobs;
        let receipts = |slot: &Slot| jobs.get(*slot).map_or(0, |job| 1 + job.older.len());
        while let Some(batch) = self.deletes.next(at_once, BATCH_ENTRIES, receipts) {
            let entry = |slot| {
                let job = jobs.get(slot)?;
                let all = std::iter::once(job.receipt.clone()).chain(job.older.iter().cloned());
                Some((slot, all.collect()))
            };
            let entries = batch.into_iter().filter_map(entry).collect();
            self.calls
                .push(calls::delete(&self.host.queue, &self.meters.delete, entries));
        }
        // At shutdown all that wait are given back together.
        let all_there = at_once || self.is_stopping();
        while let Some(batch) = self.releases.next(all_there, BATCH_ENTRIES, |_| 1) {
            let entry = |(slot, after)| Some((slot, (jobs.get(slot)?.receipt.clone(), after)));
            let entries = batch.into_iter().filter_map(entry).collect();
            self.calls
                .push(calls::release(&self.host.queue, &self.meters.release, entries));
        }
        while let Some(batch) = self.letters.next(at_once, BATCH_ENTRIES, |_| 1) {
            let consumer = &self.host.consumer;
            let entry = |(slot, reason)| {
                let job = jobs.get(slot)?;
                let letter = DeadLetter {
                    reason,
                    consumer: consumer.to_string(),
                    attempts: job.attempt(),
                };
                let received = Received {
                    message: job.message.clone(),
                    receipt: job.receipt.clone(),
                };
                Some((slot, (received, letter)))
            };
            let entries = batch.into_iter().filter_map(entry).collect();
            self.calls.push(calls::dead_letter(
                &self.host.queue,
                &self.meters.dead_letter,
                entries,
            ));
        }
    }
}

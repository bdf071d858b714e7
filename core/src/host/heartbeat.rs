//! Keeping what is in hand: one heartbeat for all.

use tokio::time::Instant;
use tower::Service;

use super::Mutation;
use super::calls::{self, Extended, Extension};
use super::job::{Action, Job, State};
use super::run::Run;
use crate::port::{Queue, QueueError};
use crate::{BATCH_ENTRIES, BoxError, Message, Outcome};

impl<Q, S> Run<Q, S>
where
    Q: Queue,
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    /// Has the heartbeat look at the jobs no later than at this time.
    pub(super) fn beat_by(&mut self, at: Instant) {
        self.beat = Some(self.beat.map_or(at, |beat| beat.min(at)));
    }

    /// Extends what needs it, and gives up what ran out of time.
    pub(super) fn heartbeat(&mut self) {
        let now = Instant::now();
        let visibility = self.host.visibility_timeout;
        let (mut due, mut over) = (Vec::new(), Vec::new());
        for (slot, job) in self
            .jobs
            .iter()
            .filter(|(_, job)| job.state != State::Settling && !job.lost && self.is_kept(job))
        {
            if job.expires <= now {
                over.push(slot);
            // Those that are near keep the same pace, so that fewer calls are needed.
            } else if !job.extending && job.beat <= now + visibility / 8 {
                due.push(slot);
            }
        }
        for slot in over {
            self.lost(slot);
        }
        let mut entries = Vec::new();
        for slot in due {
            let Some(job) = self.jobs.get_mut(slot) else {
                continue;
            };
            if job.state == State::Settling {
                continue;
            }
            let time = visibility.min(job.left(now));
            if now + time <= job.expires {
                // The 12 hours are over: it is lost when this time is.
                job.beat = job.expires;
                continue;
            }
            job.extending = true;
            entries.push(Extension {
                slot,
                generation: job.generation,
                receipt: job.receipt.clone(),
                time,
            });
        }
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(BATCH_ENTRIES));
            self.calls.push(calls::extend(
                &self.host.queue,
                &self.meters.extend,
                std::mem::replace(&mut entries, rest),
            ));
        }
        self.set_beat();
    }

    /// Whether a message's time counts already.
    fn is_kept(&self, job: &Job<Q::Receipt>) -> bool {
        job.state == State::Running || !self.host.is(Mutation::VisibilityFromStart)
    }

    /// What extensions came to. A message that was to be settled meanwhile is settled now.
    pub(super) fn extended(&mut self, results: Vec<Extended>, called: Instant) {
        let now = Instant::now();
        let visibility = self.host.visibility_timeout;
        let unjoined = self.host.is(Mutation::HeartbeatNotJoined);
        for extended in results {
            let Extended {
                slot, time, result, ..
            } = extended;
            let Some(job) = self.jobs.get_mut(slot) else {
                continue;
            };
            job.extending = false;
            // Received again meanwhile, it has another receipt, and a time of its own.
            let current = extended.generation == job.generation;
            let lost = current && matches!(result, Err(QueueError::NotHeld { .. }));
            match result {
                _ if !current => {}
                Ok(()) => {
                    job.held_for(time, called);
                    job.lost = false;
                    self.meters.extended.increment(1);
                }
                Err(QueueError::NotHeld { .. }) => {}
                Err(error) => {
                    tracing::warn!(message = job.message.id, %error, "a message could not be extended");
                    job.beat = now + visibility / 10;
                }
            }
            match job.action {
                _ if unjoined && job.state == State::Settling => {}
                // Deleting what is done is worth a try all the same.
                Some(Action::Delete) => self.settle_now(slot),
                Some(_) if !lost => self.settle_now(slot),
                Some(_) => self.gone(slot),
                None if lost => self.lost(slot),
                None => {}
            }
        }
        self.set_beat();
    }

    fn set_beat(&mut self) {
        let jobs = self
            .jobs
            .iter()
            .filter(|(_, job)| job.state != State::Settling && !job.lost && self.is_kept(job));
        self.beat = jobs
            .map(|(_, job)| {
                if job.extending {
                    job.expires
                } else {
                    job.beat.min(job.expires)
                }
            })
            .min();
    }
}

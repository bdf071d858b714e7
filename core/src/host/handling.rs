//! Handlers: started as there are places, and what follows from how they end.

use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::job::{Action, Job, Slot, State};
use super::run::Run;
use super::{Judge, Mutation, Settled};
use crate::outcome::What;
use crate::port::Queue;
use crate::{BoxError, Failure, Lost, Message, Outcome, Verdict};

/// How a handler's task ended.
pub(super) enum End {
    Done(Outcome, Verdict),
    /// The hold was lost before the service was ready.
    NotStarted,
}

pub(super) type Ended = Result<(Id, End), JoinError>;

impl<Q, S> Run<Q, S>
where
    Q: Queue,
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    /// Starts what is ready, as far as there are places.
    pub(super) fn start(&mut self) {
        while self.tasks.len() < self.host.concurrency
            && let Some(slot) = self.ready.pop_front()
        {
            let Some(job) = self.jobs.get_mut(slot).filter(|job| job.state == State::Ready) else {
                continue;
            };
            let (lose, lost) = Lost::new();
            job.state = State::Running;
            job.started = Instant::now();
            job.lose = Some(lose);
            if self.host.is(Mutation::VisibilityFromStart) {
                job.held_for(self.host.visibility_timeout, job.started);
                self.beat = Some(job.started);
            }
            let mut message = job.message.clone();
            message.receive_count = job.attempt();
            message.lost = lost;
            let task = self
                .tasks
                .spawn(handle(self.host.judge.clone(), self.service.clone(), message));
            self.slots.insert(task.id(), slot);
        }
    }

    pub(super) fn ended(&mut self, ended: Ended) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        let Some(job) = self.jobs.get_mut(slot) else {
            return;
        };
        job.lose = None;
        let (outcome, verdict) = match ended {
            Ok((_, End::Done(outcome, verdict))) => (outcome, verdict),
            Ok((_, End::NotStarted)) => return self.lost(slot),
            // Aborted at the end of the drain time.
            Err(error) if error.is_cancelled() && job.lost => return self.gone(slot),
            Err(error) if error.is_cancelled() => return self.leave(slot, Action::Release(Duration::ZERO)),
            // A layer panicked outside of the router.
            Err(error) => {
                let outcome = Outcome::failed(None, Failure::retry(error));
                let mut message = job.message.clone();
                message.receive_count = job.attempt();
                let verdict = outcome.verdict(&message, &self.host.judge.policy, self.host.judge.clock.now());
                (outcome, verdict)
            }
        };
        job.outcome = outcome.name();
        let now = self.host.judge.clock.now();
        let age = now.duration_since(job.message.sent_at).unwrap_or_default();
        let (failed, took) = (outcome.is_failure(), job.started.elapsed());
        self.meters.tried(job.outcome, failed, took, age, job.attempt());
        if let Some(observe) = &self.host.observe {
            let consumer = &*self.host.consumer;
            let (message, attempt) = (&job.message, job.attempt());
            observe(&Settled {
                consumer,
                message,
                attempt,
                outcome: &outcome,
                verdict: &verdict,
            });
        }
        log(&self.host.consumer, job, &outcome, &verdict);
        self.decided(slot, verdict);
    }

    /// Acts on a verdict.
    fn decided(&mut self, slot: Slot, verdict: Verdict) {
        let Some(job) = self.jobs.get(slot) else { return };
        let in_place = job.group.is_some() && self.drain_until.is_none();
        if job.lost && verdict != Verdict::Delete {
            // Somebody else may have it by now, and what came behind it since is next.
            let next = self.jobs.leave_group(slot);
            self.jobs.remove(slot);
            return self.begin(next);
        }
        match verdict {
            Verdict::Delete => self.leave(slot, Action::Delete),
            Verdict::Retry { after } if in_place => {
                if let Some(job) = self.jobs.get_mut(slot) {
                    job.tries = job.tries.saturating_add(1);
                }
                self.pause(slot, after);
            }
            Verdict::Hold { after } if self.drain_until.is_none() => self.pause(slot, after),
            Verdict::Retry { after } | Verdict::Hold { after } => self.leave(slot, Action::Release(after)),
            Verdict::DeadLetter { reason } => self.leave(slot, Action::DeadLetter(reason)),
        }
    }
}

/// Runs the service for one message, once it is ready, and decides what is to become of it.
async fn handle<S>(judge: Judge, mut service: S, message: Message) -> End
where
    S: Service<Message, Response = Outcome>,
    S::Error: Into<BoxError>,
{
    let lost = message.lost.clone();
    let mut facts = Message::new("");
    facts.id.clone_from(&message.id);
    facts.receive_count = message.receive_count;
    facts.sent_at = message.sent_at;
    let ready: Result<(), BoxError> = tokio::select! {
        biased;
        () = lost.lost() => return End::NotStarted,
        ready = service.ready() => ready.map(|_| ()).map_err(Into::into),
    };
    let outcome = match ready {
        Ok(()) => service.call(message).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    let outcome = outcome.unwrap_or_else(|error| Outcome::failed(None, error));
    let (outcome, verdict) = judge.settle(outcome, &facts).await;
    End::Done(outcome, verdict)
}

fn log<R>(consumer: &str, job: &Job<R>, outcome: &Outcome, verdict: &Verdict) {
    let (message, attempt, what) = (&job.message.id, job.attempt(), outcome.name());
    match &outcome.what {
        What::Applied | What::Duplicate | What::Ignored => {
            tracing::debug!(consumer, message, attempt, outcome = what, "handled");
        }
        // What failed, but not why: a reason may quote the payload.
        _ => {
            let then = match verdict {
                Verdict::Delete => "delete",
                Verdict::Retry { .. } => "retry",
                Verdict::Hold { .. } => "hold",
                Verdict::DeadLetter { .. } => "dead letter",
            };
            tracing::warn!(consumer, message, attempt, outcome = what, then, "not handled");
            tracing::debug!(message, reason = outcome.reason(), "why");
        }
    }
}

//! Handlers: started as there are places, and what follows from how they end.

use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tower::Service;

use super::attempt::{call, facts, tell};
use super::job::{Action, Slot, State};
use super::judge::{Judge, Judged};
use super::run::Run;
use super::{Mutation, Settled};
use crate::port::Queue;
use crate::{BoxError, Failure, Lost, Message, Outcome, Verdict};

/// How a handler's task ended.
pub(super) enum End {
    Done(Judged),
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
            Ok((_, End::Done(judged))) => (judged.outcome, judged.verdict),
            Ok((_, End::NotStarted)) => return self.lost(slot),
            // Aborted at the end of the drain time.
            Err(error) if error.is_cancelled() && job.lost => return self.gone(slot),
            Err(error) if error.is_cancelled() => return self.leave(slot, Action::Release(Duration::ZERO)),
            // A layer panicked outside of the router.
            Err(error) => {
                let outcome = Outcome::failed(None, Failure::retry(error));
                let mut message = facts(&job.message);
                message.receive_count = job.attempt();
                let verdict = outcome.verdict(&message, &self.host.judge.policy, self.host.judge.clock.now());
                (outcome, verdict)
            }
        };
        job.outcome = outcome.name();
        let settled = Settled {
            consumer: &self.host.consumer,
            message: &job.message,
            attempt: job.attempt(),
            outcome: &outcome,
            verdict: &verdict,
        };
        let (took, now) = (job.started.elapsed(), self.host.judge.clock.now());
        tell(&settled, took, now, &self.meters, self.host.observe.as_ref());
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
async fn handle<S>(judge: Judge, service: S, message: Message) -> End
where
    S: Service<Message, Response = Outcome>,
    S::Error: Into<BoxError>,
{
    let facts = facts(&message);
    match call(service, message).await {
        Some(outcome) => End::Done(judge.settle(outcome, facts).await),
        None => End::NotStarted,
    }
}

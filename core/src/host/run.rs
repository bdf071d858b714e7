//! One run of a host: a loop that owns all there is to know about the messages in hand, and wakes
//! for what handlers, calls and the clock bring.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::calls::{self, Call, Called};
use super::handling::{End, Ended};
use super::job::{Action, Job, Jobs, Slot, State};
use super::lane::Lane;
use super::measure::Meters;
use super::polling::Pollers;
use super::pulse::TURN;
use super::{Host, Mutation};
use crate::port::{Queue, QueueError, Received};
use crate::{BoxError, Message, Outcome};

/// How long a receive waits that shows whether receiving works.
const FIRST_POLL: Duration = Duration::from_secs(1);
/// How long settling may go on after the drain time.
const GRACE: Duration = Duration::from_secs(4);
/// A handler that hasn't ended so long after it was dropped blocks its thread, and is left behind.
const BLOCKED: Duration = Duration::from_secs(1);
/// When nothing is due.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

enum Event<R> {
    Shutdown,
    Time,
    Called(Called<R>),
    Ended(Ended),
}

pub(super) struct Run<Q: Queue, S> {
    pub(super) host: Host<Q>,
    pub(super) service: S,
    pub(super) jobs: Jobs<Q::Receipt>,
    pub(super) calls: FuturesUnordered<Call<Q::Receipt>>,
    pub(super) tasks: JoinSet<End>,
    pub(super) slots: BTreeMap<Id, Slot>,
    pub(super) ready: VecDeque<Slot>,
    /// When a job is to be looked at again: a pause is over, or settling it is tried again.
    pub(super) timers: BTreeSet<(Instant, Slot)>,
    pub(super) deletes: Lane<Slot>,
    pub(super) releases: Lane<(Slot, Duration)>,
    pub(super) letters: Lane<(Slot, String)>,
    /// When the heartbeat is due.
    pub(super) beat: Option<Instant>,
    pollers: Pollers,
    pub(super) meters: Meters,
    /// Since the shutdown began: until when handlers may run.
    pub(super) drain_until: Option<Instant>,
    aborted: bool,
    /// Whether what blocking handlers hold was given back.
    left_behind: bool,
}

impl<Q, S> Run<Q, S>
where
    Q: Queue,
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    pub(super) fn new(host: Host<Q>, service: S) -> Self {
        let meters = Meters::new(host.queue.name(), &host.consumer);
        let pollers = Pollers::new(host.concurrency);
        Self {
            host,
            service,
            jobs: Jobs::new(),
            calls: FuturesUnordered::new(),
            tasks: JoinSet::new(),
            slots: BTreeMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            deletes: Lane::new(),
            releases: Lane::new(),
            letters: Lane::new(),
            beat: None,
            pollers,
            meters,
            drain_until: None,
            aborted: false,
            left_behind: false,
        }
    }

    pub(super) async fn until(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            self.start();
            self.flush();
            self.poll();
            self.show();
            if self.is_over() {
                return;
            }
            let next = self.next_time();
            let event = tokio::select! {
                biased;
                () = &mut shutdown, if self.drain_until.is_none() => Event::Shutdown,
                () = sleep_until(next) => Event::Time,
                Some(called) = self.calls.next(), if !self.calls.is_empty() => Event::Called(called),
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => Event::Ended(ended),
            };
            match event {
                Event::Shutdown => self.stop(),
                Event::Time => self.tick(),
                Event::Called(called) => self.called(called),
                Event::Ended(ended) => {
                    self.ended(ended);
                    // Those that have ended by now share one turn: with quick handlers that is most of them.
                    while let Some(ended) = self.tasks.try_join_next_with_id() {
                        self.ended(ended);
                    }
                }
            }
        }
    }

    fn next_time(&self) -> Instant {
        let now = Instant::now();
        let poll = self.pollers.wake().filter(|_| self.drain_until.is_none());
        let end = self
            .drain_until
            .map(|drain| match (self.aborted, self.left_behind) {
                (false, _) => drain,
                (true, false) => drain + BLOCKED,
                (true, true) => drain + GRACE,
            });
        let timer = self.timers.first().map(|(at, _)| *at);
        let lanes = [self.deletes.due(), self.releases.due(), self.letters.due()];
        let idle = if self.host.pulse.is_some() { TURN } else { IDLE };
        [poll, end, timer, self.beat, Some(now + idle)]
            .into_iter()
            .chain(lanes)
            .flatten()
            .min()
            .unwrap_or(now)
    }

    /// Shows those who watch what is going on.
    fn show(&self) {
        let held = self.jobs.len();
        self.meters.in_flight.set(held as f64);
        if let Some(pulse) = &self.host.pulse {
            pulse.turn(held);
        }
    }

    /// Gives back the messages of handlers that can't be dropped, which may commit no more for them.
    fn leave_blocking(&mut self) {
        let running = self.jobs.iter().filter(|(_, job)| job.state == State::Running);
        let running: Vec<Slot> = running.map(|(slot, _)| slot).collect();
        for slot in running {
            let Some(job) = self.jobs.get(slot) else { continue };
            let message = job.message.id.as_str();
            tracing::warn!(consumer = %self.host.consumer, message, "left a handler behind that blocks its thread");
            if let Some(lose) = &job.lose {
                lose.raise();
            }
            // One that is lost may be another host's by now.
            match job.lost {
                true => self.gone(slot),
                false => self.leave(slot, Action::Release(Duration::ZERO)),
            }
        }
    }

    fn is_over(&self) -> bool {
        let Some(drain) = self.drain_until else {
            return false;
        };
        let now = Instant::now();
        let left = self.jobs.len();
        if left > 0 && now >= drain + GRACE {
            tracing::warn!(consumer = %self.host.consumer, left, "stopped before all messages were settled");
            return true;
        }
        left == 0 && (self.pollers.under_way == 0 || now >= drain)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.drain_until.is_some_and(|drain| now >= drain) && !self.aborted {
            self.aborted = true;
            self.tasks.abort_all();
        }
        if self.drain_until.is_some_and(|drain| now >= drain + BLOCKED) && !self.left_behind {
            self.left_behind = true;
            self.leave_blocking();
        }
        while let Some(&(at, slot)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            match self.jobs.get(slot).map(|job| job.state) {
                Some(State::Pausing(_)) => self.make_ready(slot),
                Some(State::Settling) => self.settle_now(slot),
                _ => {}
            }
        }
        if self.beat.is_some_and(|beat| now >= beat) {
            self.heartbeat();
        }
    }

    /// Asks for no more messages than there are free places.
    fn poll(&mut self) {
        if self.drain_until.is_some() {
            return;
        }
        let places = self.host.concurrency.saturating_sub(self.jobs.active());
        let places = places.min(self.host.kept.saturating_sub(self.jobs.len()));
        while let Some(max) = self.pollers.next(places, Instant::now()) {
            let queue = &self.host.queue;
            // Whoever waits for it to be ready doesn't wait for a long poll.
            let wait = match self
                .host
                .pulse
                .as_ref()
                .is_some_and(|pulse| !pulse.is_receiving())
            {
                true => self.host.poll.min(FIRST_POLL),
                false => self.host.poll,
            };
            self.calls
                .push(calls::receive(queue, &self.meters.receive, max, wait));
        }
    }

    fn called(&mut self, called: Called<Q::Receipt>) {
        let unread = self.host.is(Mutation::ResultsUnread);
        let read = |mut results: Vec<(Slot, Result<(), QueueError>)>| {
            if unread {
                results.iter_mut().for_each(|(_, result)| *result = Ok(()));
            }
            results
        };
        match called {
            Called::Received(max, received) => self.received(max, received),
            Called::Extended(results, called) => self.extended(results, called),
            Called::Deleted(results) => self.deleted(read(results)),
            Called::Released(results) => self.released(read(results)),
            Called::DeadLettered(results) => self.dead_lettered(read(results)),
        }
    }

    fn received(&mut self, max: usize, received: Result<Vec<Received<Q::Receipt>>, QueueError>) {
        let works = received.is_ok() && !self.is_stopping();
        if let Some(pulse) = &self.host.pulse {
            pulse.receiving(works);
        }
        match received {
            Ok(received) => {
                self.pollers.brought(max, received.len());
                self.meters.consumed.increment(received.len() as u64);
                received.into_iter().for_each(|received| self.take(received));
            }
            Err(error) => {
                let pause = self.pollers.failed(max, Instant::now());
                self.meters.receive_failures.increment(1);
                tracing::warn!(consumer = %self.host.consumer, %error, ?pause, "receiving failed");
            }
        }
    }

    fn take(&mut self, Received { message, receipt }: Received<Q::Receipt>) {
        let now = Instant::now();
        let visibility = self.host.visibility_timeout;
        let known = self.jobs.of_message(&message.id);
        if let Some(slot) = known
            && let Some(job) = self.jobs.get_mut(slot)
            && job.state != State::Settling
        {
            job.received_again(&message, receipt, visibility, now);
            self.beat_by(now + visibility / 2);
            return;
        }
        let slot = self.jobs.add(Job::new(message, receipt, visibility, now));
        self.beat_by(now + visibility / 2);
        if known.is_some() {
            // Handled, and its deletion came too late for this receive.
            self.leave(slot, Action::Delete);
        } else if self.drain_until.is_some() {
            self.leave(slot, Action::Release(Duration::ZERO));
        } else if self.jobs.get(slot).is_some_and(|job| job.state == State::Ready) {
            self.ready.push_back(slot);
        }
    }

    fn make_ready(&mut self, slot: Slot) {
        if let Some(job) = self.jobs.get_mut(slot) {
            job.state = State::Ready;
            self.ready.push_back(slot);
        }
    }

    /// Keeps a message for its next try in place.
    pub(super) fn pause(&mut self, slot: Slot, after: Duration) {
        let until = Instant::now() + after;
        if let Some(job) = self.jobs.get_mut(slot) {
            job.state = State::Pausing(until);
            self.timers.insert((until, slot));
        }
    }

    /// The hold on a message is gone: a handler is told, one that waits is dropped, and those behind
    /// it in its group are given back, to come again in order.
    pub(super) fn lost(&mut self, slot: Slot) {
        let Some(job) = self.jobs.get_mut(slot) else {
            return;
        };
        let told = std::mem::replace(&mut job.lost, true);
        if told && job.lose.is_some() {
            return;
        }
        if !told {
            self.meters.lost.increment(1);
            tracing::warn!(consumer = %self.host.consumer, message = job.message.id, "lost the hold on a message");
        }
        if let Some(lose) = &job.lose {
            lose.raise();
            self.give_back_behind(slot);
        } else if job.state != State::Settling {
            self.gone(slot);
        }
    }

    pub(super) fn give_back_behind(&mut self, slot: Slot) {
        for behind in self.jobs.behind(slot) {
            self.leave(behind, Action::Release(Duration::ZERO));
        }
    }

    /// A message is no longer in hand without being done: those behind it can't be handled either.
    pub(super) fn gone(&mut self, slot: Slot) {
        self.give_back_behind(slot);
        self.jobs.leave_group(slot);
        self.jobs.remove(slot);
    }

    /// The one that is first of its group now.
    pub(super) fn begin(&mut self, next: Option<Slot>) {
        if let Some(slot) = next
            && self.jobs.get(slot).is_some_and(|job| job.state == State::Behind)
        {
            self.make_ready(slot);
        }
    }

    /// Begins the shutdown.
    fn stop(&mut self) {
        let now = Instant::now();
        self.drain_until = Some(now + self.host.drain);
        if let Some(pulse) = &self.host.pulse {
            pulse.receiving(false);
        }
        let waiting: Vec<_> = self.jobs.iter().map(|(slot, job)| (slot, job.state)).collect();
        for (slot, state) in waiting {
            let after = match state {
                State::Behind | State::Ready => Duration::ZERO,
                State::Pausing(until) => until.saturating_duration_since(now),
                State::Running | State::Settling => continue,
            };
            if self.host.is(Mutation::BufferedKept) {
                self.jobs.leave_group(slot);
                self.jobs.remove(slot);
                continue;
            }
            self.leave(slot, Action::Release(after));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.drain_until.is_some()
    }
}

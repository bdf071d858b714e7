//! One batch: a loop that owns all there is to know about its messages, and wakes for what handlers,
//! calls and the clock bring.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tower::Service;
use tracing::Instrument;

use super::entries::{Entries, State};
use super::{BatchHost, Handed};
use crate::host::Mutation;
use crate::host::attempt::{call, facts};
use crate::host::calls::{Call, Called};
use crate::host::job::Slot;
use crate::host::judge::Judged;
use crate::host::lane::Lane;
use crate::host::measure::Meters;
use crate::port::{BoxFuture, Queue, Received};
use crate::{BoxError, DedupeKey, Failure, Lost, Message, Outcome, wire};

/// Nothing is started with less time than this.
pub(super) const FLOOR: Duration = Duration::from_secs(1);

/// How a handler's task ended.
enum End {
    Done(Outcome),
    /// The time was up before the service was ready.
    NotStarted,
    /// It was dropped when the time was up.
    Stopped,
}

enum Event<R> {
    Time,
    Called(Called<R>),
    Judged(Slot, Judged),
    Ended(Result<(Id, End), JoinError>),
}

pub(super) struct Invocation<'a, Q: Queue, S> {
    pub(super) host: &'a BatchHost<Q>,
    service: S,
    pub(super) entries: Entries<Q::Receipt>,
    ready: VecDeque<Slot>,
    tasks: JoinSet<End>,
    slots: BTreeMap<Id, Slot>,
    judging: FuturesUnordered<BoxFuture<'static, (Slot, Judged)>>,
    pub(super) calls: FuturesUnordered<Call<Q::Receipt>>,
    pub(super) releases: Lane<(Slot, Duration)>,
    pub(super) letters: Lane<Slot>,
    pub(super) meters: Arc<Meters>,
    /// When handlers are stopped, when those that block their threads are left behind, and when the
    /// answer leaves.
    pub(super) stop: Instant,
    leave_behind: Instant,
    end: Instant,
    /// Whether what was there at first has been started.
    begun: bool,
    stopped: bool,
    left_behind: bool,
}

impl<'a, Q, S> Invocation<'a, Q, S>
where
    Q: Queue,
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    pub(super) fn new(
        host: &'a BatchHost<Q>,
        service: S,
        batch: Vec<Received<Q::Receipt>>,
        deadline: Instant,
    ) -> Self {
        let now = Instant::now();
        let before = |time| deadline.checked_sub(time).unwrap_or(now);
        let entries = Entries::new(batch);
        let meters = host.meters();
        meters.consumed.increment(entries.len() as u64);
        meters.in_flight.increment(entries.len() as f64);
        Self {
            host,
            service,
            ready: entries.first(),
            entries,
            tasks: JoinSet::new(),
            slots: BTreeMap::new(),
            judging: FuturesUnordered::new(),
            calls: FuturesUnordered::new(),
            releases: Lane::new(),
            letters: Lane::new(),
            meters,
            stop: before(host.reserve),
            leave_behind: before(host.reserve * 3 / 4),
            end: before(host.reserve / 4),
            begun: false,
            stopped: false,
            left_behind: false,
        }
    }

    pub(super) async fn run(mut self) -> Handed {
        loop {
            self.start();
            self.flush();
            if self.is_over() {
                return self.handed();
            }
            let next = self.next_time();
            let event = tokio::select! {
                biased;
                () = sleep_until(next) => Event::Time,
                Some(called) = self.calls.next(), if !self.calls.is_empty() => Event::Called(called),
                Some((slot, judged)) = self.judging.next(), if !self.judging.is_empty() => {
                    Event::Judged(slot, judged)
                }
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => Event::Ended(ended),
            };
            match event {
                Event::Time => self.tick(),
                Event::Called(called) => self.called(called),
                Event::Judged(slot, judged) => self.judged(slot, judged),
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

    fn is_over(&self) -> bool {
        let works = self.is_working() || !self.calls.is_empty() || self.releases.due().is_some();
        let over = !works && self.letters.due().is_none() && self.ready.is_empty();
        over || Instant::now() >= self.end
    }

    /// Whether something may still come of a handler.
    pub(super) fn is_working(&self) -> bool {
        !self.slots.is_empty() || !self.judging.is_empty()
    }

    fn next_time(&self) -> Instant {
        let limit = match (self.stopped, self.left_behind) {
            (false, _) => self.stop,
            (true, false) => self.leave_behind,
            (true, true) => self.end,
        };
        // Just past the last moment to start what waits for a place.
        let late = (!self.ready.is_empty()).then(|| self.last_start() + Duration::from_millis(1));
        [Some(limit), late, self.next_call()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(limit)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.stop && !self.stopped {
            self.stopped = true;
            tell_all(self.host, &self.entries);
        }
        if now >= self.leave_behind && !self.left_behind {
            self.left_behind = true;
            for slot in std::mem::take(&mut self.slots).into_values() {
                let message = self.entries.get(slot).map(|entry| entry.message.id.as_str());
                let consumer = &self.host.consumer;
                tracing::warn!(%consumer, message, "left a handler behind that blocks its thread");
                self.failed(slot, "it blocked its thread when the invocation's time was up");
            }
        }
    }

    /// The last moment to start something.
    fn last_start(&self) -> Instant {
        let needed = match self.begun {
            _ if self.host.is(Mutation::StartedLate) => Duration::ZERO,
            true => self.host.needed().max(FLOOR),
            false => FLOOR,
        };
        self.stop.checked_sub(needed).unwrap_or(self.stop)
    }

    /// Starts what is ready, as far as there are places, and gives it back when the time is up.
    fn start(&mut self) {
        let now = Instant::now();
        if now > self.last_start() && !self.ready.is_empty() {
            let unstarted = std::mem::take(&mut self.ready);
            tracing::warn!(consumer = %self.host.consumer, messages = unstarted.len(), "too little time is left to start messages");
            for slot in unstarted {
                self.give_back(slot, Duration::ZERO);
            }
        }
        // One that is being judged may go on in place.
        while self.slots.len() + self.judging.len() < self.host.concurrency
            && let Some(slot) = self.ready.pop_front()
        {
            self.run_handler(slot, now);
        }
        self.begun = true;
    }

    /// Runs the handler of a message, at `from`.
    pub(super) fn run_handler(&mut self, slot: Slot, from: Instant) {
        let Some(entry) = self.entries.get_mut(slot) else {
            return;
        };
        let (lose, lost) = Lost::new();
        entry.state = State::Running;
        entry.started = from;
        entry.lose = Some(lose);
        let mut message = entry.message.clone();
        message.lost = lost;
        let handling = handle(self.service.clone(), message, from).in_current_span();
        let task = self.tasks.spawn(handling);
        self.slots.insert(task.id(), slot);
    }

    fn ended(&mut self, ended: Result<(Id, End), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        // One that was left behind has been looked at.
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.lose = None;
        }
        match ended {
            Ok((_, End::Done(outcome))) => self.judge(slot, outcome),
            Ok((_, End::NotStarted)) => self.give_back(slot, Duration::ZERO),
            Ok((_, End::Stopped)) => self.failed(slot, "it was stopped when the invocation's time was up"),
            // A layer panicked outside of the router, or the runtime is shutting down.
            Err(error) => self.failed(slot, error),
        }
    }

    /// A try that ended without an outcome. Its effect may be applied all the same, so that the inbox is
    /// asked by its key before it becomes a dead letter.
    fn failed(&mut self, slot: Slot, why: impl Into<BoxError>) {
        let Some(entry) = self.entries.get(slot) else {
            return;
        };
        let envelope = wire::parse(&entry.message.body).ok();
        let key = envelope
            .map(|(envelope, _)| DedupeKey::new(&*self.host.consumer, envelope.source(), envelope.id()));
        self.judge(slot, Outcome::failed(key, Failure::retry(why)));
    }

    fn judge(&mut self, slot: Slot, outcome: Outcome) {
        let Some(entry) = self.entries.get_mut(slot) else {
            return;
        };
        entry.state = State::Judged;
        let (mut judge, facts) = (self.host.judge.clone(), facts(&entry.message));
        if let Some(own) = judge
            .own
            .as_mut()
            .filter(|_| self.host.is(Mutation::TriesUncounted))
        {
            own.counter = None;
        }
        if entry.group.is_none() {
            // A standard queue's receives are a message's own tries.
            judge.own = None;
        }
        self.judging.push(Box::pin(
            async move { (slot, judge.settle(outcome, facts).await) },
        ));
    }

    /// A message is ready to be started.
    pub(super) fn make_ready(&mut self, next: Option<Slot>) {
        self.ready.extend(next);
    }

    fn handed(&self) -> Handed {
        let failed = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state != State::Done);
        Handed {
            failed: failed.map(|(_, entry)| entry.message.id.clone()).collect(),
        }
    }
}

/// However it ends, no handler that is left may commit: the process may be frozen, and go on much later.
impl<Q: Queue, S> Drop for Invocation<'_, Q, S> {
    fn drop(&mut self) {
        tell_all(self.host, &self.entries);
        self.meters.in_flight.decrement(self.entries.len() as f64);
    }
}

/// Tells the handlers that still run that their messages are lost.
fn tell_all<Q: Queue>(host: &BatchHost<Q>, entries: &Entries<Q::Receipt>) {
    for lose in entries.iter().filter_map(|(_, entry)| entry.lose.as_ref()) {
        if !host.is(Mutation::NotTold) {
            lose.raise();
        }
    }
}

/// Runs the service for one message at `from`, until the message is lost.
async fn handle<S>(service: S, message: Message, from: Instant) -> End
where
    S: Service<Message, Response = Outcome>,
    S::Error: Into<BoxError>,
{
    let lost = message.lost.clone();
    if from > Instant::now() {
        tokio::select! {
            biased;
            () = lost.lost() => return End::NotStarted,
            () = sleep_until(from) => {}
        }
    }
    tokio::select! {
        biased;
        // Polled once more when it is lost, so that it can end by itself.
        outcome = call(service, message) => outcome.map_or(End::NotStarted, End::Done),
        () = lost.lost() => End::Stopped,
    }
}

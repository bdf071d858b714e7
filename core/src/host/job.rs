//! The messages that a host holds.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Lose, Message, is_fifo};

/// How long a message can be held in all. SQS counts 12 h from the receive; the host hears of it a
/// little later.
const HOLD_LIMIT: Duration = Duration::from_secs(12 * 60 * 60 - 60);

/// How many receipts of other copies are kept: with its own they are one batch.
const OLDER: usize = 9;

/// Names a job for the time of a run.
pub(super) type Slot = u64;

/// One message in hand.
#[derive(Debug)]
pub(super) struct Job<R> {
    pub(super) message: Message,
    pub(super) receipt: R,
    /// Counts its receipts: what came of an older one says nothing about this one.
    pub(super) generation: u64,
    /// Receipts of other copies, deleted along with it.
    pub(super) older: Vec<R>,
    /// Failed tries in place, besides those that the queue counts.
    pub(super) tries: u32,
    pub(super) state: State,
    /// On FIFO, its group.
    pub(super) group: Option<String>,
    /// Tells the handler that runs now.
    pub(super) lose: Option<Lose>,
    /// Whether the hold is gone, as far as the host knows.
    pub(super) lost: bool,
    /// Whether an extension is under way.
    pub(super) extending: bool,
    /// How it leaves, once that is decided.
    pub(super) action: Option<Action>,
    /// Failed attempts to settle it.
    pub(super) settle_tries: u32,
    /// When its last try began, and what came of it.
    pub(super) started: Instant,
    pub(super) outcome: &'static str,
    received: Instant,
    pub(super) expires: Instant,
    /// When to extend it next.
    pub(super) beat: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Behind another one of its group.
    Behind,
    /// For a free place.
    Ready,
    Running,
    /// For its next try in place.
    Pausing(Instant),
    Settling,
}

/// How a message leaves the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Delete,
    Release(Duration),
    DeadLetter(String),
}

impl<R> Job<R> {
    pub(super) fn new(message: Message, receipt: R, visibility: Duration, now: Instant) -> Self {
        let group = is_fifo(&message.queue).then(|| message.group.clone().unwrap_or_default());
        let mut job = Self {
            message,
            receipt,
            generation: 0,
            older: Vec::new(),
            tries: 0,
            state: State::Ready,
            group,
            lose: None,
            lost: false,
            extending: false,
            action: None,
            settle_tries: 0,
            started: now,
            outcome: "",
            received: now,
            expires: now,
            beat: now,
        };
        job.held_for(visibility, now);
        job
    }

    /// Another receive of the same message: its receipt is the one that counts.
    pub(super) fn received_again(
        &mut self,
        message: &Message,
        receipt: R,
        visibility: Duration,
        now: Instant,
    ) {
        let older = std::mem::replace(&mut self.receipt, receipt);
        self.generation += 1;
        if !self.lost && self.older.len() < OLDER {
            self.older.push(older);
        }
        self.lost = false;
        self.message.receive_count = self.message.receive_count.max(message.receive_count);
        self.received = now;
        self.held_for(visibility, now);
    }

    /// It is hidden for this long from `now` on.
    pub(super) fn held_for(&mut self, time: Duration, now: Instant) {
        self.expires = now + time;
        self.beat = now + time / 2;
    }

    /// By how much it can be extended at most.
    pub(super) fn left(&self, now: Instant) -> Duration {
        (self.received + HOLD_LIMIT).saturating_duration_since(now)
    }

    /// Which try this is, counted from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.message.receive_count.saturating_add(self.tries)
    }
}

/// All jobs, by slot, by message and by group.
#[derive(Debug)]
pub(super) struct Jobs<R> {
    jobs: BTreeMap<Slot, Job<R>>,
    by_message: BTreeMap<String, Slot>,
    /// Those of a FIFO group in order, the first one being handled. One that is deleted or given back
    /// has left it, one that becomes a dead letter stays until that is safe.
    groups: BTreeMap<String, VecDeque<Slot>>,
    last: Slot,
}

impl<R> Jobs<R> {
    pub(super) fn new() -> Self {
        Self {
            jobs: BTreeMap::new(),
            by_message: BTreeMap::new(),
            groups: BTreeMap::new(),
            last: 0,
        }
    }

    /// Takes a job in; the last of its group, if it has one.
    pub(super) fn add(&mut self, mut job: Job<R>) -> Slot {
        self.last += 1;
        if let Some(group) = &job.group {
            let group = self.groups.entry(group.clone()).or_default();
            if !group.is_empty() {
                job.state = State::Behind;
            }
            group.push_back(self.last);
        }
        self.by_message.insert(job.message.id.clone(), self.last);
        self.jobs.insert(self.last, job);
        self.last
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Job<R>> {
        self.jobs.get(&slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Job<R>> {
        self.jobs.get_mut(&slot)
    }

    pub(super) fn of_message(&self, id: &str) -> Option<Slot> {
        self.by_message.get(id).copied()
    }

    /// The message is this job's again.
    pub(super) fn remember_message(&mut self, slot: Slot) {
        if let Some(job) = self.jobs.get(&slot) {
            self.by_message.insert(job.message.id.clone(), slot);
        }
    }

    /// The job is given away: another receive of its message is another job.
    pub(super) fn forget_message(&mut self, slot: Slot) {
        if let Some(job) = self.jobs.get(&slot)
            && self.by_message.get(&job.message.id) == Some(&slot)
        {
            self.by_message.remove(&job.message.id);
        }
    }

    /// Takes a job out of its group; returns the next one if it was the first.
    pub(super) fn leave_group(&mut self, slot: Slot) -> Option<Slot> {
        let group = self.jobs.get(&slot)?.group.as_ref()?;
        let slots = self.groups.get_mut(group)?;
        let was_first = slots.front() == Some(&slot);
        slots.retain(|other| *other != slot);
        let first = slots.front().copied();
        if first.is_none() {
            self.groups.remove(group);
        }
        first.filter(|_| was_first)
    }

    /// Those that come after a job in its group.
    pub(super) fn behind(&self, slot: Slot) -> Vec<Slot> {
        let group = self
            .jobs
            .get(&slot)
            .and_then(|job| self.groups.get(job.group.as_ref()?));
        let slots = group.into_iter().flatten().skip_while(|other| **other != slot);
        slots.skip(1).copied().collect()
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Job<R>> {
        self.forget_message(slot);
        self.jobs.remove(&slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Job<R>)> {
        self.jobs.iter().map(|(slot, job)| (*slot, job))
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Those that have a place or wait for nothing else: not those that pause or are behind another.
    pub(super) fn active(&self) -> usize {
        let waits = |job: &&Job<R>| matches!(job.state, State::Pausing(_) | State::Behind);
        self.jobs.len() - self.jobs.values().filter(waits).count()
    }
}

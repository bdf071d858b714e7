//! What waits to be sent to one destination, and which of it goes next.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::Fill;
use fanfare::port::PublishError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::target::Parcel;

/// The groups of one caller's envelopes of which one was given up. Those of its later ones that come into
/// the line after that may not go either, or they would overtake it. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenUp(Arc<Mutex<BTreeSet<String>>>);

impl GivenUp {
    pub(super) fn insert(&self, group: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group.to_owned());
    }

    pub(super) fn contains(&self, group: &str) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(group)
    }
}

/// An entry on its way.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) parcel: Parcel,
    pub(crate) size: usize,
    /// It isn't tried again after this.
    pub(crate) deadline: Instant,
    /// It isn't sent before this,
    pub(crate) not_before: Instant,
    /// and waits for others until this.
    pub(crate) linger_until: Instant,
    /// Calls that it was in.
    pub(crate) tries: u32,
    /// Goes without others: the call it was in was refused, and it may be why.
    pub(crate) alone: bool,
    /// Shared with the others of its caller's.
    pub(crate) given_up: GivenUp,
    pub(crate) reply: oneshot::Sender<Result<(), PublishError>>,
    /// Its place among those that the publisher takes at once, until it has its result.
    pub(crate) room: OwnedSemaphorePermit,
}

/// All that waits, in the order in which it came.
#[derive(Debug)]
pub(super) struct Line {
    fifo: bool,
    waiting: VecDeque<(u64, Waiting)>,
    /// The number of the next one to come.
    next: u64,
    /// The groups of what is under way: on FIFO none of theirs may follow before its answer.
    under_way: BTreeSet<String>,
    /// No deadline is before this.
    first_deadline: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug)]
pub(super) enum Next {
    /// Send these in one call.
    Batch(Vec<(u64, Waiting)>),
    /// Nothing before this, unless something comes or a call ends.
    Wait(Option<Instant>),
}

impl Line {
    pub(super) fn new(fifo: bool) -> Self {
        Self {
            fifo,
            waiting: VecDeque::new(),
            next: 0,
            under_way: BTreeSet::new(),
            first_deadline: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// One more at the end.
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.saw(waiting.deadline);
        self.waiting.push_back((self.next, waiting));
        self.next += 1;
    }

    /// One that was under way, back in its place.
    pub(super) fn put_back(&mut self, number: u64, waiting: Waiting) {
        self.saw(waiting.deadline);
        let place = self.waiting.partition_point(|(other, _)| *other < number);
        self.waiting.insert(place, (number, waiting));
    }

    /// The call that this was in has ended.
    pub(super) fn ended(&mut self, waiting: &Waiting) {
        if let Some(group) = group(self.fifo, waiting) {
            self.under_way.remove(group);
        }
    }

    /// The next batch: the first ones that may go, up to ten and to `budget` bytes. It goes when no more
    /// fit, when one of them has waited for its time, and when `all` come that will.
    ///
    /// On FIFO a batch has one entry of a group, and the group's next waits for its answer: SNS and SQS
    /// can confirm the second of two entries and not the first.
    pub(super) fn next(&mut self, now: Instant, budget: usize, all: bool) -> Next {
        let mut fill = Fill::default();
        let mut chosen = Vec::new();
        let mut left = Vec::new();
        let mut full = false;
        let mut wake = None;
        let mut sooner = |at: Instant| wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
        let mut barred: BTreeSet<&str> = self.under_way.iter().map(String::as_str).collect();
        let mut due = all;
        for (index, (_, waiting)) in self.waiting.iter().enumerate() {
            if waiting.reply.is_closed() {
                left.push(index);
                continue;
            }
            if let Some(group) = group(self.fifo, waiting)
                && !barred.insert(group)
            {
                continue;
            }
            if waiting.not_before > now {
                sooner(waiting.not_before);
                continue;
            }
            let fits = chosen.is_empty() || !waiting.alone;
            if !fits || !fill.take(waiting.size, budget) {
                full = true;
                break;
            }
            chosen.push(index);
            due |= waiting.linger_until <= now;
            if fill.is_full() || waiting.alone {
                full = true;
                break;
            }
        }
        if !chosen.is_empty() && (full || due) {
            // From behind, so that the places before stay what they are.
            let mut batch = Vec::with_capacity(chosen.len());
            let mut out: Vec<_> = chosen.iter().map(|index| (*index, true)).collect();
            out.extend(left.iter().map(|index| (*index, false)));
            out.sort_unstable();
            for (index, goes) in out.into_iter().rev() {
                batch.extend(self.waiting.remove(index).filter(|_| goes));
            }
            batch.reverse();
            if self.fifo {
                let groups = batch.iter().filter_map(|(_, waiting)| group(true, waiting));
                let groups: Vec<_> = groups.map(str::to_owned).collect();
                self.under_way.extend(groups);
            }
            return Next::Batch(batch);
        }
        for index in &chosen {
            sooner(self.waiting[*index].1.linger_until);
        }
        if !left.is_empty() {
            for index in left.into_iter().rev() {
                self.waiting.remove(index);
            }
            self.first_deadline = self.waiting.iter().map(|(_, waiting)| waiting.deadline).min();
        }
        // Not of those who don't wait any more.
        Next::Wait(wake.into_iter().chain(self.first_deadline()).min())
    }

    /// No deadline is before this.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.first_deadline.filter(|_| !self.waiting.is_empty())
    }

    /// Takes out those whose deadline is over.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Waiting> {
        if self.first_deadline.is_none_or(|first| first > now) {
            return Vec::new();
        }
        self.take(|waiting| waiting.deadline <= now)
    }

    /// Takes out all of a group.
    pub(super) fn of_group(&mut self, wanted: &str) -> Vec<Waiting> {
        let fifo = self.fifo;
        self.take(|waiting| group(fifo, waiting) == Some(wanted))
    }

    fn take(&mut self, out: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let (taken, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, waiting)| out(waiting));
        self.waiting = kept.into();
        self.first_deadline = self.waiting.iter().map(|(_, waiting)| waiting.deadline).min();
        taken.into_iter().map(|(_, waiting)| waiting).collect()
    }

    fn saw(&mut self, deadline: Instant) {
        self.first_deadline = Some(self.first_deadline.map_or(deadline, |first| first.min(deadline)));
    }
}

/// The group whose order counts: none on standard.
pub(super) fn group(fifo: bool, waiting: &Waiting) -> Option<&str> {
    waiting.parcel.entry.group.as_deref().filter(|_| fifo)
}

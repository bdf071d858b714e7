//! The messages of a batch.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use crate::host::job::Slot;
use crate::port::Received;
use crate::{Lose, Message, is_fifo};

/// One message of a batch.
pub(super) struct Entry<R> {
    pub(super) message: Message,
    pub(super) receipt: R,
    /// On FIFO, its group.
    pub(super) group: Option<String>,
    pub(super) state: State,
    /// Tells the handler that runs now.
    pub(super) lose: Option<Lose>,
    /// When its last try began, what came of it, and which one it was.
    pub(super) started: Instant,
    pub(super) outcome: &'static str,
    pub(super) attempt: u32,
    /// What it becomes a dead letter with.
    pub(super) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// For a place, or for those before it in its group.
    Waiting,
    Running,
    /// Its outcome is there, and is looked at.
    Judged,
    /// On its way to the dead letters.
    Leaving,
    Failed,
    Done,
}

/// All messages of a batch, in the order in which they came.
pub(super) struct Entries<R> {
    entries: BTreeMap<Slot, Entry<R>>,
    /// What is left of each FIFO group, in order, the first one being handled.
    groups: BTreeMap<String, VecDeque<Slot>>,
}

impl<R> Entries<R> {
    /// Of a message that comes twice, the later receipt is the one that counts.
    pub(super) fn new(batch: Vec<Received<R>>) -> Self {
        let mut entries: BTreeMap<Slot, Entry<R>> = BTreeMap::new();
        let mut groups: BTreeMap<String, VecDeque<Slot>> = BTreeMap::new();
        let mut slots: BTreeMap<String, Slot> = BTreeMap::new();
        for (slot, Received { message, receipt }) in (0..).zip(batch) {
            if let Some(first) = slots.get(&message.id).and_then(|slot| entries.get_mut(slot)) {
                first.message.receive_count = first.message.receive_count.max(message.receive_count);
                first.receipt = receipt;
                continue;
            }
            slots.insert(message.id.clone(), slot);
            let group = is_fifo(&message.queue).then(|| message.group.clone().unwrap_or_default());
            if let Some(group) = &group {
                groups.entry(group.clone()).or_default().push_back(slot);
            }
            let attempt = message.receive_count;
            let entry = Entry {
                message,
                receipt,
                group,
                state: State::Waiting,
                lose: None,
                started: Instant::now(),
                outcome: "",
                attempt,
                reason: String::new(),
            };
            entries.insert(slot, entry);
        }
        Self { entries, groups }
    }

    /// Those that nothing of their group is before. On a standard queue those come first that were
    /// received most often: given back unstarted again and again, they would become dead letters.
    pub(super) fn first(&self) -> VecDeque<Slot> {
        let is_first = |slot: Slot, group: &String| {
            let first = self.groups.get(group).and_then(VecDeque::front);
            first == Some(&slot)
        };
        let mut first: Vec<_> = self
            .iter()
            .filter(|(slot, entry)| entry.group.as_ref().is_none_or(|group| is_first(*slot, group)))
            .collect();
        first.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.message.receive_count));
        first.into_iter().map(|(slot, _)| slot).collect()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Entry<R>> {
        self.entries.get(&slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry<R>> {
        self.entries.get_mut(&slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry<R>)> {
        self.entries.iter().map(|(slot, entry)| (*slot, entry))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a message that is done out of its group; returns the one that is next.
    pub(super) fn next(&mut self, slot: Slot) -> Option<Slot> {
        let group = self.entries.get(&slot)?.group.as_ref()?;
        let slots = self.groups.get_mut(group)?;
        slots.retain(|other| *other != slot);
        slots.front().copied()
    }

    /// Ends the group of a message that failed; returns those behind it.
    pub(super) fn stop_group(&mut self, slot: Slot) -> Vec<Slot> {
        let group = self.entries.get(&slot).and_then(|entry| entry.group.as_ref());
        let slots = group.and_then(|group| self.groups.remove(group));
        let slots = slots.unwrap_or_default().into_iter();
        slots.filter(|other| *other != slot).collect()
    }
}

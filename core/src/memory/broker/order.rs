//! Which message is next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The visible messages of a queue in the order they are received in. Every step takes logarithmic
/// time in the length of the queue.
#[derive(Debug)]
pub(super) enum Order {
    /// By when they became visible.
    Standard {
        ready: BTreeMap<u64, u64>,
        stamps: BTreeMap<u64, u64>,
    },
    /// By group.
    Fifo(Groups),
}

/// The groups of a FIFO queue, and those of them whose first message can be received.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
    ready: BTreeMap<u64, Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    /// All its messages, in order.
    messages: BTreeSet<u64>,
    visible: BTreeSet<u64>,
    in_flight: usize,
    stamp: Option<u64>,
}

impl Order {
    pub(super) fn new(fifo: bool) -> Self {
        match fifo {
            true => Self::Fifo(Groups::default()),
            false => Self::Standard {
                ready: BTreeMap::new(),
                stamps: BTreeMap::new(),
            },
        }
    }

    /// A message came in; it is not visible yet.
    pub(super) fn add(&mut self, message: u64, group: Option<&Arc<str>>) {
        if let (Self::Fifo(groups), Some(group)) = (self, group) {
            groups
                .groups
                .entry(group.clone())
                .or_default()
                .messages
                .insert(message);
        }
    }

    /// A message became visible; `stamp` grows with each call.
    pub(super) fn show(&mut self, message: u64, group: Option<&Arc<str>>, was_in_flight: bool, stamp: u64) {
        match self {
            Self::Standard { ready, stamps } => {
                ready.insert(stamp, message);
                stamps.insert(message, stamp);
            }
            Self::Fifo(groups) => groups.change(group, stamp, |group| {
                group.visible.insert(message);
                group.in_flight -= usize::from(was_in_flight);
            }),
        }
    }

    /// A visible message is received.
    pub(super) fn take(&mut self, message: u64, group: Option<&Arc<str>>) {
        match self {
            Self::Standard { ready, stamps } => {
                if let Some(stamp) = stamps.remove(&message) {
                    ready.remove(&stamp);
                }
            }
            Self::Fifo(groups) => groups.change(group, 0, |group| {
                group.visible.remove(&message);
                group.in_flight += 1;
            }),
        }
    }

    /// A message is gone.
    pub(super) fn remove(&mut self, message: u64, group: Option<&Arc<str>>, was_in_flight: bool, stamp: u64) {
        match self {
            Self::Standard { .. } => self.take(message, None),
            Self::Fifo(groups) => groups.change(group, stamp, |group| {
                group.messages.remove(&message);
                group.visible.remove(&message);
                group.in_flight -= usize::from(was_in_flight);
            }),
        }
    }

    /// The next message to be received. `group` asks for one of that group, whose messages before it
    /// this same receive has taken.
    pub(super) fn next(&self, group: Option<&Arc<str>>) -> Option<u64> {
        match self {
            Self::Standard { ready, .. } => ready.first_key_value().map(|(_, message)| *message),
            Self::Fifo(groups) => match group {
                Some(group) => groups.groups.get(group)?.follower(),
                None => {
                    let (_, group) = groups.ready.first_key_value()?;
                    groups.groups.get(group)?.visible.first().copied()
                }
            },
        }
    }

    /// Whether something can be received.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Standard { ready, .. } => !ready.is_empty(),
            Self::Fifo(groups) => !groups.ready.is_empty(),
        }
    }
}

impl Groups {
    /// Changes a group and notes whether it can be received from: when its first message is visible
    /// and none of it is in flight.
    fn change(&mut self, name: Option<&Arc<str>>, stamp: u64, change: impl FnOnce(&mut Group)) {
        let Some(name) = name else { return };
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        change(group);
        let ready = group.in_flight == 0
            && group
                .visible
                .first()
                .is_some_and(|first| group.messages.first() == Some(first));
        match (ready, group.stamp) {
            (true, None) => {
                group.stamp = Some(stamp);
                self.ready.insert(stamp, name.clone());
            }
            (false, Some(stamp)) => {
                group.stamp = None;
                self.ready.remove(&stamp);
            }
            _ => {}
        }
        if group.messages.is_empty() {
            self.groups.remove(name);
        }
    }
}

impl Group {
    /// The first visible message, if only messages in flight come before it.
    fn follower(&self) -> Option<u64> {
        let first = *self.visible.first()?;
        (self.messages.range(..first).count() == self.in_flight).then_some(first)
    }
}

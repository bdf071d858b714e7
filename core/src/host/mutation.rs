//! Ways to break the hosts on purpose.

use super::{BatchHost, Host};
use crate::port::Queue;

/// Ways to break the hosts on purpose, for the proofs that a test notices. Only with the feature
/// `mutations`, which nothing but such proofs turns on.
#[cfg_attr(not(feature = "mutations"), expect(unreachable_pub))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutation {
    /// A message is settled without waiting for its extension under way.
    HeartbeatNotJoined,
    /// Batch calls are taken to have worked for every entry.
    ResultsUnread,
    /// At shutdown, messages that weren't started are not given back.
    BufferedKept,
    /// A message's time is counted from the start of its handler.
    VisibilityFromStart,
    /// In a batch: those behind a failed message of their group are started.
    GroupGoesOn,
    /// In a batch: the receives of a FIFO queue are taken for a message's own tries.
    TriesUncounted,
    /// In a batch: messages are started as long as handlers may run.
    StartedLate,
    /// In a batch: handlers aren't told that the time is up.
    NotTold,
}

impl<Q> Host<Q> {
    /// Whether the host is broken in this way.
    pub(super) fn is(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutations.contains(&mutation)
    }

    /// Breaks the host in this way.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn mutate(mut self, mutation: Mutation) -> Self {
        self.mutations.push(mutation);
        self
    }
}

impl<Q: Queue> BatchHost<Q> {
    /// Whether the host is broken in this way.
    pub(super) fn is(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutations.contains(&mutation)
    }

    /// Breaks the host in this way.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn mutate(mut self, mutation: Mutation) -> Self {
        self.mutations.push(mutation);
        self
    }
}

//! Ways to break the queue on purpose.

use crate::SqsQueue;

/// Ways to break the queue on purpose, for the proofs that a test notices. Only with the feature
/// `mutations`, which nothing but such proofs turns on.
#[cfg_attr(not(feature = "mutations"), expect(unreachable_pub))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutation {
    /// Per-entry results of batch calls are not read: a call that was answered worked.
    ResultsUnread,
    /// A message is deleted before its copy lies in the dead-letter queue.
    DeleteBeforeCopy,
}

impl SqsQueue {
    /// Whether the queue is broken in this way.
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutations.contains(&mutation)
    }

    /// Breaks the queue in this way.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn mutate(mut self, mutation: Mutation) -> Self {
        self.mutations.push(mutation);
        self
    }
}

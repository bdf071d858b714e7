//! Ways to break the host on purpose.

use super::Host;

/// Ways to break the host on purpose, for the proofs that a test notices. Only with the feature
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

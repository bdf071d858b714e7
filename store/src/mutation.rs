//! Ways to break the store on purpose.

use crate::store::Shared;

/// Ways to break the store on purpose, for the proofs that an audit or a simulation notices. Only
/// with the feature `mutations`, which nothing but such proofs turns on.
#[cfg_attr(not(feature = "mutations"), expect(unreachable_pub))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutation {
    /// The inbox record is written without its condition.
    NoDedupe,
    /// Events are written by a call of their own, after the transaction.
    OutboxOutsideTransaction,
    /// A lease is completed without the condition that it is still held.
    UnfencedLease,
    /// The dedupe key lacks the event's source.
    SourceLeftOut,
    /// Whether an event was handled is read beforehand rather than decided by the commit.
    SeenTrusted,
}

impl Shared {
    /// Whether the store is broken in this way.
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutations.contains(&mutation)
    }
}

#[cfg(feature = "mutations")]
impl crate::Store {
    /// Breaks the store in this way.
    #[must_use]
    pub fn mutate(self, mutation: Mutation) -> Self {
        self.with(|shared| shared.mutations.push(mutation))
    }
}

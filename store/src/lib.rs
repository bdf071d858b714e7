//! One conditional write on DynamoDB: inbox, lease, outbox and relay.
#![allow(dead_code)] // until the parts that use the records are there

mod record;
mod store;
mod transact;
mod wake;

pub use record::RecordError;
pub use store::Store;
pub use transact::TransactPolicy;

/// Ways to break the store on purpose, for the proofs that an audit notices.
#[cfg(feature = "mutations")]
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

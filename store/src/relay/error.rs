//! Why the relay could not do what it was asked.

use std::time::Duration;

use crate::{RecordError, StoreError};

/// Why a call on the relay failed. [`run`](super::Relay::run) has none: it logs what fails, and tries
/// again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// DynamoDB refused or did not answer, or a record can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// DynamoDB left keys of a batch unread, again and again: it is throttling.
    #[error("reading the outbox in the table `{table}`: {left} records were left unread in every try")]
    Unread {
        /// The store's table.
        table: String,
        /// How many keys are left.
        left: usize,
    },
    /// Others changed the record each time between reading and writing it.
    #[error("the record {pk} was changed by others in every try; try again")]
    Contended {
        /// The record's partition key.
        pk: String,
    },
    /// Nothing was published, parked or put off by any relay for too long.
    #[error(
        "{pending} records are pending, the oldest for {oldest:?}, and none went for {patience:?}: see the \
         relay's warnings for the reason"
    )]
    Stalled {
        /// How many records are pending.
        pending: u64,
        /// The age of the oldest of them.
        oldest: Duration,
        /// How long it was waited for one to go.
        patience: Duration,
    },
    /// An event could not be published again.
    #[error("the event {id} could not be published again in {tries} tries: {reason}")]
    NotRepublished {
        /// The event's id.
        id: String,
        /// How often it was tried.
        tries: u32,
        /// Why the last try failed.
        reason: String,
    },
}

impl From<RecordError> for RelayError {
    fn from(error: RecordError) -> Self {
        Self::Store(error.into())
    }
}

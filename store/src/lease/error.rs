//! What only a lease can end in.

use std::time::Duration;

use fanfare::Advice;

/// Why a lease's effect was not run. What else can end a lease is a
/// [`CommitError`](crate::CommitError) or a [`StoreError`](crate::StoreError).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// It was claimed before and never completed, so its effect may have been made; and that is so
    /// long ago that the other side may have forgotten the idempotency key. Terminal.
    #[error(
        "outcome unknown: the effect for event `{event}` was first tried {since:?} ago and never completed, \
         and its idempotency key is honoured for {valid_for:?}: find out what happened, or give the \
         lease a `reconcile`, and redrive"
    )]
    OutcomeUnknown {
        /// The event's id.
        event: String,
        /// How long ago it was first claimed.
        since: Duration,
        /// How long the key is honoured.
        valid_for: Duration,
        /// Terminal.
        #[source]
        advice: Advice,
    },
}

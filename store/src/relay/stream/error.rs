//! Why a record of a stream is not done.

use std::sync::Arc;

use super::super::RelayError;

/// Why what a record of the stream tells of is not published, or not known to be: the record is to be
/// shown again. See [`Relay::stream`](crate::Relay::stream).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A destination did not confirm it. It is written down, and the sweep of any relay tries it too.
    #[error("not published: {reason}")]
    NotPublished {
        /// What the destination said last.
        reason: String,
    },
    /// It was not this relay's turn, or not done, when the deadline came.
    #[error("not published before the deadline")]
    OutOfTime,
    /// It could not be written down that it was published, or others changed the record again and
    /// again: it may be published again.
    #[error("it is not certain whether it was published")]
    Uncertain,
    /// DynamoDB refused or did not answer.
    #[error(transparent)]
    Relay(#[from] Arc<RelayError>),
}

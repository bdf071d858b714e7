//! Envelopes to SNS topics and SQS queues, in batches.
//!
//! [`Publisher`] is the [`Publish`](fanfare::port::Publish) of an application on AWS: its relay
//! publishes through it, and so does whatever publishes without an outbox. Events go to topics by
//! `PublishBatch`, commands to their consumer's queue by `SendMessageBatch`.
//!
//! | feature | what |
//! |---|---|
//! | `claim-check` | [`ClaimCheck`]: bodies over a destination's limit go to S3, and a pointer travels |

mod attribute;
#[cfg(feature = "claim-check")]
mod claim_check;
mod client;
mod failed;
mod lane;
mod limit;
mod metric;
mod publisher;
mod target;
mod trace;

pub use attribute::OwnAttributeError;
#[cfg(feature = "claim-check")]
pub use claim_check::{ClaimCheck, Fetch, FetchError, FetchLayer, Lifecycle, LifecycleError};
pub use publisher::Publisher;

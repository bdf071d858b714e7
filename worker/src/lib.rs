//! The SQS accept loop, for ECS: one consumer's queue, served by the very handlers that run in process.
//!
//! [`SqsQueue`] is a queue of the AWS SDK as `fanfare`'s host takes from, [`Worker`] the host on it with
//! what a task on ECS needs: health checks, scale-in protection, a signal to stop.
//!
//! # What the role must be allowed
//!
//! On the queue `sqs:GetQueueUrl`, `sqs:GetQueueAttributes`, `sqs:ReceiveMessage`, `sqs:DeleteMessage`
//! and `sqs:ChangeMessageVisibility`; on its dead-letter queue `sqs:GetQueueUrl`,
//! `sqs:GetQueueAttributes` and `sqs:SendMessage`; for the protection `ecs:GetTaskProtection` and
//! `ecs:UpdateTaskProtection`.
//!
//! # A handler that kills the process
//!
//! Nothing can settle a message then. It comes again when its time is over, is received by the next
//! process, and after `maxReceiveCount` receives SQS itself moves it to the dead letters, without a
//! reason. What was in hand besides comes again as well, with one more receive: with many messages in
//! hand a poison one can take others along, so give a consumer whose handlers may kill the process a
//! small [`concurrency`](fanfare::host::Host::concurrency).

mod error;
mod health;
mod mutation;
mod protection;
mod shutdown;
mod sqs;
mod worker;

pub use error::{ConnectError, ServeError};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use shutdown::shutdown_signal;
pub use sqs::{SqsQueue, SqsReceipt, received};
pub use worker::Worker;

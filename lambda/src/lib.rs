//! Consumers and the relay as Lambda functions, behind event-source mappings.
//!
//! [`run`] serves a [`Function`], which is one consumer: the very handlers that a worker runs, each batch
//! handled by the host that both share, and failures given back by the same rules. [`sqs_batch`] is one
//! invocation of it as a plain function, for tests and for what stands in for Lambda.
//!
//! # How the mapping must be set up
//!
//! With `ReportBatchItemFailures` in its `FunctionResponseTypes`. **Without it Lambda takes every answer for
//! "all done" and deletes what failed.** All else is in the consumer's
//! [`FunctionSettings`](fanfare::topology::FunctionSettings), whose rules the topology checks.
//!
//! # What the role must be allowed
//!
//! For the mapping, on the queue: `sqs:ReceiveMessage`, `sqs:DeleteMessage` and `sqs:GetQueueAttributes`.
//!
//! For what fails, on the queue `sqs:GetQueueUrl`, `sqs:GetQueueAttributes`, `sqs:ChangeMessageVisibility` and
//! `sqs:DeleteMessage`; on its dead-letter queue `sqs:GetQueueUrl`, `sqs:GetQueueAttributes` and
//! `sqs:SendMessage`. Without them failures are still answered as such and come again after the queue's
//! visibility timeout, and the log says what is missing.
//!
//! And `logs:CreateLogStream` and `logs:PutLogEvents`, and what the handlers themselves call.
//!
//! # Retries
//!
//! With `ReportBatchItemFailures` Lambda neither waits longer from try to try nor slows down. A failed message
//! is hidden by the same backoff as in a worker, and a terminal failure is moved to the dead letters at once,
//! with its reason.
//!
//! # Loops
//!
//! A handler that sends to its own queue makes a loop, which Lambda's loop detection stops after about 16
//! passes. A message that is given back and comes again is none.

mod function;
mod measure;
mod queue;
mod record;
mod run;
mod sqs;
mod stream;
mod trace;

pub use function::Function;
pub use measure::{Metrics, MetricsError};
pub use queue::FunctionQueue;
pub use run::{RunError, run};
pub use sqs::sqs_batch;
pub use stream::{outbox_stream, run_relay};
pub use trace::traced;

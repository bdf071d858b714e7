//! The queue and the worker on the local SQS, below the AWS SDK and on tokio's paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod connecting;
mod dead_letters;
mod hosting;
#[cfg(feature = "mutations")]
mod mutations;
mod protection;
mod queue;
mod support;

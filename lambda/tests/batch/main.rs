//! A function behind a mapping of a queue, on tokio's paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod deadline;
mod fifo;
mod large;
mod payloads;
mod standard;
mod support;
mod whole;

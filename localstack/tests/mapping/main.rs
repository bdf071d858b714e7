//! Event-source mappings, held to what Lambda's documentation says of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod event;
mod queue;
mod support;

//! The in-process broker behaves as SNS and SQS do.
#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod fifo;
mod filter;
#[path = "../memory_support/mod.rs"]
mod memory_support;
mod ports;
mod standard;
mod topics;

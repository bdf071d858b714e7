//! The host keeps its promises, on any queue.
#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "../memory_support/mod.rs"]
mod memory_support;

mod batch;
mod dead_letters;
mod fifo;
mod fifo_storm;
mod heartbeat;
mod metrics;
#[cfg(feature = "mutations")]
mod mutations;
mod receiving;
mod settling;
mod shutdown;

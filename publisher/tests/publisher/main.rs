//! The publisher against an AWS below the SDK that answers as each test says, on tokio's paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod attributes;
mod aws;
mod batches;
mod callers;
#[cfg(feature = "claim-check")]
mod claim_check;
mod fifo;
mod local;
mod metrics;
mod packing;
mod results;
#[cfg(feature = "claim-check")]
mod s3;
mod sizes;
mod traces;
mod world;

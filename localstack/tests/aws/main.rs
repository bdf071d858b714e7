//! SNS and SQS as the SDK's own clients see them, in the process and on a paused clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can not go on fails"
)]

mod attributes;
mod batches;
mod dead_letters;
mod faults;
mod fifo;
mod lives;
mod messages;
mod publishing;
mod queues;
mod receiving;
mod recorded;
mod replay;
mod subscriptions;
mod topics;
mod world;

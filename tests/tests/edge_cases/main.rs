//! Where others got burnt, from a queue through host, handler, store and relay to the end. What one
//! part can show alone is tested with that part.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fifo;
mod leases;
mod queues;
mod redrive;
mod relay;
mod support;

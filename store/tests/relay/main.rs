//! What the relay promises, against the embedded DynamoDB and topics that do as they are told.

// What stands around the tests proper is test code too.
#![allow(clippy::unwrap_used)]

mod destinations;
mod drain;
mod fast;
mod kill;
mod ordered;
mod parked;
mod republish;
mod retry;
mod several;
mod shutdown;
mod status;
mod stream;
mod sweep;
mod topics;
mod world;

//! The event-source mapping of a table's stream, as a function sees it.

// What stands around the tests proper is test code too.
#![allow(clippy::unwrap_used)]

mod event;
mod failures;
mod order;
mod world;

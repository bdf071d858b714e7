//! What the store promises about effects that happen once.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod clock_and_ttl;
mod emissions;
mod faults;
mod lease;
mod limits;
mod lost_answers;
#[cfg(feature = "mutations")]
mod mutations;
mod once;
mod others_mistakes;
mod support;
mod table;
mod transaction;
mod tries;

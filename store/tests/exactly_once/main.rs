//! What the store promises about effects that happen once.

mod clock_and_ttl;
mod emissions;
mod limits;
mod lost_answers;
mod once;
mod support;
mod transaction;

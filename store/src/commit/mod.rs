//! A commit: everything that belongs together, in one `TransactWriteItems`.

mod effects;
mod judge;
mod outbox;
mod plan;
mod send;
mod size;

pub(crate) use effects::{Effects, effects};
pub(crate) use plan::Plan;
pub(crate) use send::{Sent, lost};

//! `async fn(Delivery<E>) -> Result<Handled, Failure>`: a service declares its events and such
//! handlers once, and the very same value runs in an ECS worker, in a Lambda function and in
//! process, with each event's effect applied exactly once.
//!
//! This crate is the contract between an event, a handler and a host. It knows no AWS SDK. With the
//! feature `host` it brings the loop that serves a consumer from any queue, with `memory` the
//! in-process broker and faults on purpose besides.

mod account;
mod app;
mod attribute;
mod backoff;
mod batch;
mod clock;
mod dead_letter;
mod delivery;
mod envelope;
mod event;
mod failure;
#[cfg(feature = "memory")]
pub mod fault;
mod handler;
#[cfg(feature = "host")]
pub mod host;
mod id;
mod lost;
#[cfg(feature = "memory")]
pub mod memory;
mod message;
pub mod metric;
mod names;
mod outcome;
mod outgoing;
pub mod port;
mod router;
pub mod semconv;
mod settle;
pub mod table;
pub mod topology;
pub mod wire;
mod wiring;

pub use account::{Account, AccountError};
pub use app::{App, Producer};
pub use attribute::AttributeError;
pub use backoff::Backoff;
pub use batch::{BATCH_ENTRIES, BatchEntry, Fill, batches};
pub use clock::Clock;
pub use delivery::{Context, Delivery, Undeclared};
pub use envelope::{Envelope, EnvelopeError};
pub use event::{Command, Event, is_fifo};
pub use failure::{Advice, BoxError, Failure, Handled, Terminal};
pub use handler::Handler;
pub use id::{DedupeKey, derived_id, new_id};
pub use lost::{Lose, Lost};
pub use message::{Attribute, Attributes, Message, wire_size};
pub use names::{dead_letter_name, function_name, message_group, queue_name, topic_name, undelivered_name};
pub use outcome::{Outcome, RetryPolicy, Undecodable, Verdict, What};
pub use outgoing::{Destination, Draft, EncodeError, Outgoing};
pub use router::{Router, RouterService};
pub use settle::settle;
pub use topology::Topology;
pub use wiring::{Place, WiringError, WiringErrors, WiringWarning};

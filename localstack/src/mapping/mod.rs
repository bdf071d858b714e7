//! Event-source mappings inside the process: what Lambda's own pollers do between a source and a
//! function, JSON in and JSON out, with Lambda's rules for what is done and what comes again.

mod batch;
mod error;
mod queue;
mod reader;
mod record;
mod reply;
mod shard;
mod stream;

pub use self::error::MappingError;
pub use self::queue::QueueMapping;
pub use self::stream::StreamMapping;

/// The most bytes of an event: Lambda's limit for a payload.
const EVENT_BYTES: usize = 6 * 1024 * 1024;

//! How often a consumer tried a message and failed, where the queue's receives say too little.
//!
//! `pk` = `tries#{len}:{consumer}{len}:{message id}`, `sk` = `tries`.

use super::{Item, Key, Reader, RecordError, delimited, partition};

/// The sort key.
pub(crate) const SORT: &str = "tries";
/// How many tries failed (N).
pub(crate) const FAILED: &str = "failed";

/// The key of this message's record.
pub(crate) fn key(consumer: &str, message: &str) -> Key {
    Key::new(partition("tries", &delimited(&[consumer, message])), SORT)
}

/// The count, in the record or in what an update answers.
pub(crate) fn failed(item: &Item) -> Result<u32, RecordError> {
    Reader::new(item).number(FAILED)
}

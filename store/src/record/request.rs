//! That a caller's request under an idempotency key was done, and what it gave.
//!
//! `pk` = `request#{len}:{caller}{len}:{operation}{len}:{key}`, `sk` = `request`.

use super::{EXPIRES_AT, Item, Key, Reader, RecordError, Seconds, delimited, number, partition, text};

/// The sort key.
pub(crate) const SORT: &str = "request";
/// The hash of the request's body (S).
pub(crate) const HASH: &str = "hash";
/// What the first one gave, as JSON (S).
pub(crate) const RESULT: &str = "result";
/// The commit that wrote it (S).
pub(crate) const COMMIT: &str = "commit";

/// The record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestRecord {
    pub(crate) pk: String,
    pub(crate) hash: String,
    pub(crate) result: String,
    pub(crate) commit: String,
    /// Until when a repeat is recognised. Not by DynamoDB's own deletion, which comes days late.
    pub(crate) expires_at: Seconds,
}

/// The key of a request's record.
pub(crate) fn key(caller: &str, operation: &str, key: &str) -> Key {
    Key::new(partition("request", &delimited(&[caller, operation, key])), SORT)
}

impl RequestRecord {
    pub(crate) fn item(&self) -> Item {
        let mut item = Key::new(&self.pk, SORT).item();
        item.insert(HASH.to_owned(), text(&self.hash));
        item.insert(RESULT.to_owned(), text(&self.result));
        item.insert(COMMIT.to_owned(), text(&self.commit));
        item.insert(EXPIRES_AT.to_owned(), number(self.expires_at));
        item
    }

    pub(crate) fn read(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        Ok(Self {
            pk: reader.text(super::PK)?,
            hash: reader.text(HASH)?,
            result: reader.text(RESULT)?,
            commit: reader.text(COMMIT)?,
            expires_at: reader.number(EXPIRES_AT)?,
        })
    }
}

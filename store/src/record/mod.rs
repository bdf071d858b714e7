//! Our records: how each is named, and what it holds, typed. One module a kind; nothing else knows
//! an attribute's name.

pub(crate) mod head;
pub(crate) mod inbox;
pub(crate) mod outbox;
mod read;
pub(crate) mod request;
pub(crate) mod shard;
mod time;
pub(crate) mod tries;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

pub(crate) use read::Reader;
pub use read::RecordError;
pub(crate) use time::{Millis, Seconds};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The partition key of every record (S).
pub(crate) const PK: &str = "pk";
/// The sort key of every record (S).
pub(crate) const SK: &str = "sk";
/// The table's TTL attribute (N, epoch seconds). Records that must stay have none.
pub(crate) const EXPIRES_AT: &str = "expires_at";
/// The hash key of the index of pending records (S); see [`shard`].
pub(crate) const SHARD: &str = "shard";
/// The range key of that index (N, epoch milliseconds): when a relay may take it.
pub(crate) const DUE: &str = "due";
/// The name of that index: sparse, with keys only.
pub(crate) const PENDING: &str = "pending";

/// The longest partition key that DynamoDB takes, in bytes.
const LONGEST_KEY: usize = 2048;
/// For digests of names that are longer (a random UUID, fixed for ever).
const LONG_NAMES: Uuid = Uuid::from_u128(0x2f55_9e0c_1d0b_4c55_b1f8_6f0c_8d9e_77a3);

/// The primary key of one of our records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }

    /// The key of an item that was read.
    pub(crate) fn of(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        Ok(Self::new(reader.text(PK)?, reader.text(SK)?))
    }

    /// As the SDK takes it.
    pub(crate) fn item(&self) -> Item {
        Item::from([(PK.to_owned(), text(&self.pk)), (SK.to_owned(), text(&self.sk))])
    }
}

/// `kind#name`, or a digest of the name where it is longer than a partition key may be: the parts of
/// a name come from outside.
fn partition(kind: &str, name: &str) -> String {
    if kind.len() + 1 + name.len() <= LONGEST_KEY {
        format!("{kind}#{name}")
    } else {
        // A name begins with a length, so that none looks like this.
        format!("{kind}#digest:{}", Uuid::new_v5(&LONG_NAMES, name.as_bytes()))
    }
}

/// The parts, each behind its length in bytes, so that no two lists run together.
fn delimited(parts: &[&str]) -> String {
    parts
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect()
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_KEY, delimited, partition};

    #[test]
    fn a_name_longer_than_a_key_may_be_gets_a_digest_of_its_own() {
        let long = |last: char| delimited(&[&"x".repeat(LONGEST_KEY), &last.to_string()]);
        let (a, b) = (partition("inbox", &long('a')), partition("inbox", &long('b')));
        assert!(a.len() < LONGEST_KEY);
        assert_ne!(a, b);
        assert_eq!(a, partition("inbox", &long('a')));
        assert_eq!(partition("inbox", "1:a"), "inbox#1:a");
        assert_eq!(partition("k", &"x".repeat(2046)).len(), LONGEST_KEY);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(delimited(&["a", "bc"]), delimited(&["ab", "c"]));
    }
}

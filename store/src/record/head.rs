//! The ordered outbox of one key of one FIFO topic.
//!
//! `pk` = `key#{len}:{topic}{len}:{key}`. `sk` = `head`: what is still to be published, in order, and
//! how many there ever were. `sk` = `seq#{20 digits}`: one that was published, kept for a while.

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::Outgoing;

use super::outbox::Indexed;
use super::{
    EXPIRES_AT, Item, Key, PK, Reader, RecordError, SK, Seconds, delimited, number, partition, text,
};

/// The sort key of a head.
pub(crate) const SORT: &str = "head";
/// What the partition key begins with.
pub(crate) const PARTITION: &str = "key#";
/// What the sort key of a published event begins with.
pub(crate) const PUBLISHED: &str = "seq#";
/// How many events of this key were ever appended (N).
pub(crate) const SEQUENCE: &str = "seq";
/// Those still to be published (L of M), the next one first.
pub(crate) const PENDING: &str = "pending";
/// An event's id, in an element of [`PENDING`] (S).
pub(crate) const ID: &str = "id";
/// An event as JSON, in an element of [`PENDING`] or in a published record (S).
pub(crate) const BODY: &str = "body";
/// How often publishing the first one failed (N); absent while it didn't.
pub(crate) const ATTEMPTS: &str = "attempts";
/// Why the first one failed or was parked (S).
pub(crate) const REASON: &str = "reason";

/// How many events of one key may wait to be published: an append beyond is refused until the relay
/// has caught up. A single key reaches it only while its topic can't be published to.
pub(crate) const CAP: usize = 1_000;

/// A head: what is to be published of one key.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) pk: String,
    pub(crate) sequence: u64,
    pub(crate) pending: Vec<Waiting>,
    pub(crate) index: Option<Indexed>,
    pub(crate) attempts: u32,
    pub(crate) reason: Option<String>,
}

/// An event that waits in a head.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    /// An [`Outgoing`] as JSON, without its sequence.
    pub(crate) body: String,
}

/// An event of a key that was published, under its number.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) pk: String,
    pub(crate) sequence: u64,
    pub(crate) body: String,
    pub(crate) expires_at: Seconds,
}

/// The partition of one key of one FIFO topic.
pub(crate) fn partition_of(topic: &str, key: &str) -> String {
    partition("key", &delimited(&[topic, key]))
}

/// The key of its head.
pub(crate) fn key(topic: &str, key: &str) -> Key {
    Key::new(partition_of(topic, key), SORT)
}

impl Head {
    pub(crate) fn key(&self) -> Key {
        Key::new(&self.pk, SORT)
    }

    pub(crate) fn read(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        Ok(Self {
            pk: reader.text(PK)?,
            sequence: reader.number(SEQUENCE)?,
            pending: reader
                .list(PENDING)?
                .iter()
                .map(|waiting| Waiting::read(reader, waiting))
                .collect::<Result<_, _>>()?,
            index: Indexed::read(reader)?,
            attempts: reader.optional_number(ATTEMPTS)?.unwrap_or(0),
            reason: reader.optional_text(REASON)?,
        })
    }

    /// The number within its key of the `index`th of those pending, counted from 1 over all time.
    pub(crate) fn sequence_of(&self, index: usize) -> u64 {
        (self.sequence + index as u64 + 1).saturating_sub(self.pending.len() as u64)
    }
}

/// How many events of its key the image of a head has seen.
pub(crate) fn sequence_in(image: &Item) -> Option<u64> {
    Reader::new(image).optional_number(SEQUENCE).ok()?
}

impl Waiting {
    pub(crate) fn new(outgoing: &Outgoing) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: outgoing.envelope.id().to_owned(),
            body: serde_json::to_string(outgoing)?,
        })
    }

    /// As it lies in [`PENDING`].
    pub(crate) fn value(&self) -> AttributeValue {
        AttributeValue::M(Item::from([
            (ID.to_owned(), text(&self.id)),
            (BODY.to_owned(), text(&self.body)),
        ]))
    }

    /// What is to be published, with its number within its key.
    pub(crate) fn outgoing(&self, sequence: u64) -> Result<Outgoing, serde_json::Error> {
        numbered(&self.body, sequence)
    }

    fn read(record: Reader<'_>, value: &AttributeValue) -> Result<Self, RecordError> {
        let reader = record.within(value, PENDING)?;
        Ok(Self {
            id: reader.text(ID)?,
            body: reader.text(BODY)?,
        })
    }
}

impl Published {
    pub(crate) fn key(&self) -> Key {
        Key::new(&self.pk, sort(self.sequence))
    }

    pub(crate) fn item(&self) -> Item {
        let mut item = self.key().item();
        item.insert(BODY.to_owned(), text(&self.body));
        item.insert(EXPIRES_AT.to_owned(), number(self.expires_at));
        item
    }

    pub(crate) fn read(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        Ok(Self {
            pk: reader.text(PK)?,
            sequence: sequence(&reader.text(SK)?)
                .ok_or_else(|| reader.wrong(SK, "something else than a number in"))?,
            body: reader.text(BODY)?,
            expires_at: reader.number(EXPIRES_AT)?,
        })
    }

    /// What was published, with its number within its key.
    pub(crate) fn outgoing(&self) -> Result<Outgoing, serde_json::Error> {
        numbered(&self.body, self.sequence)
    }
}

/// The sort key of the published event with this number: 20 digits, so that text order is number order.
pub(crate) fn sort(sequence: u64) -> String {
    format!("{PUBLISHED}{sequence:020}")
}

fn sequence(sort: &str) -> Option<u64> {
    sort.strip_prefix(PUBLISHED)?.parse().ok()
}

fn numbered(body: &str, sequence: u64) -> Result<Outgoing, serde_json::Error> {
    let outgoing: Outgoing = serde_json::from_str(body)?;
    Ok(Outgoing {
        envelope: outgoing.envelope.with_sequence(sequence),
        ..outgoing
    })
}

//! The unordered outbox of one commit: its events, each with a state of its own.
//!
//! `pk` = `outbox#{commit id}` (and `#1`, `#2` .. behind it where one item can't hold them all),
//! `sk` = `commit`.

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::{Destination, Envelope, Outgoing};

use super::{DUE, EXPIRES_AT, Item, Key, Millis, Reader, RecordError, SHARD, Seconds, number, text};

/// The sort key.
pub(crate) const SORT: &str = "commit";
/// What the partition key begins with.
pub(crate) const PARTITION: &str = "outbox#";
/// The commit's id (S).
pub(crate) const COMMIT: &str = "commit";
/// The events (L of M).
pub(crate) const EVENTS: &str = "events";
/// How often the record was changed (N): a relay writes only over what it has read.
pub(crate) const REVISION: &str = "rev";
/// When it was written (N, epoch ms).
pub(crate) const CREATED_AT: &str = "created_at";

// Of an event.
const DESTINATION: &str = "destination";
const KEY: &str = "key";
const TENANT: &str = "tenant";
const ENVELOPE: &str = "envelope";
/// What became of an event, in an element of [`EVENTS`] (S).
pub(crate) const STATE: &str = "state";
/// How often publishing it failed, in an element of [`EVENTS`] (N).
pub(crate) const ATTEMPTS: &str = "attempts";
/// Why, in an element of [`EVENTS`] (S).
pub(crate) const REASON: &str = "reason";

/// The record.
#[derive(Clone, Debug)]
pub(crate) struct OutboxRecord {
    /// The commit that wrote it.
    pub(crate) commit: String,
    /// Which of the commit's records it is, from 0.
    pub(crate) part: usize,
    /// Its events, in the order they were emitted.
    pub(crate) events: Vec<OutboxEvent>,
    /// How often it was changed since it was written.
    pub(crate) revision: u64,
    /// Where the index has it, while anything is pending or parked.
    pub(crate) index: Option<Indexed>,
    /// When it was written.
    pub(crate) created_at: Millis,
    /// When it may go; none while anything is pending or parked.
    pub(crate) expires_at: Option<Seconds>,
}

/// A record's place in the index of pending ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// See [`shard`](super::shard).
    pub(crate) shard: String,
    /// When a relay may take it.
    pub(crate) due: Millis,
}

/// One event of an outbox record.
#[derive(Clone, Debug)]
pub(crate) struct OutboxEvent {
    pub(crate) outgoing: Outgoing,
    pub(crate) state: EventState,
    /// How often publishing it failed.
    pub(crate) attempts: u32,
    /// Why it was parked, or why it failed last.
    pub(crate) reason: Option<String>,
}

/// What became of an event so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventState {
    /// To be published.
    Pending,
    /// Confirmed by its destination.
    Published,
    /// Refused by its destination; waits for somebody to look at it.
    Parked,
}

impl OutboxRecord {
    pub(crate) fn key(&self) -> Key {
        key(&self.commit, self.part)
    }

    pub(crate) fn item(&self) -> Item {
        let mut item = self.key().item();
        item.insert(COMMIT.to_owned(), text(&self.commit));
        let events = self.events.iter().map(OutboxEvent::value).collect();
        item.insert(EVENTS.to_owned(), AttributeValue::L(events));
        item.insert(REVISION.to_owned(), number(self.revision));
        item.insert(CREATED_AT.to_owned(), number(self.created_at));
        if let Some(index) = &self.index {
            item.insert(SHARD.to_owned(), text(&index.shard));
            item.insert(DUE.to_owned(), number(index.due));
        }
        if let Some(expires_at) = self.expires_at {
            item.insert(EXPIRES_AT.to_owned(), number(expires_at));
        }
        item
    }

    pub(crate) fn read(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        let commit = reader.text(COMMIT)?;
        Ok(Self {
            part: part(&reader.text(super::PK)?, &commit)
                .ok_or_else(|| reader.wrong(super::PK, "another commit's id in"))?,
            commit,
            events: reader
                .list(EVENTS)?
                .iter()
                .map(|event| OutboxEvent::read(reader, event))
                .collect::<Result<_, _>>()?,
            revision: reader.number(REVISION)?,
            index: Indexed::read(reader)?,
            created_at: reader.number(CREATED_AT)?,
            expires_at: reader.optional_number(EXPIRES_AT)?,
        })
    }
}

impl Indexed {
    pub(crate) fn read(reader: Reader<'_>) -> Result<Option<Self>, RecordError> {
        let Some(shard) = reader.optional_text(SHARD)? else {
            return Ok(None);
        };
        let due = reader.number(DUE)?;
        Ok(Some(Self { shard, due }))
    }
}

impl OutboxEvent {
    pub(crate) fn pending(outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            state: EventState::Pending,
            attempts: 0,
            reason: None,
        }
    }

    /// As it lies in [`EVENTS`].
    pub(crate) fn value(&self) -> AttributeValue {
        let destination = match &self.outgoing.destination {
            Destination::Topic(name) => format!("topic/{name}"),
            Destination::Consumer(name) => format!("consumer/{name}"),
        };
        let mut event = Item::from([
            (DESTINATION.to_owned(), text(destination)),
            (ENVELOPE.to_owned(), text(self.outgoing.envelope.to_json())),
            (STATE.to_owned(), text(self.state.name())),
            (ATTEMPTS.to_owned(), number(self.attempts)),
        ]);
        let optional = [
            (KEY, &self.outgoing.key),
            (TENANT, &self.outgoing.tenant),
            (REASON, &self.reason),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                event.insert(name.to_owned(), text(value));
            }
        }
        AttributeValue::M(event)
    }

    fn read(record: Reader<'_>, value: &AttributeValue) -> Result<Self, RecordError> {
        let reader = record.within(value, EVENTS)?;
        let destination = reader.text(DESTINATION)?;
        let destination = match destination.split_once('/') {
            Some(("topic", name)) => Destination::Topic(name.to_owned()),
            Some(("consumer", name)) => Destination::Consumer(name.to_owned()),
            _ => return Err(reader.wrong(DESTINATION, "neither topic nor consumer in")),
        };
        let envelope = Envelope::parse(&reader.text(ENVELOPE)?)
            .map_err(|_| reader.wrong(ENVELOPE, "something else than a CloudEvent in"))?;
        let state = match reader.text(STATE)?.as_str() {
            "pending" => EventState::Pending,
            "published" => EventState::Published,
            "parked" => EventState::Parked,
            _ => return Err(reader.wrong(STATE, "an unknown state in")),
        };
        Ok(Self {
            outgoing: Outgoing {
                destination,
                key: reader.optional_text(KEY)?,
                tenant: reader.optional_text(TENANT)?,
                envelope,
            },
            state,
            attempts: reader.number(ATTEMPTS)?,
            reason: reader.optional_text(REASON)?,
        })
    }
}

impl EventState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Published => "published",
            Self::Parked => "parked",
        }
    }
}

/// The key of the `part`th outbox record of a commit.
pub(crate) fn key(commit: &str, part: usize) -> Key {
    match part {
        0 => Key::new(format!("outbox#{commit}"), SORT),
        part => Key::new(format!("outbox#{commit}#{part}"), SORT),
    }
}

fn part(pk: &str, commit: &str) -> Option<usize> {
    let rest = pk.strip_prefix(PARTITION)?.strip_prefix(commit)?;
    match rest.strip_prefix('#') {
        Some(part) => part.parse().ok(),
        None => rest.is_empty().then_some(0),
    }
}

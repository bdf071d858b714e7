//! Events that no further try would publish: listed, and put back once what stopped them is mended.

use std::fmt;

use fanfare::Destination;

use super::RelayError;
use super::change::Change;
use super::run::{Context, DIFFERS_TRIES};
use super::table::{BATCH_GET, Table, Written};
use super::unordered::{NEVER, change, index, place};
use crate::RecordError;
use crate::record::head::{self, Head, ID, PENDING, REASON};
use crate::record::outbox::{self, EventState, Indexed, OutboxRecord};
use crate::record::{Item, Key, SHARD, shard, text};

/// An event that waits for somebody to mend what stopped it and to [unpark](super::Relay::unpark) it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// Its record's key: where to find it in the table.
    pub(super) record: Key,
    /// Which event; none when the record itself can't be read.
    pub event: Option<ParkedEvent>,
    /// Why it is parked.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How many events of its key wait behind it.
    pub behind: usize,
}

/// What a parked event is called. What it holds is not here: this is for lists and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedEvent {
    /// The envelope's id.
    pub id: String,
    /// The envelope's source.
    pub source: String,
    /// The envelope's type.
    pub ty: String,
    /// Where it was to go.
    pub destination: Destination,
    /// The ordering key, when it has one.
    pub key: Option<String>,
}

impl Parked {
    /// The partition key of its record.
    pub fn pk(&self) -> &str {
        &self.record.pk
    }

    /// The sort key of its record.
    pub fn sk(&self) -> &str {
        &self.record.sk
    }
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event {
            Some(event) => write!(f, "{} {} to {}", event.ty, event.id, event.destination)?,
            None => write!(f, "the record {} / {}", self.record.pk, self.record.sk)?,
        }
        write!(f, " after {} attempts: {}", self.attempts, self.reason)
    }
}

impl ParkedEvent {
    fn of(outgoing: &fanfare::Outgoing) -> Self {
        Self {
            id: outgoing.envelope.id().to_owned(),
            source: outgoing.envelope.source().to_owned(),
            ty: outgoing.envelope.ty().to_owned(),
            destination: outgoing.destination.clone(),
            key: outgoing.key.clone(),
        }
    }
}

/// Every parked event, shard by shard.
pub(super) async fn parked(table: Table<'_>) -> Result<Vec<Parked>, RelayError> {
    let mut parked = Vec::new();
    for shard in (0..table.0.shards).map(shard::parked) {
        let mut from = None;
        loop {
            let page = table.due(&shard, NEVER, from).await?;
            for keys in page.items.chunks(BATCH_GET) {
                let keys = keys.iter().map(Key::of).collect::<Result<Vec<_>, _>>()?;
                let mut items = table.get_all(&keys).await?;
                // A batch is answered in no order.
                items.sort_by_cached_key(|item| Key::of(item).ok());
                for item in &items {
                    list(item, &mut parked)?;
                }
            }
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
    }
    Ok(parked)
}

fn list(item: &Item, parked: &mut Vec<Parked>) -> Result<(), RelayError> {
    let record = Key::of(item)?;
    // The record may have been unparked since the index was read.
    if !matches!(item.get(SHARD), Some(shard) if shard.as_s().is_ok_and(|shard| shard::is_parked(shard))) {
        return Ok(());
    }
    let unreadable = |record: &Key| Parked {
        record: record.clone(),
        event: None,
        reason: match item.get(REASON) {
            Some(reason) => reason.as_s().cloned().unwrap_or_default(),
            None => "it can't be read".to_owned(),
        },
        attempts: 0,
        behind: 0,
    };
    if record.sk == head::SORT {
        parked.push(match Head::read(item) {
            Ok(head) => of_head(record, &head),
            Err(_) => unreadable(&record),
        });
        return Ok(());
    }
    match OutboxRecord::read(item) {
        // Parked as a whole by a relay that could not read it.
        Ok(_) if item.contains_key(REASON) => parked.push(unreadable(&record)),
        Ok(found) => {
            let events = found.events.iter();
            for event in events.filter(|event| event.state == EventState::Parked) {
                parked.push(Parked {
                    record: record.clone(),
                    event: Some(ParkedEvent::of(&event.outgoing)),
                    reason: event.reason.clone().unwrap_or_default(),
                    attempts: event.attempts,
                    behind: 0,
                });
            }
        }
        Err(_) => parked.push(unreadable(&record)),
    }
    Ok(())
}

fn of_head(record: Key, head: &Head) -> Parked {
    let first = head.pending.first();
    Parked {
        record,
        event: first
            .and_then(|first| first.outgoing(head.sequence_of(0)).ok())
            .map(|outgoing| ParkedEvent::of(&outgoing)),
        reason: head.reason.clone().unwrap_or_default(),
        attempts: head.attempts,
        behind: head.pending.len().saturating_sub(1),
    }
}

/// Puts an event back to be published. Says whether it was still parked.
pub(super) async fn unpark(context: &Context<'_>, parked: &Parked) -> Result<bool, RelayError> {
    match &parked.event {
        Some(event) if parked.record.sk == outbox::SORT => {
            unpark_event(context, &parked.record, &event.id).await
        }
        event => unpark_record(context, &parked.record, event.as_ref().map(|event| &*event.id)).await,
    }
}

async fn unpark_event(context: &Context<'_>, key: &Key, id: &str) -> Result<bool, RelayError> {
    let mut item = context.table().get(key).await?;
    for _ in 0..DIFFERS_TRIES {
        let Some(read) = item else { return Ok(false) };
        let record = OutboxRecord::read(&read)?;
        let mut after = record.clone();
        let event = after
            .events
            .iter_mut()
            .find(|event| event.state == EventState::Parked && event.outgoing.envelope.id() == id);
        let Some(event) = event else { return Ok(false) };
        event.state = EventState::Pending;
        event.attempts = 0;
        event.reason = None;
        after.revision += 1;
        place(context, &mut after);
        // Whatever else is pending in it may go at once too.
        if let Some(index) = &mut after.index {
            index.due = context.now();
        }
        match context.table().change(change(&record, &after)).await? {
            Written::Done => return Ok(true),
            Written::Differs(now) => item = now,
        }
    }
    Err(RelayError::Contended { pk: key.pk.clone() })
}

/// Unparks a head, or a record that could not be read.
async fn unpark_record(context: &Context<'_>, key: &Key, first: Option<&str>) -> Result<bool, RelayError> {
    let Some(item) = context.table().get(key).await? else {
        return Ok(false);
    };
    let Some(shard) = item.get(SHARD).and_then(|shard| shard.as_s().ok()) else {
        return Ok(false);
    };
    if !shard::is_parked(shard) {
        return Ok(false);
    }
    let mut change = Change::new(key.clone());
    let path = change.at(SHARD);
    change.only_if_equal(&path, text(shard));
    if let Some(id) = first {
        let path = change.within(PENDING, 0, ID);
        change.only_if_equal(&path, text(id));
    }
    let place = Indexed {
        shard: shard::pending(number_of(context, shard)),
        due: context.now(),
    };
    index(&mut change, Some(&place));
    change.remove_attribute(REASON);
    if key.sk == head::SORT {
        change.remove_attribute(head::ATTEMPTS);
    }
    Ok(matches!(context.table().change(change).await?, Written::Done))
}

/// Parks a record that can't be read, as a whole: it would come up in every sweep.
pub(super) async fn park_unreadable(
    context: &Context<'_>,
    item: &Item,
    error: &RecordError,
) -> Result<(), RelayError> {
    tracing::warn!("parked: {error}");
    let (Ok(key), Some(shard)) = (Key::of(item), item.get(SHARD).and_then(|shard| shard.as_s().ok())) else {
        return Ok(());
    };
    let mut change = Change::new(key);
    let path = change.at(SHARD);
    change.only_if_equal(&path, text(shard));
    let place = Indexed {
        shard: shard::parked(number_of(context, shard)),
        due: NEVER,
    };
    index(&mut change, Some(&place));
    change.set_attribute(REASON, text(context.short(&error.to_string(), 1)));
    // Changed meanwhile: the next sweep reads it again.
    context.table().change(change).await.map(|_| ())
}

fn number_of(context: &Context<'_>, shard: &str) -> u32 {
    shard::number(shard).unwrap_or_else(|| shard::random(context.store.shards))
}

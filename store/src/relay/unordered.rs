//! Publishing the unordered events of one commit.

use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::port::PublishError;

use super::change::Change;
use super::run::{CONFIRM_PAUSES, CONFIRM_TRIES, Context, DIFFERS_TRIES};
use super::table::Written;
use crate::record::outbox::{
    ATTEMPTS, EVENTS, EventState, Indexed, OutboxEvent, OutboxRecord, REASON, REVISION, STATE,
};
use crate::record::{DUE, EXPIRES_AT, Item, Millis, SHARD, number, shard, text};

/// When a record comes up again of which everything left is parked: not before the year 10000.
pub(super) const NEVER: Millis = Millis(253_402_300_800_000);

/// Events whose change is spelt out: an expression has at most 4 KB, of which one takes up to 80 bytes.
/// When there are more, the list is written as a whole.
const ONE_BY_ONE: usize = 40;

/// What trying to publish an event came to.
#[derive(Clone, Debug)]
pub(super) enum Tried {
    /// Its destination confirmed it.
    Published,
    /// It is worth another try.
    Failed(String),
    /// No other try would do.
    Refused(String),
}

impl Tried {
    /// Whether the event isn't pending after it.
    pub(super) fn ends(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl From<Result<(), PublishError>> for Tried {
    fn from(result: Result<(), PublishError>) -> Self {
        match result {
            Ok(()) => Self::Published,
            Err(error) if error.is_retryable() => Self::Failed(error.to_string()),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// What trying the `index`th event of a record came to, which had failed so often before.
#[derive(Clone, Debug)]
struct Attempt {
    index: usize,
    failed_before: u32,
    tried: Tried,
}

/// Publishes what is pending in this record, and writes down what came of it. Gives the record as it is
/// then, if that is known.
pub(super) async fn relay(context: &Context<'_>, record: OutboxRecord) -> Option<OutboxRecord> {
    let replies: Vec<_> = record
        .events
        .iter()
        .enumerate()
        .filter(|(_, event)| event.state == EventState::Pending)
        .map(|(index, event)| (index, context.batches.publish(event.outgoing.clone())))
        .collect();
    let mut attempts = Vec::with_capacity(replies.len());
    for (index, reply) in replies {
        attempts.push(Attempt {
            index,
            failed_before: record.events[index].attempts,
            tried: reply.result().await.into(),
        });
    }
    for attempt in &attempts {
        warn(&record, attempt);
    }
    confirm(context, record, &attempts).await
}

/// Writes it down in one write; over what others have written meanwhile, if they have.
async fn confirm(
    context: &Context<'_>,
    mut record: OutboxRecord,
    attempts: &[Attempt],
) -> Option<OutboxRecord> {
    let key = record.key();
    let (mut failures, mut differences) = (0, 0);
    while let Some(after) = after(context, &record, attempts) {
        match context.table().change(change(&record, &after)).await {
            Ok(Written::Done) => {
                if attempts.iter().any(|attempt| attempt.tried.ends()) {
                    context.progress.fetch_add(1, Ordering::Relaxed);
                }
                return Some(after);
            }
            Ok(Written::Differs(item)) => {
                differences += 1;
                match read_again(item) {
                    Some(now) if differences < DIFFERS_TRIES => record = now,
                    _ => return None,
                }
            }
            Err(error) => {
                failures += 1;
                if failures == CONFIRM_TRIES {
                    tracing::warn!(record = %key.pk, error = &error as &dyn std::error::Error,
                        "published and not written down: it will be published again");
                    return None;
                }
                tokio::time::sleep(CONFIRM_PAUSES.delay(failures)).await;
            }
        }
    }
    Some(record)
}

fn read_again(item: Option<Item>) -> Option<OutboxRecord> {
    OutboxRecord::read(&item?)
        .inspect_err(|error| tracing::warn!("{error}"))
        .ok()
}

/// The record as it is to be after these attempts; none when they change nothing in it.
fn after(context: &Context<'_>, record: &OutboxRecord, attempts: &[Attempt]) -> Option<OutboxRecord> {
    let mut after = record.clone();
    let count = record.events.len();
    let mut changed = false;
    for attempt in attempts {
        let Some(event) = after.events.get_mut(attempt.index) else {
            continue;
        };
        match (&attempt.tried, event.state) {
            (_, EventState::Published) => continue,
            (Tried::Published, _) => event.state = EventState::Published,
            // Somebody else tried it too, and has written down how that went.
            (_, EventState::Parked) => continue,
            (_, EventState::Pending) if event.attempts != attempt.failed_before => continue,
            (Tried::Failed(reason), EventState::Pending) => {
                event.attempts += 1;
                event.reason = Some(context.short(reason, count));
            }
            (Tried::Refused(reason), EventState::Pending) => {
                event.state = EventState::Parked;
                event.attempts += 1;
                event.reason = Some(context.short(reason, count));
            }
        }
        changed = true;
    }
    if !changed {
        return None;
    }
    after.revision += 1;
    place(context, &mut after);
    Some(after)
}

/// Puts a record where its events' states say: in the index while any is pending or parked.
pub(super) fn place(context: &Context<'_>, record: &mut OutboxRecord) {
    let now = context.now();
    let number = record
        .index
        .as_ref()
        .and_then(|index| shard::number(&index.shard))
        .unwrap_or_else(|| shard::random(context.store.shards));
    let parked = record
        .events
        .iter()
        .any(|event| event.state == EventState::Parked);
    let failed = record
        .events
        .iter()
        .filter(|event| event.state == EventState::Pending)
        .map(|event| event.attempts)
        .max();
    let due = match failed {
        Some(0) => now,
        Some(failed) => now.plus(context.settings.backoff.delay(failed)),
        None => NEVER,
    };
    let shard = match (parked, failed) {
        (true, _) => shard::parked(number),
        (false, Some(_)) => shard::pending(number),
        (false, None) => {
            record.index = None;
            record.expires_at = Some(now.plus(context.store.published_for).ceil());
            return;
        }
    };
    record.index = Some(Indexed { shard, due });
}

/// The change that makes `after` of `before`.
pub(super) fn change(before: &OutboxRecord, after: &OutboxRecord) -> Change {
    let mut change = Change::new(after.key());
    let revision = change.at(REVISION);
    change.only_if_equal(&revision, number(before.revision));
    change.set(revision, number(after.revision));
    let changed = || before.events.iter().zip(&after.events).enumerate();
    if changed().filter(|(_, (old, new))| differ(old, new)).count() > ONE_BY_ONE {
        let events = after.events.iter().map(OutboxEvent::value).collect();
        change.set_attribute(EVENTS, AttributeValue::L(events));
    } else {
        for (index, (old, new)) in changed() {
            change_event(&mut change, index, old, new);
        }
    }
    index(&mut change, after.index.as_ref());
    if let Some(expires_at) = after.expires_at {
        change.set_attribute(EXPIRES_AT, number(expires_at));
    }
    change
}

fn differ(old: &OutboxEvent, new: &OutboxEvent) -> bool {
    old.state != new.state || old.attempts != new.attempts || old.reason != new.reason
}

fn change_event(change: &mut Change, index: usize, old: &OutboxEvent, new: &OutboxEvent) {
    if old.state != new.state {
        let path = change.within(EVENTS, index, STATE);
        change.set(path, text(new.state.name()));
    }
    if old.attempts != new.attempts {
        let path = change.within(EVENTS, index, ATTEMPTS);
        change.set(path, number(new.attempts));
    }
    if old.reason != new.reason {
        let path = change.within(EVENTS, index, REASON);
        match &new.reason {
            Some(reason) => change.set(path, text(reason)),
            None => change.remove(path),
        }
    }
}

/// Moves a record to its place in the index, or out of it.
pub(super) fn index(change: &mut Change, index: Option<&Indexed>) {
    match index {
        Some(index) => {
            change.set_attribute(SHARD, text(&index.shard));
            change.set_attribute(DUE, number(index.due));
        }
        None => {
            change.remove_attribute(SHARD);
            change.remove_attribute(DUE);
        }
    }
}

fn warn(record: &OutboxRecord, attempt: &Attempt) {
    let event = &record.events[attempt.index];
    let (envelope, destination) = (&event.outgoing.envelope, &event.outgoing.destination);
    let attempts = attempt.failed_before + 1;
    match &attempt.tried {
        Tried::Published => {}
        Tried::Failed(reason) => {
            tracing::warn!(id = envelope.id(), ty = envelope.ty(), %destination, attempts, reason,
                "not published, will be tried again");
        }
        Tried::Refused(reason) => {
            tracing::warn!(id = envelope.id(), ty = envelope.ty(), %destination, attempts, reason,
                "parked: its destination refuses it");
        }
    }
}

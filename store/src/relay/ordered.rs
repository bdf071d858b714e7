//! Publishing the events of one ordered key, in their order.

use std::sync::atomic::Ordering;

use super::change::Change;
use super::run::{CONFIRM_PAUSES, CONFIRM_TRIES, Context, DIFFERS_TRIES};
use super::table::Written;
use super::unordered::{NEVER, Tried, index};
use crate::record::head::{ATTEMPTS, Head, ID, PENDING, Published, REASON};
use crate::record::outbox::Indexed;
use crate::record::{Item, Key, Millis, number, shard, text};
use crate::wake::GRACE;

/// Events of a key that are published, one after the other, before they are taken from its head in one
/// transaction: so many are published again when the relay is killed in between.
const RUN: usize = 10;

/// What became of a head.
#[derive(Debug)]
enum Confirmed {
    /// It is this now, and there may be more to do.
    Goes(Head),
    /// It is this now, and waits.
    Waits(Head),
    /// It is gone, can't be read or written, or others change it all the time.
    Unknown,
}

/// What publishing the first events of a head came to.
#[derive(Debug)]
struct Attempt {
    /// So many of them were confirmed by their topic, in their order.
    published: usize,
    /// Why the next one wasn't.
    failed: Option<Tried>,
}

/// Publishes what is pending of this key, until nothing is or the first of it fails.
pub(super) async fn relay(context: &Context<'_>, key: &Key) {
    match context.table().get(key).await {
        Ok(Some(item)) => {
            if let Some(head) = read(&item) {
                drop(relay_head(context, head).await);
            }
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(record = %key.pk, error = &error as &dyn std::error::Error,
                "not read: left to the sweep");
        }
    }
}

/// As [`relay`], for a head that was just read. Gives it as it is then, if that is known.
pub(super) async fn relay_head(context: &Context<'_>, mut head: Head) -> Option<Head> {
    while !context.is_stopping() && is_ready(&head, context.now()) {
        let attempt = publish(context, &head).await;
        warn(&head, &attempt);
        match confirm(context, head, attempt).await {
            Confirmed::Goes(left) => head = left,
            Confirmed::Waits(left) => return Some(left),
            Confirmed::Unknown => return None,
        }
    }
    Some(head)
}

/// Whether its first event may be published now.
fn is_ready(head: &Head, now: Millis) -> bool {
    let put_off = |index: &Indexed| head.attempts > 0 && index.due > now;
    !head.pending.is_empty() && !is_parked(head) && !head.index.as_ref().is_some_and(put_off)
}

pub(super) fn is_parked(head: &Head) -> bool {
    head.index
        .as_ref()
        .is_some_and(|index| shard::is_parked(&index.shard))
}

/// Publishes the first events one by one: the next only after its topic has confirmed the one before.
async fn publish(context: &Context<'_>, head: &Head) -> Attempt {
    let mut published = 0;
    for waiting in head.pending.iter().take(RUN) {
        if published > 0 && context.is_stopping() {
            break;
        }
        let tried = match waiting.outgoing(head.sequence_of(published)) {
            Ok(outgoing) => context.batches.publish(outgoing).result().await.into(),
            Err(error) => Tried::Refused(format!("it can't be read: {error}")),
        };
        match tried {
            Tried::Published => published += 1,
            failed => {
                return Attempt {
                    published,
                    failed: Some(failed),
                };
            }
        }
    }
    Attempt {
        published,
        failed: None,
    }
}

/// Takes what was published from the head and writes down why the next one was not, in one write.
async fn confirm(context: &Context<'_>, mut head: Head, mut attempt: Attempt) -> Confirmed {
    let (mut failures, mut differences) = (0, 0);
    loop {
        let after = after(context, &head, &attempt);
        let puts: Vec<_> = published(context, &head, attempt.published)
            .map(|record| record.item())
            .collect();
        let change = change(&head, &after, attempt.published);
        let written = match puts.is_empty() {
            true => context.table().change(change).await,
            false => context.table().change_and_put(change, puts).await,
        };
        match written {
            Ok(Written::Done) => {
                if attempt.published > 0 || attempt.failed.as_ref().is_some_and(Tried::ends) {
                    context.progress.fetch_add(1, Ordering::Relaxed);
                }
                return match attempt.failed {
                    None => Confirmed::Goes(after),
                    Some(_) => Confirmed::Waits(after),
                };
            }
            Ok(Written::Differs(item)) => {
                let Some(now) = item.as_ref().and_then(read) else {
                    return Confirmed::Unknown;
                };
                differences += 1;
                if differences == DIFFERS_TRIES {
                    return Confirmed::Unknown;
                }
                // Appended to, or another relay was here: what that one took is not ours to take.
                let taken = now.sequence_of(0).saturating_sub(head.sequence_of(0));
                let taken = usize::try_from(taken).unwrap_or(usize::MAX);
                if taken > attempt.published || (taken == attempt.published && now.attempts != head.attempts)
                {
                    attempt.failed = None;
                }
                attempt.published = attempt.published.saturating_sub(taken).min(now.pending.len());
                if attempt.published == 0 && attempt.failed.is_none() {
                    return Confirmed::Goes(now);
                }
                head = now;
            }
            Err(error) => {
                failures += 1;
                if failures == CONFIRM_TRIES {
                    tracing::warn!(record = %head.pk, error = &error as &dyn std::error::Error,
                        "published and not written down: it will be published again");
                    return Confirmed::Unknown;
                }
                tokio::time::sleep(CONFIRM_PAUSES.delay(failures)).await;
            }
        }
    }
}

/// The head as it is to be after this attempt.
fn after(context: &Context<'_>, head: &Head, attempt: &Attempt) -> Head {
    let now = context.now();
    let mut after = head.clone();
    after.pending.drain(..attempt.published);
    if attempt.published > 0 {
        after.attempts = 0;
        after.reason = None;
    }
    if after.pending.is_empty() {
        after.index = None;
        return after;
    }
    let old = head.index.as_ref();
    let number = old
        .and_then(|index| shard::number(&index.shard))
        .unwrap_or_else(|| shard::random(context.store.shards));
    let index = match &attempt.failed {
        None | Some(Tried::Published) => {
            // Other relays are to leave it alone while this one is at it, without a write to the
            // index for each event.
            let kept = old.map(|index| index.due);
            let kept = kept.filter(|due| (now.plus(GRACE / 2)..=now.plus(GRACE)).contains(due));
            Indexed {
                shard: shard::pending(number),
                due: kept.unwrap_or(now.plus(GRACE)),
            }
        }
        Some(Tried::Failed(reason)) => {
            after.attempts += 1;
            after.reason = Some(context.short(reason, 1));
            Indexed {
                shard: shard::pending(number),
                due: now.plus(context.settings.backoff.delay(after.attempts)),
            }
        }
        Some(Tried::Refused(reason)) => {
            after.attempts += 1;
            after.reason = Some(context.short(reason, 1));
            Indexed {
                shard: shard::parked(number),
                due: NEVER,
            }
        }
    };
    after.index = Some(index);
    after
}

/// The change that makes `after` of `before` by taking its first events.
fn change(before: &Head, after: &Head, taken: usize) -> Change {
    let mut change = Change::new(before.key());
    let pending = change.at(PENDING);
    if let Some(first) = before.pending.first() {
        let id = change.within(PENDING, 0, ID);
        change.only_if_equal(&id, text(&first.id));
    }
    // DynamoDB takes them by where they were before. The last first, so that the same comes of it where they
    // are taken one after the other, as by MiniStack.
    for position in (0..taken).rev() {
        change.remove(format!("{pending}[{position}]"));
    }
    let size = format!("size({pending})");
    if after.pending.is_empty() {
        // Else an event appended meanwhile would be left behind in a head that no sweep finds.
        change.only_if_equal(&size, number(taken));
    } else if taken > 0 {
        // Else a head that others have emptied, and to which the same events were appended once more,
        // would stay in the index with nothing left in it.
        let taken = change.value(number(taken));
        change.only_if(format!("{size} > {taken}"));
    }
    if taken == 0 {
        let attempts = change.at(ATTEMPTS);
        match before.attempts {
            0 => change.only_if(format!("attribute_not_exists({attempts})")),
            failed => change.only_if_equal(&attempts, number(failed)),
        }
    }
    if before.index != after.index {
        index(&mut change, after.index.as_ref());
    }
    if before.attempts != after.attempts {
        match after.attempts {
            0 => change.remove_attribute(ATTEMPTS),
            failed => change.set_attribute(ATTEMPTS, number(failed)),
        }
    }
    if before.reason != after.reason {
        match &after.reason {
            Some(reason) => change.set_attribute(REASON, text(reason)),
            None => change.remove_attribute(REASON),
        }
    }
    change
}

/// The records of what was published, to be published again should a queue lose it.
fn published<'a>(
    context: &Context<'_>,
    head: &'a Head,
    count: usize,
) -> impl Iterator<Item = Published> + use<'a> {
    let expires_at = context.now().plus(context.store.published_for).ceil();
    head.pending
        .iter()
        .take(count)
        .enumerate()
        .map(move |(position, waiting)| Published {
            pk: head.pk.clone(),
            sequence: head.sequence_of(position),
            body: waiting.body.clone(),
            expires_at,
        })
}

fn read(item: &Item) -> Option<Head> {
    Head::read(item)
        .inspect_err(|error| tracing::warn!("{error}"))
        .ok()
}

fn warn(head: &Head, attempt: &Attempt) {
    let Some(event) = head.pending.get(attempt.published) else {
        return;
    };
    let attempts = match attempt.published {
        0 => head.attempts + 1,
        _ => 1,
    };
    match &attempt.failed {
        None | Some(Tried::Published) => {}
        Some(Tried::Failed(reason)) => {
            tracing::warn!(id = event.id, record = %head.pk, attempts, reason,
                "not published, will be tried again; its key waits");
        }
        Some(Tried::Refused(reason)) => {
            tracing::warn!(id = event.id, record = %head.pk, attempts, reason,
                "parked: its topic refuses it; its key waits until it is unparked");
        }
    }
}

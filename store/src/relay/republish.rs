//! Publishing again what was published, for queues that died with their process.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare::Outgoing;
use fanfare::port::Publish;
use futures_util::TryStreamExt;

use super::RelayError;
use super::run::{CONFIRM_PAUSES, Context, persist};
use super::unordered::Tried;
use crate::record::head::Published;
use crate::record::outbox::{self, EventState, OutboxRecord};
use crate::record::{Item, Key, Seconds};

/// Events, and keys, at a time.
const AT_A_TIME: usize = 64;

/// How often an event is tried, with the pauses of a write that fails in between.
const TRIES: u32 = 10;

/// Publishes it all, and says how many events it was.
pub(super) async fn republish(context: &Context<'_>, publish: &dyn Publish) -> Result<u64, RelayError> {
    let count = AtomicU64::new(0);
    tokio::select! {
        biased;
        done = all(context, &count) => done.map(|()| count.into_inner()),
        never = context.batches.drive(publish, context.settings.publish_within) => match never {},
    }
}

async fn all(context: &Context<'_>, count: &AtomicU64) -> Result<(), RelayError> {
    let mut keys = BTreeSet::new();
    let mut from = None;
    loop {
        let page = persist(|| context.table().scan_outbox(from.clone())).await?;
        let mut events = Vec::new();
        for item in &page.items {
            match Key::of(item)? {
                key if key.sk == outbox::SORT => events.extend(published(context, item)),
                key => {
                    keys.insert(key.pk);
                }
            }
        }
        futures_util::stream::iter(events.into_iter().map(Ok))
            .try_for_each_concurrent(AT_A_TIME, |event| again(context, event, count))
            .await?;
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    futures_util::stream::iter(keys.into_iter().map(Ok))
        .try_for_each_concurrent(AT_A_TIME, |pk| key_again(context, pk, count))
        .await
}

/// The published events of a commit.
fn published(context: &Context<'_>, item: &Item) -> Vec<Outgoing> {
    let record = match OutboxRecord::read(item) {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!("not published again: {error}");
            return Vec::new();
        }
    };
    if record.expires_at.is_some_and(|at| has_passed(context, at)) {
        return Vec::new();
    }
    record
        .events
        .into_iter()
        .filter(|event| event.state == EventState::Published)
        .map(|event| event.outgoing)
        .collect()
}

/// The published events of a key, one after the other.
async fn key_again(context: &Context<'_>, pk: String, count: &AtomicU64) -> Result<(), RelayError> {
    let mut from = None;
    loop {
        let page = persist(|| context.table().published(&pk, from.clone())).await?;
        for item in &page.items {
            let record = Published::read(item)?;
            if has_passed(context, record.expires_at) {
                continue;
            }
            match record.outgoing() {
                Ok(outgoing) => again(context, outgoing, count).await?,
                Err(error) => {
                    tracing::warn!(
                        record = record.pk,
                        sequence = record.sequence,
                        "not published again, it can't be read: {error}"
                    );
                }
            }
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

async fn again(context: &Context<'_>, outgoing: Outgoing, count: &AtomicU64) -> Result<(), RelayError> {
    let mut tries = 0;
    loop {
        match context.batches.publish(outgoing.clone()).result().await.into() {
            Tried::Published => {
                count.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Tried::Refused(reason) => {
                let envelope = &outgoing.envelope;
                tracing::warn!(
                    id = envelope.id(),
                    ty = envelope.ty(),
                    reason,
                    "not published again: its destination refuses it now"
                );
                return Ok(());
            }
            Tried::Failed(reason) => {
                tries += 1;
                if tries == TRIES {
                    return Err(RelayError::NotRepublished {
                        id: outgoing.envelope.id().to_owned(),
                        tries,
                        reason,
                    });
                }
                tokio::time::sleep(CONFIRM_PAUSES.delay(tries)).await;
            }
        }
    }
}

fn has_passed(context: &Context<'_>, at: Seconds) -> bool {
    at < context.now().floor()
}

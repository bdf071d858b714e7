//! Looking for what is due: commits whose wake was lost, what failed and is to be tried again, what
//! another relay left behind.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use fanfare::Backoff;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::RelayError;
use super::park::park_unreadable;
use super::run::{Claim, Context};
use super::table::BATCH_GET;
use crate::record::head::{self, Head};
use crate::record::outbox::{self, Indexed, OutboxRecord};
use crate::record::{Item, Key, Millis, RecordError, shard};

/// Shards that are read at a time.
const AT_A_TIME: usize = 4;

/// How long a shard that can't be read is left alone.
const SHARD_PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// A record that is due, as it was read just now.
#[derive(Debug)]
pub(super) enum Found {
    Unordered(OutboxRecord),
    Ordered(Head),
}

/// A shard of the index, and how reading it went.
struct Shard {
    name: String,
    failures: u32,
    not_before: Instant,
}

/// Sweeps again and again. The pause is random around the one set, so that several relays don't look
/// all at the same time for the same records.
pub(super) async fn sweep(context: &Context<'_>, found: mpsc::Sender<Vec<(Claim, Found)>>) -> Infallible {
    let mut shards: Vec<_> = names(context.store.shards)
        .map(|name| Shard {
            name,
            failures: 0,
            not_before: Instant::now(),
        })
        .collect();
    loop {
        fastrand::shuffle(&mut shards);
        let now = Instant::now();
        futures_util::stream::iter(shards.iter_mut().filter(|shard| shard.not_before <= now))
            .for_each_concurrent(AT_A_TIME, |shard| sweep_shard(context, shard, &found))
            .await;
        let pause = context.settings.sweep_every.mul_f64(0.5 + fastrand::f64());
        tokio::time::sleep(pause).await;
    }
}

/// Every value of the index's hash key.
pub(super) fn names(shards: u32) -> impl Iterator<Item = String> {
    (0..shards)
        .map(shard::pending)
        // Of a commit with a parked event others may be due.
        .chain((0..shards).map(shard::parked))
}

async fn sweep_shard(context: &Context<'_>, shard: &mut Shard, found: &mpsc::Sender<Vec<(Claim, Found)>>) {
    match read_shard(context, &shard.name, found).await {
        Ok(()) => shard.failures = 0,
        Err(error) => {
            shard.failures += 1;
            let pause = SHARD_PAUSES.delay(shard.failures);
            shard.not_before = Instant::now() + pause;
            tracing::warn!(
                shard = shard.name,
                error = &error as &dyn std::error::Error,
                ?pause,
                "this shard of the outbox was not swept"
            );
        }
    }
}

async fn read_shard(
    context: &Context<'_>,
    shard: &str,
    found: &mpsc::Sender<Vec<(Claim, Found)>>,
) -> Result<(), RelayError> {
    let until = due_until(context);
    let mut from = None;
    loop {
        let page = context.table().due(shard, until, from).await?;
        for keys in page.items.chunks(BATCH_GET) {
            let records = read_due(context, keys).await?;
            // Nobody takes them any more when the relay was stopped.
            if !records.is_empty() && found.send(records).await.is_err() {
                return Ok(());
            }
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// What is due by then is the sweep's.
fn due_until(context: &Context<'_>) -> Millis {
    context.now().minus(context.settings.sweep_after)
}

/// Reads the records themselves, which the index may lag behind, and gives those that are due.
async fn read_due(context: &Context<'_>, keys: &[Item]) -> Result<Vec<(Claim, Found)>, RelayError> {
    let mut claims = BTreeMap::new();
    for key in keys {
        let key = Key::of(key)?;
        if let Some(claim) = context.claim(&key.pk) {
            claims.insert(key, claim);
        }
    }
    let keys: Vec<_> = claims.keys().cloned().collect();
    let mut due = Vec::new();
    for item in context.table().get_all(&keys).await? {
        let claim = claims.remove(&Key::of(&item)?);
        match (claim, read(&item)) {
            (Some(claim), Ok(Some(found))) if found.is_due(due_until(context)) => due.push((claim, found)),
            (_, Ok(_)) => {}
            (_, Err(error)) => park_unreadable(context, &item, &error).await?,
        }
    }
    Ok(due)
}

fn read(item: &Item) -> Result<Option<Found>, RecordError> {
    Ok(match Key::of(item)?.sk.as_str() {
        outbox::SORT => Some(Found::Unordered(OutboxRecord::read(item)?)),
        head::SORT => Some(Found::Ordered(Head::read(item)?)),
        _ => None,
    })
}

impl Found {
    fn is_due(&self, until: Millis) -> bool {
        self.index().is_some_and(|index| index.due <= until)
    }

    fn index(&self) -> Option<&Indexed> {
        match self {
            Self::Unordered(record) => record.index.as_ref(),
            Self::Ordered(head) => head.index.as_ref(),
        }
    }
}

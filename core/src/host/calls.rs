//! The calls that a host makes on its queue, each bounded in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::job::Slot;
use super::measure::CallMeters;
use crate::port::{BoxFuture, DeadLetter, Queue, QueueError, Received};

/// How long a call that settles or extends may take; a receive has this on top of its wait. Longer
/// than the timeouts of a client below, whose errors say more.
const TIMEOUT: Duration = Duration::from_secs(12);
/// The same for the copy and the deletion of dead letters: giving up between them leaves two copies.
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(24);

type Entries<T> = Vec<(Slot, T)>;
type Results = Entries<Result<(), QueueError>>;

/// What a call came back with.
pub(super) enum Called<R> {
    /// With how many it had asked for.
    Received(usize, Result<Vec<Received<R>>, QueueError>),
    /// With when that call was made.
    Extended(Vec<Extended>, Instant),
    Deleted(Results),
    Released(Results),
    DeadLettered(Results),
}

/// A receipt to be extended by a time.
pub(super) struct Extension<R> {
    pub(super) slot: Slot,
    pub(super) generation: u64,
    pub(super) receipt: R,
    pub(super) time: Duration,
}

/// What one came to.
pub(super) struct Extended {
    pub(super) slot: Slot,
    pub(super) generation: u64,
    pub(super) time: Duration,
    pub(super) result: Result<(), QueueError>,
}

pub(super) type Call<R> = BoxFuture<'static, Called<R>>;

pub(super) fn receive<Q: Queue>(
    queue: &Arc<Q>,
    meters: &CallMeters,
    max: usize,
    wait: Duration,
) -> Call<Q::Receipt> {
    let (queue, meters) = (queue.clone(), meters.clone());
    Box::pin(async move {
        let called = Instant::now();
        let received = timeout(wait + TIMEOUT, queue.receive(max, wait)).await;
        let received = received.unwrap_or_else(|_| Err(late("receive", &*queue)));
        meters.duration.record(called.elapsed());
        meters
            .entries
            .record(received.as_ref().map_or(0, Vec::len) as f64);
        Called::Received(max, received)
    })
}

pub(super) fn extend<Q: Queue>(
    queue: &Arc<Q>,
    meters: &CallMeters,
    extensions: Vec<Extension<Q::Receipt>>,
) -> Call<Q::Receipt> {
    let (queue, meters) = (queue.clone(), meters.clone());
    Box::pin(async move {
        let called = Instant::now();
        let (mut slots, mut entries, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for extension in extensions {
            slots.push(extension.slot);
            asked.push((extension.generation, extension.time));
            entries.push((extension.receipt, extension.time));
        }
        let call = queue.extend(entries);
        let results = results("extend", &*queue, &meters, slots, TIMEOUT, call).await;
        let extended = |((slot, result), (generation, time))| Extended {
            slot,
            generation,
            time,
            result,
        };
        Called::Extended(results.into_iter().zip(asked).map(extended).collect(), called)
    })
}

/// Deletes; a job can have several receipts, and only the result of its first counts.
pub(super) fn delete<Q: Queue>(
    queue: &Arc<Q>,
    meters: &CallMeters,
    entries: Entries<Vec<Q::Receipt>>,
) -> Call<Q::Receipt> {
    let (queue, meters) = (queue.clone(), meters.clone());
    Box::pin(async move {
        let (mut slots, mut receipts) = (Vec::new(), Vec::new());
        for (slot, all) in entries {
            for receipt in all {
                slots.push(slot);
                receipts.push(receipt);
            }
        }
        let call = queue.delete(receipts);
        let mut results = results("delete", &*queue, &meters, slots, TIMEOUT, call).await;
        results.dedup_by_key(|(slot, _)| *slot);
        Called::Deleted(results)
    })
}

pub(super) fn release<Q: Queue>(
    queue: &Arc<Q>,
    meters: &CallMeters,
    entries: Entries<(Q::Receipt, Duration)>,
) -> Call<Q::Receipt> {
    let (queue, meters) = (queue.clone(), meters.clone());
    Box::pin(async move {
        let (slots, entries) = entries.into_iter().unzip();
        let call = queue.release(entries);
        Called::Released(results("release", &*queue, &meters, slots, TIMEOUT, call).await)
    })
}

pub(super) fn dead_letter<Q: Queue>(
    queue: &Arc<Q>,
    meters: &CallMeters,
    entries: Entries<(Received<Q::Receipt>, DeadLetter)>,
) -> Call<Q::Receipt> {
    let (queue, meters) = (queue.clone(), meters.clone());
    Box::pin(async move {
        let (slots, entries) = entries.into_iter().unzip();
        let call = queue.dead_letter(entries);
        let results = results("dead_letter", &*queue, &meters, slots, DEAD_LETTER_TIMEOUT, call).await;
        Called::DeadLettered(results)
    })
}

/// One result for each slot, whatever the call did.
async fn results<Q: Queue>(
    name: &'static str,
    queue: &Q,
    meters: &CallMeters,
    slots: Vec<Slot>,
    within: Duration,
    call: impl Future<Output = Vec<Result<(), QueueError>>>,
) -> Results {
    let called = Instant::now();
    let mut results = timeout(within, call).await.unwrap_or_default().into_iter();
    meters.duration.record(called.elapsed());
    meters.entries.record(slots.len() as f64);
    let mut result = || results.next().unwrap_or_else(|| Err(late(name, queue)));
    let results: Results = slots.into_iter().map(|slot| (slot, result())).collect();
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    if failed > 0 {
        meters.failures.increment(failed as u64);
    }
    results
}

fn late<Q: Queue>(call: &'static str, queue: &Q) -> QueueError {
    QueueError::Retryable {
        call,
        queue: queue.name().to_owned(),
        reason: "there was no answer in time".into(),
    }
}

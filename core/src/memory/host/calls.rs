//! The calls that a host makes on its queue, each bounded in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::job::Slot;
use crate::port::{BoxFuture, DeadLetter, Queue, QueueError, Received};

/// How long a call other than a receive may take; a receive has this on top of its wait.
const TIMEOUT: Duration = Duration::from_secs(8);

type Entries<T> = Vec<(Slot, T)>;
type Results = Entries<Result<(), QueueError>>;

/// What a call came back with.
pub(super) enum Called<R> {
    Received(Result<Vec<Received<R>>, QueueError>),
    /// Each with the time it was extended by, and when that call was made.
    Extended(Vec<(Slot, Duration, Result<(), QueueError>)>, Instant),
    Deleted(Results),
    Released(Results),
    DeadLettered(Results),
}

pub(super) type Call<R> = BoxFuture<'static, Called<R>>;

pub(super) fn receive<Q: Queue>(queue: &Arc<Q>, max: usize, wait: Duration) -> Call<Q::Receipt> {
    let queue = queue.clone();
    Box::pin(async move {
        let received = timeout(wait + TIMEOUT, queue.receive(max, wait)).await;
        Called::Received(received.unwrap_or_else(|_| Err(late("receive"))))
    })
}

pub(super) fn extend<Q: Queue>(queue: &Arc<Q>, entries: Entries<(Q::Receipt, Duration)>) -> Call<Q::Receipt> {
    let queue = queue.clone();
    Box::pin(async move {
        let called = Instant::now();
        let times: Vec<Duration> = entries.iter().map(|(_, (_, time))| *time).collect();
        let (slots, entries) = entries.into_iter().unzip();
        let results = results("extend", slots, queue.extend(entries)).await;
        let results = results
            .into_iter()
            .zip(times)
            .map(|((slot, result), time)| (slot, time, result));
        Called::Extended(results.collect(), called)
    })
}

/// Deletes; a job can have several receipts, and only the result of its first counts.
pub(super) fn delete<Q: Queue>(queue: &Arc<Q>, entries: Entries<Vec<Q::Receipt>>) -> Call<Q::Receipt> {
    let queue = queue.clone();
    Box::pin(async move {
        let (mut slots, mut receipts) = (Vec::new(), Vec::new());
        for (slot, all) in entries {
            for receipt in all {
                slots.push(slot);
                receipts.push(receipt);
            }
        }
        let mut results = results("delete", slots, queue.delete(receipts)).await;
        results.dedup_by_key(|(slot, _)| *slot);
        Called::Deleted(results)
    })
}

pub(super) fn release<Q: Queue>(
    queue: &Arc<Q>,
    entries: Entries<(Q::Receipt, Duration)>,
) -> Call<Q::Receipt> {
    let queue = queue.clone();
    Box::pin(async move {
        let (slots, entries) = entries.into_iter().unzip();
        Called::Released(results("release", slots, queue.release(entries)).await)
    })
}

pub(super) fn dead_letter<Q: Queue>(
    queue: &Arc<Q>,
    entries: Entries<(Received<Q::Receipt>, DeadLetter)>,
) -> Call<Q::Receipt> {
    let queue = queue.clone();
    Box::pin(async move {
        let (slots, entries) = entries.into_iter().unzip();
        Called::DeadLettered(results("dead_letter", slots, queue.dead_letter(entries)).await)
    })
}

/// One result for each slot, whatever the call did.
async fn results(
    name: &'static str,
    slots: Vec<Slot>,
    call: impl Future<Output = Vec<Result<(), QueueError>>>,
) -> Results {
    let mut results = timeout(TIMEOUT, call).await.unwrap_or_default().into_iter();
    slots
        .into_iter()
        .map(|slot| (slot, results.next().unwrap_or_else(|| Err(late(name)))))
        .collect()
}

fn late(call: &'static str) -> QueueError {
    QueueError::Retryable {
        call,
        queue: "the queue".into(),
        reason: "there was no answer in time".into(),
    }
}

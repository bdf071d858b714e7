//! Events that wait to be published, and the batches they go in.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare::port::{Publish, PublishError};
use fanfare::{BATCH_ENTRIES, Destination, Outgoing, metric};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use metrics::counter;
use tokio::sync::{Notify, oneshot};

/// Batches under way to one destination at a time.
const UNDER_WAY: usize = 4;
/// So many of them may go without being full: more would make small batches under load, fewer would
/// make the next event wait for a call that hangs.
const NOT_FULL: usize = 2;

/// Events that wait for their batch, by destination. Each destination has its own queue and calls, so
/// that one that doesn't answer holds up no other.
#[derive(Debug, Default)]
pub(super) struct Batches {
    lanes: Mutex<BTreeMap<Destination, Lane>>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    under_way: usize,
}

#[derive(Debug)]
struct Waiting {
    outgoing: Outgoing,
    reply: oneshot::Sender<Result<(), PublishError>>,
}

struct Batch {
    destination: Destination,
    outgoing: Vec<Outgoing>,
    replies: Vec<oneshot::Sender<Result<(), PublishError>>>,
}

/// What will become of an event in its batch.
pub(super) struct Reply {
    destination: Destination,
    reply: oneshot::Receiver<Result<(), PublishError>>,
}

impl Batches {
    /// Puts an event into its destination's queue at once; the reply is to be awaited while
    /// [`drive`](Self::drive) is.
    pub(super) fn publish(&self, outgoing: Outgoing) -> Reply {
        let (sender, reply) = oneshot::channel();
        let destination = outgoing.destination.clone();
        self.lanes()
            .entry(destination.clone())
            .or_default()
            .waiting
            .push_back(Waiting {
                outgoing,
                reply: sender,
            });
        self.added.notify_one();
        Reply { destination, reply }
    }

    /// Publishes what is put in, for as long as it is polled.
    pub(super) async fn drive(&self, publish: &dyn Publish, within: Duration) -> Infallible {
        let mut under_way = FuturesUnordered::new();
        loop {
            while let Some(batch) = self.next() {
                under_way.push(self.send(publish, within, batch));
            }
            tokio::select! {
                biased;
                Some(()) = under_way.next() => {}
                () = self.added.notified() => {}
            }
        }
    }

    fn next(&self) -> Option<Batch> {
        let mut lanes = self.lanes();
        let (destination, lane) = lanes.iter_mut().find(|(_, lane)| lane.may_send())?;
        lane.under_way += 1;
        let entries = lane.waiting.len().min(BATCH_ENTRIES);
        let (outgoing, replies) = lane
            .waiting
            .drain(..entries)
            .map(|waiting| (waiting.outgoing, waiting.reply))
            .unzip();
        Some(Batch {
            destination: destination.clone(),
            outgoing,
            replies,
        })
    }

    async fn send(&self, publish: &dyn Publish, within: Duration, batch: Batch) {
        let count = batch.replies.len();
        let answer = tokio::time::timeout(within, publish.publish(batch.outgoing)).await;
        let mut lanes = self.lanes();
        let lane = lanes.entry(batch.destination.clone()).or_default();
        lane.under_way -= 1;
        let results = match answer {
            Ok(results) => results,
            Err(_elapsed) => {
                // Whoever waits behind a destination that hangs would wait as long each in turn.
                for waiting in lane.waiting.drain(..) {
                    let _ = waiting.reply.send(Err(no_answer(&batch.destination)));
                }
                Vec::new()
            }
        };
        let confirmed = results.iter().take(count).filter(|result| result.is_ok()).count();
        measure(&batch.destination, confirmed, count - confirmed);
        // A batch that is answered in part is not confirmed in the other part.
        let missing = std::iter::repeat_with(|| Err(no_answer(&batch.destination)));
        for (reply, result) in batch.replies.into_iter().zip(results.into_iter().chain(missing)) {
            // Nobody waits any more when the relay was stopped.
            let _ = reply.send(result);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Destination, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn measure(destination: &Destination, confirmed: usize, failed: usize) {
    let destination = destination.to_string();
    let published = counter!(metric::OUTBOX_PUBLISHED, metric::DESTINATION => destination.clone());
    published.increment(confirmed as u64);
    if failed > 0 {
        counter!(metric::OUTBOX_FAILURES, metric::DESTINATION => destination).increment(failed as u64);
    }
}

impl Lane {
    fn may_send(&self) -> bool {
        let limit = match self.waiting.len() {
            0 => 0,
            1..BATCH_ENTRIES => NOT_FULL,
            _ => UNDER_WAY,
        };
        self.under_way < limit
    }
}

impl Reply {
    pub(super) async fn result(self) -> Result<(), PublishError> {
        self.reply
            .await
            .unwrap_or_else(|_dropped| Err(no_answer(&self.destination)))
    }
}

fn no_answer(destination: &Destination) -> PublishError {
    PublishError::Retryable {
        destination: destination.to_string(),
        reason: "no answer".to_owned(),
        source: None,
    }
}

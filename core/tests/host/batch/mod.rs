//! The host for batches keeps its promises, on any queue.

mod deadline;
mod fifo;
#[cfg(feature = "mutations")]
mod mutations;
mod outcomes;
mod settling;
mod storm;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::host::{BatchHost, Handed};
use fanfare::memory::{Broker, MemoryQueue, QueueSettings, Receipt, Redrive};
use fanfare::port::{BoxFuture, Queue, Received, Tries};
use fanfare::topology::FunctionSettings;
use fanfare::{Backoff, BoxError, Failure, Message, Outcome, Router, RouterService, dead_letter_name};
use tokio::time::Instant;
use tower::Service;

use crate::memory_support::*;

/// What an invocation has.
const TIME: Duration = Duration::from_secs(30);

/// A consumer as a function, with pauses of 1 s to 100 s, the same in each run of a test.
fn function(max_receives: u32, settings: FunctionSettings) -> RouterService {
    fastrand::seed(1);
    Router::new("consumer")
        .max_receives(max_receives)
        .backoff(Backoff::new(seconds(100), seconds(100)))
        .function(settings)
        .into_service()
        .unwrap()
}

/// A host of such a function.
fn batch_host<Q: Queue>(queue: Q, max_receives: u32) -> BatchHost<Q> {
    BatchHost::of(queue, &function(max_receives, FunctionSettings::default()))
}

/// A broker with a queue whose messages are hidden for 3 minutes.
fn broker_of(queue: &str, receives: u32) -> Broker {
    let broker = with_queue(queue, receives);
    let settings = QueueSettings {
        visibility_timeout: 6 * TIME,
        redrive: Some(Redrive {
            dead_letter_queue: dead_letter_name(queue),
            max_receive_count: receives,
        }),
        ..broker.queue_settings(queue).unwrap()
    };
    broker.set_queue(queue, settings).unwrap();
    broker
}

/// What was noted, with `later` for the pause of a backoff.
fn calls(diary: &Diary) -> Vec<String> {
    let later = |what: String| match what.strip_prefix("release ") {
        Some(pause) if pause != "0" => "release later".to_owned(),
        _ => what,
    };
    diary.whats().into_iter().map(later).collect()
}

/// Failed, to come again after this long.
fn failed_for(pause: u64) -> Outcome {
    Outcome::failed(None, Failure::retry_after(seconds(pause), "a passing fault"))
}

/// A batch, as the mapping receives it.
async fn receive(broker: &Broker, queue: &str, batch: usize) -> Vec<Received<Receipt>> {
    let queue = MemoryQueue::new(broker.clone(), queue);
    let mut all = Vec::new();
    while all.len() < batch {
        let received = queue.receive(batch - all.len(), Duration::ZERO).await.unwrap();
        if received.is_empty() {
            break;
        }
        all.extend(received);
    }
    all
}

/// What is named failed, by body.
fn bodies(handed: &Handed, batch: &[Received<Receipt>]) -> Vec<String> {
    let body = |id: &String| {
        let of = |received: &&Received<Receipt>| received.message.id == *id;
        batch.iter().find(of).unwrap().message.body.clone()
    };
    handed.failed.iter().map(body).collect()
}

/// Invokes the host with one batch after another, as a mapping does, until the queue is empty: what isn't
/// named failed is deleted.
async fn map<Q: Queue<Receipt = Receipt>, S>(broker: &Broker, queue: &str, host: &BatchHost<Q>, service: S)
where
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    let mapping = MemoryQueue::new(broker.clone(), queue);
    while broker.counts(queue).unwrap().total() > 0 {
        let batch = mapping.receive(10, seconds(20)).await.unwrap();
        if batch.is_empty() {
            continue;
        }
        let handed = host
            .handle(service.clone(), batch.clone(), Instant::now() + TIME)
            .await;
        let done = |received: &&Received<Receipt>| !handed.failed.contains(&received.message.id);
        let receipts = batch.iter().filter(done).map(|received| received.receipt);
        mapping.delete(receipts.collect()).await;
    }
}

/// Counts failed tries, unless it is broken.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<BTreeMap<String, u32>>>, bool);

impl Counter {
    fn broken() -> Self {
        Self(Arc::default(), true)
    }

    fn total(&self) -> u32 {
        self.0.lock().unwrap().values().sum()
    }
}

impl Tries for Counter {
    fn failed<'a>(&'a self, consumer: &'a str, message: &'a str) -> BoxFuture<'a, Result<u32, BoxError>> {
        Box::pin(async move {
            assert_eq!(consumer, "consumer");
            if self.1 {
                return Err("no route to the table".into());
            }
            let mut counts = self.0.lock().unwrap();
            let count = counts.entry(message.to_owned()).or_default();
            *count += 1;
            Ok(*count)
        })
    }
}

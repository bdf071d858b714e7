//! A queue, and what invocations saw of it.

use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use fanfare::Clock;
use fanfare::fault::FaultPlan;
use fanfare::memory::{Broker, Entry, QueueSettings};
use fanfare_local::mapping::QueueMapping;
use fanfare_local::{Dynamo, Local};
use serde_json::{Value, json};

/// Seconds since 1970 at which all tests begin.
pub(crate) const START: u64 = 1_700_000_000;
pub(crate) const VISIBILITY: Duration = Duration::from_secs(30);

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A world with these queues.
pub(crate) fn local(queues: &[&str]) -> Local {
    let clock = Clock::tokio(UNIX_EPOCH + seconds(START));
    let broker = Broker::new(clock.clone(), FaultPlan::none());
    for queue in queues {
        broker.create_queue(queue, QueueSettings::default()).unwrap();
    }
    Local::of(broker, Dynamo::memory(clock).unwrap())
}

pub(crate) fn send(local: &Local, queue: &str, bodies: impl IntoIterator<Item = impl Into<String>>) {
    for body in bodies {
        local.broker().send(queue, Entry::new(body)).unwrap();
    }
}

pub(crate) fn send_in_group(
    local: &Local,
    queue: &str,
    group: &str,
    bodies: impl IntoIterator<Item = impl Into<String>>,
) {
    for body in bodies {
        let entry = Entry {
            group: Some(group.to_owned()),
            deduplication_id: Some(fastrand::u64(..).to_string()),
            ..Entry::new(body)
        };
        local.broker().send(queue, entry).unwrap();
    }
}

/// Runs a mapping until the queue is empty.
pub(crate) async fn until_quiet<F>(
    local: &Local,
    queue: &str,
    mapping: QueueMapping,
    invoke: impl Fn(Value) -> F,
) where
    F: Future<Output = Result<Value, String>>,
{
    let quiet = async { local.broker().quiet([queue]).await.unwrap() };
    mapping.run(invoke, quiet).await.unwrap();
}

pub(crate) fn records(event: &Value) -> &Vec<Value> {
    event["Records"].as_array().unwrap()
}

pub(crate) fn bodies(event: &Value) -> Vec<String> {
    let bodies = records(event).iter();
    bodies
        .map(|record| record["body"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn failures(ids: impl IntoIterator<Item = impl Into<Value>>) -> Value {
    let failures = ids.into_iter().map(|id| json!({ "itemIdentifier": id.into() }));
    json!({ "batchItemFailures": failures.collect::<Vec<_>>() })
}

/// What invocations saw, in their order.
pub(crate) struct Seen<T>(Mutex<Vec<T>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T: Clone> Seen<T> {
    pub(crate) fn note(&self, seen: T) {
        self.0.lock().unwrap().push(seen);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

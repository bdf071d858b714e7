//! A queue with a dead-letter queue, a function behind it, and what its invocations were.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_types::SdkConfig;
use fanfare::fault::{FaultPlan, Life};
use fanfare::memory::{Broker, Entry, QueueSettings, Receive, ReceivedMessage, Redrive};
use fanfare::port::DEAD_LETTER_ATTRIBUTE;
use fanfare::{Attribute, Clock, Draft, Event, Router, dead_letter_name};
use fanfare_lambda::{Function, sqs_batch};
use fanfare_local::mapping::QueueMapping;
use fanfare_local::{Dynamo, Local};
use fanfare_store::{Inbox, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The queue's, and so the longest that a function may take.
pub(crate) const VISIBILITY: Duration = Duration::from_secs(60);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrderPlaced {
    pub(crate) order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order))
    }
}

/// What was seen, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Arc::default())
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

/// One invocation as its mapping saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invoked {
    /// Since the world began.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) orders: Vec<String>,
    /// The orders that the answer names as failed.
    pub(crate) failed: Vec<String>,
}

pub(crate) struct World {
    pub(crate) local: Local,
    pub(crate) clock: Clock,
    pub(crate) queue: &'static str,
    pub(crate) invoked: Seen<Invoked>,
    pub(crate) start: Instant,
}

impl World {
    /// With a queue that gives a message up after so many receives.
    pub(crate) fn new(queue: &'static str, receives: u32) -> Self {
        let clock = Clock::tokio(UNIX_EPOCH + seconds(1_750_000_000));
        let broker = Broker::new(clock.clone(), FaultPlan::none());
        let dead_letter_queue = dead_letter_name(queue);
        broker
            .create_queue(&dead_letter_queue, QueueSettings::default())
            .unwrap();
        let settings = QueueSettings {
            visibility_timeout: VISIBILITY,
            redrive: Some(Redrive {
                dead_letter_queue,
                max_receive_count: receives,
            }),
            ..QueueSettings::default()
        };
        broker.create_queue(queue, settings).unwrap();
        Self {
            local: Local::of(broker, Dynamo::memory(clock.clone()).unwrap()),
            clock,
            queue,
            invoked: Seen::default(),
            start: Instant::now(),
        }
    }

    /// An order's event as it lies in the queue.
    pub(crate) fn body(&self, order: &str) -> String {
        let order = OrderPlaced {
            order: order.to_owned(),
        };
        Draft::event(&order)
            .unwrap()
            .first("/checkout", &self.clock)
            .envelope
            .to_json()
    }

    pub(crate) fn send(&self, body: impl Into<String>, group: Option<&str>) {
        let entry = Entry {
            group: group.map(str::to_owned),
            deduplication_id: group.map(|_| fastrand::u64(..).to_string()),
            ..Entry::new(body)
        };
        self.local.broker().send(self.queue, entry).unwrap();
    }

    pub(crate) fn place(&self, orders: impl IntoIterator<Item = impl Into<String>>) {
        for order in orders {
            self.send(self.body(&order.into()), None);
        }
    }

    /// Orders of one group.
    pub(crate) fn place_in(&self, group: &str, orders: impl IntoIterator<Item = impl Into<String>>) {
        for order in orders {
            self.send(self.body(&order.into()), Some(group));
        }
    }

    pub(crate) fn function(&self, router: Router) -> Function {
        self.function_with(&self.local.sdk_config(), router)
    }

    pub(crate) fn function_with(&self, config: &SdkConfig, router: Router) -> Function {
        Function::new(config, router.into_service().unwrap()).clock(self.clock.clone())
    }

    pub(crate) fn mapping(&self) -> QueueMapping {
        QueueMapping::new(&self.local, self.queue).timeout(TIMEOUT)
    }

    /// One invocation, through the text that event and answer are on their way.
    pub(crate) async fn invoke(&self, function: &Function, event: Value, deadline: Duration) -> Value {
        let start = Instant::now();
        let text = event.to_string();
        let answer = sqs_batch(
            function,
            serde_json::from_str(&text).unwrap(),
            self.clock.now() + deadline,
        )
        .await;
        let answer = serde_json::to_value(&answer).unwrap();
        let orders: BTreeMap<_, _> = event["Records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| {
                (
                    record["messageId"].as_str().unwrap_or_default(),
                    order(&record["body"]),
                )
            })
            .collect();
        let failed = answer["batchItemFailures"].as_array().unwrap().iter();
        let failed = failed.map(|failed| orders[failed["itemIdentifier"].as_str().unwrap()].clone());
        let records = event["Records"].as_array().unwrap().iter();
        self.invoked.note(Invoked {
            at: start - self.start,
            took: start.elapsed(),
            orders: records.map(|record| order(&record["body"])).collect(),
            failed: failed.collect(),
        });
        answer
    }

    /// Invokes the function until the queue is empty.
    pub(crate) async fn serve(&self, function: &Function) {
        self.serve_with(self.mapping(), function).await;
    }

    pub(crate) async fn serve_with(&self, mapping: QueueMapping, function: &Function) {
        let quiet = async { self.local.broker().quiet([self.queue]).await.unwrap() };
        let invoke = |event| async { Ok(self.invoke(function, event, TIMEOUT).await) };
        mapping.run(invoke, quiet).await.unwrap();
    }

    /// What lies in the dead-letter queue: each order, and its reason.
    pub(crate) async fn dead_letters(&self) -> Vec<(String, Option<String>)> {
        let queue = dead_letter_name(self.queue);
        let mut letters = Vec::new();
        loop {
            let receive = Receive {
                max: 10,
                ..Receive::default()
            };
            let received = self.local.broker().receive(&queue, receive).await.unwrap();
            if received.is_empty() {
                return letters;
            }
            letters.extend(
                received
                    .iter()
                    .map(|letter| (order(&json!(letter.body)), reason(letter))),
            );
        }
    }

    /// The calls to SQS, which only the function makes.
    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        let calls = self.local.calls().into_iter();
        calls.filter(|(name, _)| name.starts_with("sqs.")).collect()
    }

    /// The inbox of a store in this world's tables.
    pub(crate) async fn inbox(&self) -> Inbox {
        let store = Store::new(self.local.dynamo().client(&Life::default()), "records");
        let store = store.clock(self.clock.clone());
        store.create_table().await.unwrap();
        store.inbox()
    }
}

/// The order in a body; the body itself where there is none.
fn order(body: &Value) -> String {
    let body = body.as_str().unwrap_or_default();
    let envelope: Value = serde_json::from_str(body).unwrap_or_default();
    envelope["data"]["order"].as_str().unwrap_or(body).to_owned()
}

fn reason(letter: &ReceivedMessage) -> Option<String> {
    let told = letter
        .attributes
        .get(DEAD_LETTER_ATTRIBUTE)
        .and_then(Attribute::text)?;
    let told: Value = serde_json::from_str(told).unwrap();
    Some(told["reason"].as_str().unwrap().to_owned())
}

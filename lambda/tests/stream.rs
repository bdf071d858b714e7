//! The relay behind the stream of the store's table, as Lambda invokes it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare::fault::Life;
use fanfare::port::{BoxFuture, Publish, PublishError};
use fanfare::table::Stream;
use fanfare::{Clock, Event, Outgoing};
use fanfare_lambda::outbox_stream;
use fanfare_local::Dynamo;
use fanfare_local::mapping::StreamMapping;
use fanfare_store::{Relay, Store, create_table, table};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const TABLE: &str = "records";

#[derive(Debug, Serialize, Deserialize)]
struct OrderPlaced(u32);

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

#[derive(Debug, Serialize, Deserialize)]
struct Posted(String, u32);

impl Event for Posted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.as_str().into())
    }
}

/// Topics that keep what arrives, and take nothing, or no end, of what a test says.
#[derive(Clone)]
struct Topics {
    arrived: Arc<Mutex<Vec<Outgoing>>>,
    takes: Arc<Mutex<Takes>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    NotThis(&'static str),
    Nothing,
    NoEnd,
}

impl Topics {
    fn new() -> Self {
        Self {
            arrived: Arc::default(),
            takes: Arc::new(Mutex::new(Takes::All)),
        }
    }

    fn take(&self, takes: Takes) {
        *self.takes.lock().unwrap() = takes;
    }

    fn data(&self) -> Vec<String> {
        let arrived = self.arrived.lock().unwrap();
        arrived
            .iter()
            .map(|one| one.envelope.data().unwrap().to_owned())
            .collect()
    }
}

impl Publish for Topics {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let takes = *self.takes.lock().unwrap();
            if takes == Takes::NoEnd {
                std::future::pending::<()>().await;
            }
            let publish = |one: Outgoing| {
                let refused = match takes {
                    Takes::NotThis(data) => one.envelope.data() == Some(data),
                    takes => takes == Takes::Nothing,
                };
                if refused {
                    return Err(PublishError::Retryable {
                        destination: one.destination.to_string(),
                        reason: "out of order".into(),
                        source: None,
                    });
                }
                self.arrived.lock().unwrap().push(one);
                Ok(())
            };
            outgoing.into_iter().map(publish).collect()
        })
    }
}

struct World {
    dynamo: Dynamo,
    clock: Clock,
    topics: Topics,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let world = Self {
            dynamo: Dynamo::memory(clock.clone()).unwrap(),
            clock,
            topics: Topics::new(),
        };
        let client = world.dynamo.client(&Life::default());
        create_table(&client, &table(TABLE).stream(Stream::NewImage))
            .await
            .unwrap();
        world
    }

    fn store(&self) -> Store {
        Store::new(self.dynamo.client(&Life::default()), TABLE).clock(self.clock.clone())
    }

    fn relay(&self) -> Relay {
        self.store().relay(self.topics.clone())
    }

    async fn place(&self, number: u32) {
        let transaction = self.store().outbox("test").transaction();
        transaction.emit(&OrderPlaced(number)).commit().await.unwrap();
    }

    fn calls(&self) -> u64 {
        self.dynamo.calls().values().sum()
    }

    fn deadline(&self, left: Duration) -> SystemTime {
        self.clock.now() + left
    }

    /// The stream as one event.
    async fn event(&self) -> Value {
        let event = Mutex::new(Value::Null);
        let keep = |shown| {
            *event.lock().unwrap() = shown;
            async { Ok(Value::Null) }
        };
        let mapping = StreamMapping::new(&self.dynamo, TABLE).shards(1);
        mapping.run(keep, sleep(Duration::from_millis(1))).await.unwrap();
        event.into_inner().unwrap()
    }

    /// What the function answers, through JSON both ways.
    async fn invoke(&self, relay: &Relay, event: Value, left: Duration) -> Value {
        let event = serde_json::from_value(event).unwrap();
        let answer = outbox_stream(relay, event, self.deadline(left)).await;
        serde_json::to_value(answer).unwrap()
    }
}

fn parse(event: &str) -> Value {
    serde_json::from_str(event).unwrap()
}

const INVOCATION: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn awss_events_are_read_and_ignored_without_a_call() {
    let world = World::new().await;
    let relay = world.relay();
    let before = world.calls();
    for event in [
        include_str!("data/dynamodb-update.json"),
        include_str!("data/dynamodb-expiry.json"),
        include_str!("data/dynamodb-types.json"),
        include_str!("data/dynamodb-null.json"),
    ] {
        let answer = world.invoke(&relay, parse(event), INVOCATION).await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }
    assert_eq!(world.calls(), before);
}

/// The form of AWS's own event around what the store writes.
#[tokio::test(start_paused = true)]
async fn a_record_of_the_outbox_in_awss_event_is_published() {
    let world = World::new().await;
    world.place(1).await;
    let shown = world.event().await;
    let mut event = parse(include_str!("data/dynamodb-update.json"));
    for part in ["Keys", "NewImage"] {
        event["Records"][0]["dynamodb"][part] = shown["Records"][0]["dynamodb"][part].clone();
    }
    let answer = world.invoke(&world.relay(), event, INVOCATION).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(world.topics.data(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_record_of_the_outbox_is_ignored_without_a_call() {
    let world = World::new().await;
    world.place(1).await;
    let relay = world.relay();
    let shown = world.event().await;
    world.invoke(&relay, shown.clone(), INVOCATION).await;
    let mut event = parse(include_str!("data/dynamodb-expiry.json"));
    event["Records"][0]["dynamodb"]["Keys"] = shown["Records"][0]["dynamodb"]["Keys"].clone();
    let before = world.calls();
    let answer = world.invoke(&relay, event, INVOCATION).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(world.calls(), before);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_failed_is_the_checkpoint() {
    let world = World::new().await;
    for number in 0..5 {
        world.place(number).await;
    }
    world.topics.take(Takes::NotThis("2"));
    let event = world.event().await;
    let sequence = |index: usize| event["Records"][index]["dynamodb"]["SequenceNumber"].clone();
    let relay = world.relay();
    let answer = world.invoke(&relay, event.clone(), INVOCATION).await;
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": sequence(2) }] })
    );
    world.topics.take(Takes::Nothing);
    world.place(5).await;
    world.place(6).await;
    let event = world.event().await;
    let sequence = |index: usize| event["Records"][index]["dynamodb"]["SequenceNumber"].clone();
    let answer = world.invoke(&relay, event.clone(), INVOCATION).await;
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": sequence(2) }] }),
        "the lowest of three"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_record_without_a_number_fails_the_whole_batch() {
    let world = World::new().await;
    world.place(1).await;
    world.topics.take(Takes::Nothing);
    let mut event = world.event().await;
    let record = event["Records"][0]["dynamodb"].as_object_mut().unwrap();
    record.remove("SequenceNumber");
    let answer = world.invoke(&world.relay(), event, INVOCATION).await;
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }));
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_there_before_the_deadline() {
    let world = World::new().await;
    world.place(1).await;
    world.topics.take(Takes::NoEnd);
    let event = world.event().await;
    let relay = world.relay();
    let start = Instant::now();
    let answer = world.invoke(&relay, event.clone(), Duration::from_secs(10)).await;
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_millis(9_500));
    // Also when it has passed.
    let start = Instant::now();
    let answer = world.invoke(&relay, event, Duration::ZERO).await;
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn behind_its_mapping_all_is_published_once_and_each_key_in_its_order() {
    let world = World::new().await;
    let relay = world.relay();
    let produce = async {
        for number in 0..40 {
            let transaction = world.store().outbox("test").transaction();
            let posted = |key: &str| Posted(key.to_owned(), number);
            let transaction = transaction.emit(&posted("a")).emit(&OrderPlaced(number));
            transaction.emit(&posted("b")).commit().await.unwrap();
            sleep(Duration::from_millis(30)).await;
            match number {
                10 => world.topics.take(Takes::Nothing),
                20 => world.topics.take(Takes::NotThis("[\"a\",25]")),
                30 => world.topics.take(Takes::All),
                _ => {}
            }
        }
        sleep(Duration::from_secs(60)).await;
    };
    let invoke = |event| async { Ok(world.invoke(&relay, event, INVOCATION).await) };
    let mapping = StreamMapping::new(&world.dynamo, TABLE).batch(10).shuffled(1);
    mapping.run(invoke, produce).await.unwrap();
    let mut of_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in world.topics.arrived.lock().unwrap().iter() {
        of_key
            .entry(one.key.clone())
            .or_default()
            .push((one.envelope.sequence(), one.envelope.data().unwrap().to_owned()));
    }
    for key in ["a", "b"] {
        let posted = |number: u32| (Some(u64::from(number) + 1), format!("[\"{key}\",{number}]"));
        let expected: Vec<_> = (0..40).map(posted).collect();
        assert_eq!(of_key[&Some(key.to_owned())], expected);
    }
    let mut placed: Vec<u32> = of_key[&None]
        .iter()
        .map(|(_, data)| data.parse().unwrap())
        .collect();
    placed.sort_unstable();
    assert_eq!(placed, (0..40).collect::<Vec<_>>());
    assert_eq!(relay.status().await.unwrap().pending, 0);
}

//! What publishing costs the tables: calls and units for each event, by who publishes it.
//! `cargo bench -p fanfare-lambda`; time stands still but for what is waited for, so each run counts about the same.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark that can not go on fails"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use fanfare::fault::Life;
use fanfare::port::{BoxFuture, Publish, PublishError};
use fanfare::table::Stream;
use fanfare::{BoxError, Clock, Event, Outgoing};
use fanfare_lambda::outbox_stream;
use fanfare_local::Dynamo;
use fanfare_local::mapping::StreamMapping;
use fanfare_store::{Relay, STREAM_FILTER, Store, create_table, table};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const TABLE: &str = "records";
const COMMITS: u32 = 200;
/// Between two commits: a hundred a second.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks at a shard: about what Lambda takes.
const POLL: Duration = Duration::from_millis(250);
const INVOCATION: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
struct OrderPlaced(u32);

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

#[derive(Serialize, Deserialize)]
struct Posted(String, u32);

impl Event for Posted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.0))
    }
}

/// Topics that take everything, and take 20 ms for it.
#[derive(Clone, Default)]
struct Topics(Arc<Mutex<usize>>);

impl Publish for Topics {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            *self.0.lock().unwrap() += outgoing.len();
            outgoing.iter().map(|_| Ok(())).collect()
        })
    }
}

/// Calls of one operation, and their units.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    calls: u64,
    units: f64,
}

/// Counts the calls of a client, and asks each what it cost.
#[derive(Clone, Debug, Default)]
struct Meter(Arc<Mutex<BTreeMap<String, Cost>>>);

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut body: Value = serde_json::from_slice(context.request().body().bytes().unwrap_or_default())?;
        body["ReturnConsumedCapacity"] = "TOTAL".into();
        *context.request_mut().body_mut() = SdkBody::from(body.to_string());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body: Value = serde_json::from_slice(context.response().body().bytes().unwrap_or_default())?;
        let units = match &body["ConsumedCapacity"] {
            Value::Array(tables) => tables.iter().filter_map(units).sum(),
            table => units(table).unwrap_or_default(),
        };
        let operation = config.load::<Metadata>().unwrap().name().to_owned();
        let mut costs = self.0.lock().unwrap();
        let cost = costs.entry(operation).or_default();
        (cost.calls, cost.units) = (cost.calls + 1, cost.units + units);
        Ok(())
    }
}

fn units(table: &Value) -> Option<f64> {
    table["CapacityUnits"].as_f64()
}

struct World {
    dynamo: Dynamo,
    clock: Clock,
    topics: Topics,
    ordered: bool,
    start: Instant,
}

impl World {
    async fn new(ordered: bool) -> Self {
        fastrand::seed(1);
        let clock = Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let dynamo = Dynamo::memory(clock.clone()).unwrap();
        let client = dynamo.client(&Life::default());
        create_table(&client, &table(TABLE).stream(Stream::NewImage))
            .await
            .unwrap();
        Self {
            dynamo,
            clock,
            topics: Topics::default(),
            ordered,
            start: Instant::now(),
        }
    }

    fn store(&self, meter: &Meter) -> Store {
        let config = self
            .dynamo
            .config(&Life::default())
            .interceptor(meter.clone())
            .build();
        Store::new(Client::from_conf(config), TABLE).clock(self.clock.clone())
    }

    fn relay(&self, meter: &Meter) -> Relay {
        self.store(meter).relay(self.topics.clone())
    }

    /// Commits of one event each; and what was still under way gets its time.
    async fn commits(&self, store: &Store) {
        for number in 0..COMMITS {
            let transaction = store.outbox("bench").transaction();
            let transaction = match self.ordered {
                true => transaction.emit(&Posted((number % 10).to_string(), number)),
                false => transaction.emit(&OrderPlaced(number)),
            };
            transaction.commit().await.unwrap();
            sleep(PAUSE).await;
        }
        sleep(Duration::from_secs(10)).await;
    }

    /// The relay as a function behind the table's stream, while this goes on.
    async fn behind(&self, meter: &Meter, produce: impl Future<Output = ()>) {
        let relay = self.relay(meter);
        let invoke = |event| {
            let relay = &relay;
            let deadline = self.clock.now() + INVOCATION;
            async move {
                let answer = outbox_stream(relay, serde_json::from_value(event).unwrap(), deadline).await;
                Ok(json!(answer))
            }
        };
        let mapping = StreamMapping::new(&self.dynamo, TABLE)
            .filter(serde_json::from_str(STREAM_FILTER).unwrap())
            .poll_every(POLL);
        mapping.run(invoke, produce).await.unwrap();
    }

    /// A row of the table.
    fn row(&self, what: &str, meter: &Meter) {
        let costs = meter.0.lock().unwrap();
        let of = |operation: &str, each: f64| {
            let Cost { calls, units } = costs.get(operation).copied().unwrap_or_default();
            format!("{:>6.3} {:>6.2}", calls as f64 / each, units / each)
        };
        let (event, second) = (f64::from(COMMITS), self.start.elapsed().as_secs_f64());
        let events = if self.ordered { "ordered" } else { "unordered" };
        let copies = *self.topics.0.lock().unwrap() as f64 / f64::from(COMMITS);
        println!(
            "{events:<10} {what:<38} {copies:>6.3}   {}   {}   {}   {}   {}",
            of("TransactWriteItems", event),
            of("GetItem", event),
            of("BatchGetItem", event),
            of("UpdateItem", event),
            of("Query", second),
        );
        for operation in costs.keys() {
            let known = [
                "TransactWriteItems",
                "GetItem",
                "BatchGetItem",
                "UpdateItem",
                "Query",
            ];
            assert!(known.contains(&&**operation), "{operation} isn't in the table");
        }
    }
}

/// Runs a relay while this goes on.
async fn beside(relay: &Relay, produce: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = relay.run(pending()) => {}
        () = produce => {}
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tokio::time::pause();
    println!(
        "{COMMITS} commits of one event each, {PAUSE:?} apart: copies of each, then calls and units of each \
         operation, for each event; of queries, which sweeps make whether there is anything or not, for each second"
    );
    println!(
        "{:<49} {:>6}   {:^13}   {:^13}   {:^13}   {:^13}   {:^13}",
        "", "copies", "Transact", "GetItem", "BatchGetItem", "UpdateItem", "Query"
    );
    for ordered in [false, true] {
        let world = World::new(ordered).await;
        let meter = Meter::default();
        world.commits(&world.store(&meter)).await;
        world.row("nobody", &meter);

        let world = World::new(ordered).await;
        let (own, meter) = (Meter::default(), Meter::default());
        let store = world.store(&meter);
        let relay = store.relay(world.topics.clone());
        beside(&relay, world.commits(&store)).await;
        world.row("the process that commits", &meter);

        let world = World::new(ordered).await;
        let meter = Meter::default();
        beside(&world.relay(&meter), world.commits(&world.store(&own))).await;
        world.row("another process's sweep", &meter);

        let world = World::new(ordered).await;
        let meter = Meter::default();
        world.behind(&meter, world.commits(&world.store(&own))).await;
        world.row("the function behind the stream", &meter);

        let world = World::new(ordered).await;
        let meter = Meter::default();
        let store = world.store(&own);
        let relay = store.relay(world.topics.clone());
        beside(&relay, world.behind(&meter, world.commits(&store))).await;
        world.row("the function, where a process was first", &meter);
    }
}

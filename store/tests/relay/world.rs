//! What every test starts from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use fanfare::fault::{FaultPlan, Life};
use fanfare::{BoxError, Clock, Event};
use fanfare_local::Dynamo;
use fanfare_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::topics::Topics;

pub(crate) const TABLE: &str = "records";

/// An unordered event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note(pub(crate) u32);

impl Event for Note {
    const TYPE: &'static str = "note.taken";
    const TOPIC: &'static str = "notes";
}

/// Another one, for another topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memo(pub(crate) u32);

impl Event for Memo {
    const TYPE: &'static str = "memo.written";
    const TOPIC: &'static str = "memos";
}

/// An ordered one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Posting(pub(crate) String, pub(crate) u32);

impl Event for Posting {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.as_str().into())
    }
}

pub(crate) fn posting(account: &str, number: u32) -> Posting {
    Posting(account.to_owned(), number)
}

/// Tables, topics and a clock.
pub(crate) struct World {
    pub(crate) dynamo: Dynamo,
    pub(crate) clock: Clock,
    pub(crate) topics: Topics,
    pub(crate) shards: u32,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_shards(4).await
    }

    pub(crate) async fn with_shards(shards: u32) -> Self {
        let world = Self {
            shards,
            ..Self::without_table()
        };
        world.store().create_table().await.unwrap();
        world
    }

    pub(crate) fn without_table() -> Self {
        let clock = Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        Self {
            dynamo: Dynamo::memory(clock.clone()).unwrap(),
            clock,
            topics: Topics::new(),
            shards: 4,
        }
    }

    /// A store without faults, that no relay is attached to.
    pub(crate) fn store(&self) -> Store {
        self.store_of(self.client())
    }

    /// A store under this plan.
    pub(crate) fn store_under(&self, plan: &FaultPlan) -> Store {
        let dynamo = self.dynamo.clone().with_faults(plan.clone());
        self.store_of(dynamo.client(&Life::default()))
    }

    /// A store whose calls this spy sees.
    pub(crate) fn store_spied(&self, spy: Spy) -> Store {
        self.store_for(&Life::default(), spy)
    }

    /// A store of this life of a host.
    pub(crate) fn store_for(&self, life: &Life, spy: Spy) -> Store {
        let config = self.dynamo.config(life).interceptor(spy).build();
        self.store_of(Client::from_conf(config))
    }

    fn store_of(&self, client: Client) -> Store {
        Store::new(client, TABLE)
            .clock(self.clock.clone())
            .shards(self.shards)
    }

    pub(crate) fn client(&self) -> Client {
        self.dynamo.client(&Life::default())
    }

    /// Every record, as JSON-like maps, by key.
    pub(crate) async fn records(&self) -> BTreeMap<(String, String), HashMap<String, AttributeValue>> {
        let client = self.client();
        let mut items = BTreeMap::new();
        let mut from = None;
        loop {
            let page = client
                .scan()
                .table_name(TABLE)
                .set_exclusive_start_key(from)
                .send()
                .await
                .unwrap();
            for item in page.items.unwrap_or_default() {
                let part = |name: &str| item[name].as_s().unwrap().clone();
                items.insert((part("pk"), part("sk")), item);
            }
            match page.last_evaluated_key {
                Some(next) => from = Some(next),
                None => return items,
            }
        }
    }

    /// The state of every event of every commit, by its id.
    pub(crate) async fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for ((_, sort), item) in self.records().await {
            if sort != "commit" {
                continue;
            }
            for event in item["events"].as_l().unwrap() {
                let event = event.as_m().unwrap();
                let envelope: Value = serde_json::from_str(event["envelope"].as_s().unwrap()).unwrap();
                let id = envelope["id"].as_str().unwrap().to_owned();
                states.insert(id, event["state"].as_s().unwrap().clone());
            }
        }
        states
    }

    /// The ids of all events in the table, whatever became of them.
    pub(crate) async fn ids(&self) -> BTreeSet<String> {
        let mut ids: BTreeSet<_> = self.states().await.into_keys().collect();
        for ((_, sort), item) in self.records().await {
            if sort == "head" {
                let pending = item["pending"].as_l().unwrap();
                ids.extend(
                    pending
                        .iter()
                        .map(|one| one.as_m().unwrap()["id"].as_s().unwrap().clone()),
                );
            } else if sort.starts_with("seq#") {
                let body: Value = serde_json::from_str(item["body"].as_s().unwrap()).unwrap();
                ids.insert(body["envelope"]["id"].as_str().unwrap().to_owned());
            }
        }
        ids
    }

    /// Asserts that each event of the table arrived, nothing else did, and nothing is pending.
    pub(crate) async fn assert_all_arrived(&self) {
        let arrived: BTreeSet<_> = self.topics.arrived().into_iter().map(|copy| copy.id).collect();
        assert_eq!(arrived, self.ids().await);
        for (key, item) in self.records().await {
            assert!(!item.contains_key("shard"), "{key:?} is still in the index");
        }
    }

    /// Asserts that the first copies under each key came in their order, without a gap.
    pub(crate) fn assert_in_order(&self) {
        for (key, sequences) in self.topics.first_copies() {
            let expected: Vec<_> = (1..=sequences.len() as u64).collect();
            assert_eq!(sequences, expected, "{key}");
        }
    }
}

/// Commits these events in one transaction.
#[macro_export]
macro_rules! commit {
    ($store:expr, $($event:expr),+ $(,)?) => {
        $store.outbox("test").transaction()$(.emit(&$event))+.commit().await.unwrap()
    };
}

/// Kills a host after so many steps; a call is two, one before it takes effect and one after.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    pub(crate) life: Life,
    left: Arc<AtomicI64>,
}

impl Steps {
    pub(crate) fn new(life: &Life, left: i64) -> Self {
        Self {
            life: life.clone(),
            left: Arc::new(AtomicI64::new(left)),
        }
    }

    pub(crate) fn step(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.life.kill();
        }
    }

    /// As a spy on the calls to DynamoDB.
    pub(crate) fn spy(&self) -> Spy {
        let (before, after) = (self.clone(), self.clone());
        Spy::new()
            .before(move |_, _| {
                before.step();
                Ok(())
            })
            .after(move |_, _| after.step())
    }
}

type Before = Box<dyn FnMut(&str, &Value) -> Result<(), BoxError> + Send>;
type After = Box<dyn FnMut(&str, &mut Value) + Send>;

/// Sees each attempt of each call, and can refuse it or change its answer.
#[derive(Clone, Default)]
pub(crate) struct Spy {
    before: Arc<Mutex<Vec<Before>>>,
    after: Arc<Mutex<Vec<After>>>,
}

impl Spy {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Gets the operation's name and the request.
    pub(crate) fn before(
        self,
        hook: impl FnMut(&str, &Value) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.before.lock().unwrap().push(Box::new(hook));
        self
    }

    /// Gets the operation's name and the answer.
    pub(crate) fn after(self, hook: impl FnMut(&str, &mut Value) + Send + 'static) -> Self {
        self.after.lock().unwrap().push(Box::new(hook));
        self
    }
}

impl fmt::Debug for Spy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spy")
    }
}

#[dyn_dispatch_hint]
impl Intercept for Spy {
    fn name(&self) -> &'static str {
        "spy"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = operation(config);
        let body = serde_json::from_slice(context.request().body().bytes().unwrap_or_default())?;
        for hook in self.before.lock().unwrap().iter_mut() {
            hook(&operation, &body)?;
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = operation(config);
        let bytes = context.response().body().bytes().unwrap_or_default();
        let mut body: Value = serde_json::from_slice(bytes)?;
        for hook in self.after.lock().unwrap().iter_mut() {
            hook(&operation, &mut body);
        }
        *context.response_mut().body_mut() = SdkBody::from(body.to_string());
        Ok(())
    }
}

fn operation(config: &ConfigBag) -> String {
    config.load::<Metadata>().unwrap().name().to_owned()
}

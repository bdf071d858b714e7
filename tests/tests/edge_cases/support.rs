//! A broker, tables and a paused clock, and hosts on them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Update,
};
use fanfare::fault::{FaultPlan, Faulty, Life};
use fanfare::host::Host;
use fanfare::memory::{Broker, MemoryPublisher, MemoryQueue, set_up};
use fanfare::port::Publish;
use fanfare::{
    App, Clock, Draft, Event, Outgoing, Router, RouterService, Topology, dead_letter_name, queue_name,
};
use fanfare_local::Dynamo;
use fanfare_store::Store;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
const COUNTS: &str = "counts";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrderPlaced {
    pub(crate) order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) account: String,
    pub(crate) number: u64,
}

impl Event for Posted {
    const TYPE: &'static str = "ledger.posted";
    const TOPIC: &'static str = "ledger.fifo";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.account))
    }
}

pub(crate) fn order(order: &str) -> OrderPlaced {
    OrderPlaced {
        order: order.to_owned(),
    }
}

/// What outlives every process.
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    pub(crate) broker: Broker,
    pub(crate) dynamo: Dynamo,
    topology: Topology,
    client: Client,
}

impl Ground {
    /// With the topics and queues of an application of these consumers.
    pub(crate) async fn new(consumers: impl IntoIterator<Item = Router>) -> Self {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000));
        let broker = Broker::new(clock.clone(), FaultPlan::none());
        let app = consumers.into_iter().fold(App::new("edge"), App::consumer);
        let topology = app.topology().unwrap();
        set_up(&broker, &topology).unwrap();
        let dynamo = Dynamo::memory(clock.clone()).unwrap();
        let client = dynamo.client(&Life::default());
        create_counts(&client).await;
        let ground = Self {
            clock,
            broker,
            dynamo,
            topology,
            client,
        };
        ground.store(&Life::default()).create_table().await.unwrap();
        ground
    }

    pub(crate) fn store(&self, life: &Life) -> Store {
        Store::new(self.dynamo.client(life), "records")
            .clock(self.clock.clone())
            .shards(1)
    }

    pub(crate) fn queue(&self, consumer: &str) -> String {
        let fifo = self.topology.consumer(consumer).unwrap().fifo;
        queue_name("edge", consumer, fifo)
    }

    pub(crate) fn publisher(&self) -> MemoryPublisher {
        MemoryPublisher::new(self.broker.clone(), "edge")
    }

    pub(crate) async fn publish<E: Event>(&self, event: &E) -> Outgoing {
        let outgoing = Draft::event(event).unwrap().first("/test", &self.clock);
        self.repeat(&outgoing).await;
        outgoing
    }

    /// Publishes it once more, as a publisher does that got no answer.
    pub(crate) async fn repeat(&self, outgoing: &Outgoing) {
        for result in self.publisher().publish(vec![outgoing.clone()]).await {
            result.unwrap();
        }
    }

    /// A host of this life, whose calls meet this plan's faults.
    pub(crate) fn host(
        &self,
        router: Router,
        life: &Life,
        plan: &FaultPlan,
    ) -> (Host<Faulty<MemoryQueue>>, RouterService) {
        let queue = MemoryQueue::new(self.broker.clone(), self.queue(router.name()));
        let service = router.into_service().unwrap();
        let host = Host::of(Faulty::new(queue, plan.clone(), life.clone()), &service)
            .clock(self.clock.clone())
            .completed(Arc::new(self.store(life).inbox()));
        (host, service)
    }

    /// Serves until it is stopped.
    pub(crate) fn serve(&self, router: Router) -> Serving {
        let (host, service) = self.host(router, &Life::default(), &FaultPlan::none());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(host.serve(service, async {
            let _ = stopped.await;
        }));
        Serving { stop, task }
    }

    /// How many dead letters a consumer has.
    pub(crate) fn dead(&self, consumer: &str) -> usize {
        self.broker.counts(&self.queue(consumer)).unwrap().dead
    }

    /// The reasons of a consumer's dead letters, which this takes.
    pub(crate) async fn reasons(&self, consumer: &str) -> Vec<Option<String>> {
        use fanfare::memory::Receive;
        use fanfare::port::DEAD_LETTER_ATTRIBUTE;

        let letters = dead_letter_name(&self.queue(consumer));
        let receive = Receive {
            max: 10,
            ..Receive::default()
        };
        let received = self.broker.receive(&letters, receive).await.unwrap();
        let reason = |letter: &fanfare::memory::ReceivedMessage| {
            let told = letter.attributes.get(DEAD_LETTER_ATTRIBUTE)?.text()?;
            let told: serde_json::Value = serde_json::from_str(told).ok()?;
            told["reason"].as_str().map(str::to_owned)
        };
        received.iter().map(reason).collect()
    }

    pub(crate) fn redrive(&self, consumer: &str) -> usize {
        let letters = dead_letter_name(&self.queue(consumer));
        self.broker.redrive(&letters, None, usize::MAX).unwrap().moved
    }

    /// Whether a consumer's queue is empty: nothing visible, in flight or delayed.
    pub(crate) fn is_quiet(&self, consumer: &str) -> bool {
        self.broker.counts(&self.queue(consumer)).unwrap().total() == 0
    }

    /// What handlers have added under this name.
    pub(crate) async fn count(&self, name: &str) -> i64 {
        let key = AttributeValue::S(name.to_owned());
        let got = self
            .client
            .get_item()
            .table_name(COUNTS)
            .key("name", key)
            .send()
            .await
            .unwrap();
        let count = got.item.as_ref().and_then(|item| item["count"].as_n().ok());
        count.map_or(0, |count| count.parse().unwrap())
    }
}

/// A host at work.
pub(crate) struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

async fn create_counts(client: &Client) {
    let key = KeySchemaElement::builder()
        .attribute_name("name")
        .key_type(KeyType::Hash);
    let name = AttributeDefinition::builder()
        .attribute_name("name")
        .attribute_type(ScalarAttributeType::S);
    client
        .create_table()
        .table_name(COUNTS)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key.build().unwrap())
        .attribute_definitions(name.build().unwrap())
        .send()
        .await
        .unwrap();
}

/// An effect that shows when it is applied twice.
pub(crate) fn add_one(name: &str) -> Update {
    Update::builder()
        .table_name(COUNTS)
        .key("name", AttributeValue::S(name.to_owned()))
        .update_expression("ADD #count :one")
        .expression_attribute_names("#count", "count")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .build()
        .unwrap()
}

/// The same, provided that it is not there yet.
pub(crate) fn add_first(name: &str) -> Update {
    let mut first = add_one(name);
    first.condition_expression = Some("attribute_not_exists(#count)".to_owned());
    first
}

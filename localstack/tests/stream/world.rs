//! A table with a stream, and a function that answers as a test tells it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    StreamSpecification, StreamViewType, TimeToLiveSpecification, TransactWriteItem,
};
use fanfare::Clock;
use fanfare::fault::Life;
use fanfare_local::Dynamo;
use fanfare_local::mapping::StreamMapping;
use serde_json::{Value, json};
use tokio::time::sleep;

pub(crate) const TABLE: &str = "orders";

pub(crate) struct World {
    pub(crate) dynamo: Dynamo,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        Self::on(Dynamo::memory(clock).unwrap()).await
    }

    /// On these tables, among which it makes one unless it is there.
    pub(crate) async fn on(dynamo: Dynamo) -> Self {
        let client = dynamo.client(&Life::default());
        if client.describe_table().table_name(TABLE).send().await.is_err() {
            create(&client).await;
        }
        Self { dynamo, client }
    }

    pub(crate) async fn put(&self, id: &str, number: u32) {
        let put = self.client.put_item().table_name(TABLE);
        put.set_item(Some(item(id, number))).send().await.unwrap();
    }

    /// Writes one item for each of these in one transaction.
    pub(crate) async fn put_together(&self, ids: &[String], number: u32) {
        let put = |id: &String| {
            let put = Put::builder().table_name(TABLE).set_item(Some(item(id, number)));
            TransactWriteItem::builder().put(put.build().unwrap()).build()
        };
        let items = ids.iter().map(put).collect();
        let transaction = self.client.transact_write_items();
        transaction.set_transact_items(Some(items)).send().await.unwrap();
    }

    /// A mapping with one shard.
    pub(crate) fn mapping(&self) -> StreamMapping {
        StreamMapping::new(&self.dynamo, TABLE).shards(1)
    }

    /// Runs it for a while with this function.
    pub(crate) async fn run(&self, mapping: StreamMapping, function: &Function, during: Duration) {
        mapping
            .run(|event| function.invoke(event), sleep(during))
            .await
            .unwrap();
    }
}

async fn create(client: &Client) {
    let key = KeySchemaElement::builder()
        .attribute_name("id")
        .key_type(KeyType::Hash);
    let id = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S);
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage);
    let create = client.create_table().table_name(TABLE);
    create
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key.build().unwrap())
        .attribute_definitions(id.build().unwrap())
        .stream_specification(stream.build().unwrap())
        .send()
        .await
        .unwrap();
    let expiry = TimeToLiveSpecification::builder()
        .attribute_name("expires_at")
        .enabled(true);
    let update = client.update_time_to_live().table_name(TABLE);
    update
        .time_to_live_specification(expiry.build().unwrap())
        .send()
        .await
        .unwrap();
}

pub(crate) fn item(id: &str, number: u32) -> std::collections::HashMap<String, AttributeValue> {
    [
        ("id".to_owned(), AttributeValue::S(id.to_owned())),
        ("number".to_owned(), AttributeValue::N(number.to_string())),
    ]
    .into()
}

type Script = Box<dyn FnMut(&[Value]) -> Result<Value, String> + Send>;

/// Keeps what it is given.
#[derive(Clone)]
pub(crate) struct Function {
    events: Arc<Mutex<Vec<Value>>>,
    script: Arc<Mutex<Script>>,
}

impl Function {
    /// That does everything.
    pub(crate) fn new() -> Self {
        Self::answering(|_| Ok(json!({ "batchItemFailures": [] })))
    }

    pub(crate) fn answering(script: impl FnMut(&[Value]) -> Result<Value, String> + Send + 'static) -> Self {
        Self {
            events: Arc::default(),
            script: Arc::new(Mutex::new(Box::new(script))),
        }
    }

    /// That names the first of a batch that isn't done.
    pub(crate) fn failing_at(mut fails: impl FnMut(&Value) -> bool + Send + 'static) -> Self {
        Self::answering(move |records| {
            let failed = records.iter().find(|record| fails(record));
            let failures: Vec<_> = failed
                .map(|record| json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }))
                .into_iter()
                .collect();
            Ok(json!({ "batchItemFailures": failures }))
        })
    }

    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, String> {
        let answer = (self.script.lock().unwrap())(event["Records"].as_array().unwrap());
        self.events.lock().unwrap().push(event);
        answer
    }

    /// Each event's records, as an id and a number.
    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .map(|event| event["Records"].as_array().unwrap().iter().map(name).collect())
            .collect()
    }

    /// All records, as often as they were shown.
    pub(crate) fn shown(&self) -> Vec<Value> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .flat_map(|event| event["Records"].as_array().unwrap().clone())
            .collect()
    }
}

/// `id=number`.
pub(crate) fn name(record: &Value) -> String {
    let id = record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap();
    let number = record["dynamodb"]["NewImage"]["number"]["N"].as_str();
    format!("{id}={}", number.unwrap_or("-"))
}

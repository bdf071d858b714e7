//! The stream's records, as a mapping shows them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::table::Stream;
use fanfare_local::mapping::StreamMapping;
use fanfare_store::{Relay, STREAM_FILTER, StreamChange, StreamError, StreamRecord, create_table, table};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::world::{TABLE, World};

/// How long an invocation may take.
pub(super) const INVOCATION: Duration = Duration::from_secs(30);

impl World {
    /// With a stream of new images.
    pub(crate) async fn streamed() -> Self {
        let world = Self::without_table();
        create_table(&world.client(), &table(TABLE).stream(Stream::NewImage))
            .await
            .unwrap();
        world
    }

    pub(crate) fn mapping(&self) -> StreamMapping {
        StreamMapping::new(&self.dynamo, TABLE)
            .poll_every(Duration::from_millis(200))
            .filter(serde_json::from_str(STREAM_FILTER).unwrap())
    }

    /// All that the stream has, also what the filter leaves out.
    pub(crate) async fn shown(&self) -> Vec<StreamRecord> {
        let shown = Mutex::new(Vec::new());
        let keep = |event: Value| {
            shown.lock().unwrap().extend(records(&event));
            async { Ok(Value::Null) }
        };
        let mapping = self.mapping().shards(1).batch(1_000).filter(json!({}));
        mapping.run(keep, sleep(Duration::from_millis(1))).await.unwrap();
        shown.into_inner().unwrap()
    }

    /// Puts the relay behind the stream, for as long as that takes.
    pub(crate) async fn behind(
        &self,
        mapping: StreamMapping,
        relay: &Relay,
        until: impl Future<Output = ()>,
    ) {
        mapping.run(|event| invoke(relay, event), until).await.unwrap();
    }
}

/// An invocation, as `fanfare-lambda` makes it.
pub(super) async fn invoke(relay: &Relay, event: Value) -> Result<Value, String> {
    let results = stream(relay, &records(&event)).await;
    let failed = results.iter().position(Result::is_err);
    let failures: Vec<_> = failed
        .map(|first| json!({"itemIdentifier": event["Records"][first]["dynamodb"]["SequenceNumber"]}))
        .into_iter()
        .collect();
    Ok(json!({ "batchItemFailures": failures }))
}

pub(super) async fn stream(relay: &Relay, records: &[StreamRecord]) -> Vec<Result<(), StreamError>> {
    relay.stream(records, Instant::now() + INVOCATION).await
}

/// Asserts that every record is done.
pub(super) fn assert_done(results: &[Result<(), StreamError>]) {
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// An event's records.
fn records(event: &Value) -> Vec<StreamRecord> {
    let record = |record: &Value| {
        let change = match record["eventName"].as_str().unwrap() {
            "INSERT" => StreamChange::Insert,
            "MODIFY" => StreamChange::Modify,
            "REMOVE" => StreamChange::Remove,
            other => panic!("{other}"),
        };
        let read = StreamRecord::new(change, item(&record["dynamodb"]["Keys"]));
        match &record["dynamodb"]["NewImage"] {
            Value::Null => read,
            image => read.with_new_image(item(image)),
        }
    };
    event["Records"].as_array().unwrap().iter().map(record).collect()
}

fn item(json: &Value) -> HashMap<String, AttributeValue> {
    let members = json.as_object().unwrap().iter();
    members
        .map(|(name, member)| (name.clone(), value(member)))
        .collect()
}

/// Of the kinds that the store's records have.
fn value(json: &Value) -> AttributeValue {
    let (kind, inner) = json.as_object().unwrap().iter().next().unwrap();
    match &**kind {
        "S" => AttributeValue::S(inner.as_str().unwrap().to_owned()),
        "N" => AttributeValue::N(inner.as_str().unwrap().to_owned()),
        "L" => AttributeValue::L(inner.as_array().unwrap().iter().map(value).collect()),
        "M" => AttributeValue::M(item(inner)),
        other => panic!("{other}"),
    }
}

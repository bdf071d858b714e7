//! A relay of its own: behind the stream of the store's table, or as a service.

use std::time::Duration;

use fanfare::topology::{FunctionSettings, Hosting, queue_policy};
use fanfare_store::STREAM_FILTER;
use serde_json::{Value, json};

use super::document::Resource;
use super::intrinsic::{arn, get, reference};
use super::resources::Resources;
use super::roles::Statements;
use super::services::Process;
use super::{Build, TemplateError, functions, ids, services};
pub(super) use crate::wanted::RELAY;
use crate::wanted::{OLDEST, RETRIES, relay_failed};

/// The beginning of the names of its resources.
pub(super) const ID: &str = "Relay";

/// How long it is kept what was given up.
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) fn add(build: &mut Build<'_>) -> Result<(), TemplateError> {
    let topology = build.topology();
    let Some(relay) = &topology.relay else {
        return Ok(());
    };
    let store = topology.store.as_ref().ok_or(TemplateError::NoStore)?;
    match relay {
        Hosting::Function(settings) => function(build, store, settings)?,
        Hosting::Service(settings) => {
            let mut statements = Statements::default();
            statements.relay(build);
            statements.key(build);
            let process = Process {
                part: RELAY,
                settings,
                command: build.template.program.relay.clone(),
                healthy: None,
                port: None,
                resources: Resources::relayed(build),
                scales: false,
            };
            services::service(build, ID, process, statements);
        }
        other => return Err(TemplateError::hosting(RELAY, other)),
    }
    Ok(())
}

fn function(build: &mut Build<'_>, store: &str, settings: &FunctionSettings) -> Result<(), TemplateError> {
    if build.table(store).is_none_or(|table| table.stream.is_none()) {
        let table = store.to_owned();
        return Err(TemplateError::NoStream { table });
    }
    let stream = get(&ids::table(build.app(), store), "StreamArn");
    failed(build);
    let given_up = arn("RelayFailed");
    let mut statements = Statements::default();
    statements.allow(
        [
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        ],
        [stream.clone()],
    );
    statements.allow(["sqs:SendMessage"], [given_up.clone()]);
    statements.relay(build);
    statements.key(build);
    let resources = Some(Resources::relayed(build));
    functions::function(build, ID, RELAY, settings, resources, statements);
    let mut mapping = functions::mapping(ID, stream, settings);
    mapping.extend([
        ("StartingPosition".to_owned(), "TRIM_HORIZON".into()),
        ("BisectBatchOnFunctionError".to_owned(), true.into()),
        ("MaximumRecordAgeInSeconds".to_owned(), OLDEST.into()),
        ("MaximumRetryAttempts".to_owned(), RETRIES.into()),
        (
            "DestinationConfig".to_owned(),
            json!({"OnFailure": {"Destination": given_up}}),
        ),
        ("FilterCriteria".to_owned(), outbox()),
    ]);
    build.out.resources.add(
        "RelayMapping",
        Resource::new("AWS::Lambda::EventSourceMapping", mapping.into()),
    );
    Ok(())
}

/// Only what has something to publish invokes the function.
fn outbox() -> Value {
    json!({"Filters": [{"Pattern": STREAM_FILTER}]})
}

/// Where Lambda tells of records that it has given up.
fn failed(build: &mut Build<'_>) {
    let encryption = match build.topology().encryption.key() {
        None => ("SqsManagedSseEnabled", true.into()),
        Some(key) => ("KmsMasterKeyId", key.into()),
    };
    let mut queue = json!({
        "QueueName": relay_failed(build.app()),
        "MessageRetentionPeriod": KEPT.as_secs(),
    });
    let (name, value): (&str, Value) = encryption;
    queue[name] = value;
    let resources = &mut build.out.resources;
    resources.add("RelayFailed", Resource::new("AWS::SQS::Queue", queue).stateful());
    let mut document = queue_policy("", &[]);
    document["Statement"][0]["Resource"] = arn("RelayFailed");
    let policy = json!({"Queues": [reference("RelayFailed")], "PolicyDocument": document});
    resources.add(
        "RelayFailedPolicy",
        Resource::new("AWS::SQS::QueuePolicy", policy),
    );
}

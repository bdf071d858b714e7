//! Consumers that are Lambda functions.

use fanfare::topology::{Consumer, FunctionSettings};
use fanfare::{function_name, queue_name};
use serde_json::{Map, Value, json};

use super::document::Resource;
use super::intrinsic::{arn, reference};
use super::parameters::tags;
use super::resources::Resources;
use super::roles::{FUNCTIONS, Statements};
use super::{Build, of};

pub(super) fn add(build: &mut Build<'_>, consumer: &Consumer, settings: &FunctionSettings) {
    let id = of(consumer);
    let mut statements = Statements::default();
    statements.consume(build, consumer);
    function(build, &id, &consumer.name, settings, None, statements);
    let queue = queue_name(build.app(), &consumer.name, consumer.fifo);
    let mut mapping = mapping(&id, arn(build.ids.queue(&queue)), settings);
    let mut set = |name: &str, value: Value| mapping.insert(name.to_owned(), value);
    if let Some(most) = settings.maximum_concurrency {
        set("ScalingConfig", json!({"MaximumConcurrency": most}));
    }
    if let Some(pollers) = settings.provisioned_pollers {
        let pollers = json!({"MinimumPollers": pollers.min, "MaximumPollers": pollers.max});
        set("ProvisionedPollerConfig", pollers);
    }
    build.out.resources.add(
        format!("{id}Mapping"),
        Resource::new("AWS::Lambda::EventSourceMapping", mapping.into()),
    );
}

/// A function with its log and its role.
pub(super) fn function(
    build: &mut Build<'_>,
    id: &str,
    part: &str,
    settings: &FunctionSettings,
    resources: Option<Resources>,
    mut statements: Statements,
) {
    let name = function_name(build.app(), part);
    let (log, role) = (format!("{id}Log"), format!("{id}Role"));
    let template = build.template;
    let mut environment: Map<String, Value> = template
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    environment.insert(template.program.part.clone(), part.into());
    environment.insert(template.program.account.clone(), reference("AWS::AccountId"));
    if let Some(resources) = resources {
        let name = template.program.resources.clone();
        environment.entry(name).or_insert_with(|| resources.value());
    }
    let resources = &mut build.out.resources;
    let kept = json!({
        "LogGroupName": format!("/aws/lambda/{name}"),
        "RetentionInDays": reference("LogRetention"),
    });
    resources.add(&log, Resource::new("AWS::Logs::LogGroup", kept).stateful());
    statements.log(&log);
    resources.add(&role, statements.role(FUNCTIONS));
    let function = json!({
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Architectures": ["arm64"],
        "Code": {"S3Bucket": reference("CodeBucket"), "S3Key": reference("CodeKey")},
        "Role": arn(&role),
        "MemorySize": reference(&format!("{id}Memory")),
        "Timeout": settings.timeout.as_secs(),
        "Environment": {"Variables": environment},
        "LoggingConfig": {"LogGroup": reference(&log)},
        "Tags": tags(),
    });
    resources.add(
        format!("{id}Function"),
        Resource::new("AWS::Lambda::Function", function),
    );
}

/// What a mapping from this source has in any case. Without the response type, Lambda would take every
/// answer for "all done".
pub(super) fn mapping(id: &str, source: Value, settings: &FunctionSettings) -> Map<String, Value> {
    let mut mapping = Map::from_iter([
        ("EventSourceArn".to_owned(), source),
        ("FunctionName".to_owned(), reference(&format!("{id}Function"))),
        ("BatchSize".to_owned(), settings.batch.into()),
        (
            "FunctionResponseTypes".to_owned(),
            json!(["ReportBatchItemFailures"]),
        ),
    ]);
    // FIFO queues take none.
    if !settings.window.is_zero() {
        let window = settings.window.as_secs();
        mapping.insert("MaximumBatchingWindowInSeconds".to_owned(), window.into());
    }
    mapping
}

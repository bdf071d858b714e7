//! The relay behind the stream of the store's table.

use std::time::{Duration, SystemTime};

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use fanfare_store::{Relay, StreamChange, StreamError, StreamRecord};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use tokio::time::Instant;

use crate::{Metrics, trace};

/// Kept of the time to the deadline for the answer itself.
const RESERVE: Duration = Duration::from_millis(500);
/// No invocation lasts longer.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Publishes what one batch of records of the stream of the store's table tells of, and answers with the
/// sequence number of the first that isn't done, which is where Lambda goes on: with that record, and
/// all behind it in its shard. See [`Relay::stream`] for what is published, and what is left alone.
///
/// The mapping needs `ReportBatchItemFailures`; without it every record counts as done. It may have a
/// filter for what is of the outbox, [`STREAM_FILTER`](fanfare_store::STREAM_FILTER), so that the function isn't
/// invoked for anything else; what passes it all the same is ignored.
///
/// The answer is there before the deadline, which is compared with the relay's clock. Dropping the future
/// stops at once, as a kill does.
///
/// ```
/// # use fanfare::{Clock, Outgoing, fault::Life, port::{BoxFuture, Publish, PublishError}};
/// # use fanfare_local::Dynamo;
/// # use fanfare_store::Store;
/// # struct Topics;
/// # impl Publish for Topics {
/// #     fn publish(&self, all: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
/// #         Box::pin(async move { all.iter().map(|_| Ok(())).collect() })
/// #     }
/// # }
/// use std::time::{Duration, SystemTime};
/// use fanfare_lambda::outbox_stream;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = Dynamo::memory(Clock::system())?.client(&Life::default());
///
/// let relay = Store::new(client, "shop").relay(Topics);
/// let event = serde_json::from_str(r#"{ "Records": [] }"#)?;
/// let deadline = SystemTime::now() + Duration::from_secs(30);
/// let answer = outbox_stream(&relay, event, deadline).await;
/// assert!(answer.batch_item_failures.is_empty());
/// # Ok(())
/// # }
/// ```
pub async fn outbox_stream(relay: &Relay, event: Event, deadline: SystemTime) -> DynamoDbEventResponse {
    let left = deadline.duration_since(relay.clock().now()).unwrap_or_default();
    let deadline = Instant::now() + left.min(LONGEST).saturating_sub(RESERVE);
    let (numbers, records): (Vec<_>, Vec<_>) = event.records.into_iter().map(read).unzip();
    let results = relay.stream(&records, deadline).await;
    let mut answer = DynamoDbEventResponse::default();
    if let Some(first) = results.iter().position(Result::is_err) {
        warn(&results);
        // Without a number, it is an empty one, by which Lambda takes the whole batch for failed.
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(numbers[first].clone().unwrap_or_default());
        answer.batch_item_failures.push(failure);
    }
    answer
}

/// A record's number, and what the relay needs of it.
fn read(record: EventRecord) -> (Option<String>, StreamRecord) {
    let change = match record.event_name.as_str() {
        "INSERT" => StreamChange::Insert,
        "REMOVE" => StreamChange::Remove,
        _ => StreamChange::Modify,
    };
    let read = StreamRecord::new(change, record.change.keys.into());
    // An event without an image is read as one with an empty image.
    let read = match record.change.new_image.is_empty() {
        true => read,
        false => read.with_new_image(record.change.new_image.into()),
    };
    (record.change.sequence_number, read)
}

fn warn(results: &[Result<(), StreamError>]) {
    let failed = results.iter().filter(|result| result.is_err()).count();
    if let Some(Err(error)) = results.iter().find(|result| result.is_err()) {
        let error: &dyn std::error::Error = error;
        let records = results.len();
        tracing::warn!(
            failed,
            records,
            first = error,
            "records of the stream are to be shown again"
        );
    }
}

/// Serves [`outbox_stream`] to the event-source mapping of the table's stream, as Lambda's runtime API
/// gives its invocations, until the environment ends the process. With `metrics`, they are written at the
/// end of each.
///
/// An event that is none of DynamoDB Streams is answered with an error, and the process lives.
///
/// # Errors
/// The process isn't started by Lambda ([`RunError`](crate::RunError)), or the runtime API can't be
/// talked to.
pub async fn run_relay(relay: Relay, metrics: Option<Metrics>) -> Result<(), lambda_runtime::Error> {
    crate::run::check_environment()?;
    let handler = service_fn(move |event: LambdaEvent<Event>| {
        let (relay, metrics) = (relay.clone(), metrics.clone());
        async move { invocation(&relay, metrics.as_ref(), event).await }
    });
    lambda_runtime::run_concurrent(handler).await
}

/// One invocation.
async fn invocation(
    relay: &Relay,
    metrics: Option<&Metrics>,
    event: LambdaEvent<Event>,
) -> Result<DynamoDbEventResponse, NotStream> {
    let LambdaEvent { payload, context } = event;
    check_source(&payload)?;
    let handled = outbox_stream(relay, payload, context.deadline());
    let answer = trace::within(context.xray_trace_id.as_deref(), handled).await;
    if let Some(metrics) = metrics {
        metrics.flush();
    }
    Ok(answer)
}

/// Why an invocation failed as a whole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "record {index} of the event is none of DynamoDB Streams, but of `{found}`: this function stands \
     behind an event-source mapping of the stream of the store's table"
)]
struct NotStream {
    index: usize,
    found: String,
}

impl From<NotStream> for Diagnostic {
    fn from(error: NotStream) -> Self {
        Self {
            error_type: "NotStream".to_owned(),
            error_message: error.to_string(),
        }
    }
}

fn check_source(event: &Event) -> Result<(), NotStream> {
    for (index, record) in event.records.iter().enumerate() {
        if record.event_source.as_deref() != Some("aws:dynamodb") {
            let found = record.event_source.clone().unwrap_or_default();
            return Err(NotStream { index, found });
        }
    }
    Ok(())
}

//! One invocation with messages of a queue.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use fanfare::is_fifo;
use fanfare::port::Received;
use fanfare_worker::SqsReceipt;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::record::received;
use crate::trace::InTrace;
use crate::{Function, Metrics};

/// The attribute with a message's FIFO group.
const GROUP: &str = "MessageGroupId";

/// No invocation lasts longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Handles the messages of one event, and answers which of them failed: all that the function didn't get
/// done by the deadline among them.
///
/// It answers in any case, also when a handler panics, goes on for ever or blocks its thread; see
/// [`BatchHost`](fanfare::host::BatchHost). Dropping the future stops at once, as a kill does.
///
/// A record that can't be made a message (it has no body or no receipt handle, or is another queue's) is
/// logged and answered as failed, so that its queue gives it up after its receives; one without an id can't
/// be named, and is answered as an empty one, by which Lambda takes the whole batch for failed.
///
/// ```
/// # use fanfare::Router;
/// use std::time::{Duration, SystemTime};
/// use fanfare_lambda::{Function, sqs_batch};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = aws_types::SdkConfig::builder().build();
/// # let service = Router::new("shipping").into_service()?;
///
/// let function = Function::new(&config, service);
/// let event = serde_json::from_str(r#"{ "Records": [] }"#)?;
/// let deadline = SystemTime::now() + Duration::from_secs(30);
/// let answer = sqs_batch(&function, event, deadline).await;
/// assert!(answer.batch_item_failures.is_empty());
/// # Ok(())
/// # }
/// ```
pub async fn sqs_batch(function: &Function, event: SqsEvent, deadline: SystemTime) -> SqsBatchResponse {
    let left = deadline.duration_since(function.clock.now()).unwrap_or_default();
    let deadline = Instant::now() + left.min(LONGEST);
    let (batch, mut failed) = read(function, event);
    let metrics = function.metrics.clone();
    let service = InTrace::of(function.service.clone()).map_response(move |outcome| {
        metrics.iter().for_each(Metrics::tried);
        outcome
    });
    let handed = function.host.handle(service, batch, deadline).await;
    failed.extend(handed.failed);
    let mut answer = SqsBatchResponse::default();
    answer.set_failures(failed);
    answer
}

/// The event's messages, and the ids of what is none. Behind one of a FIFO group that is none, the rest of
/// its group fails too: handled, it would be out of order.
fn read(function: &Function, event: SqsEvent) -> (Vec<Received<SqsReceipt>>, Vec<String>) {
    let mut batch = Vec::with_capacity(event.records.len());
    let (mut failed, mut stopped) = (Vec::new(), BTreeSet::new());
    for record in event.records {
        let id = record.message_id.clone().unwrap_or_default();
        let arn = record.event_source_arn.as_deref().unwrap_or_default();
        let group = is_fifo(arn).then(|| record.attributes.get(GROUP).cloned().unwrap_or_default());
        let read = match function.queue.of(arn) {
            Ok(_) if group.as_ref().is_some_and(|group| stopped.contains(group)) => {
                Err("one before it in its group can't be".to_owned())
            }
            Ok(queue) => received(record, queue).map_err(str::to_owned),
            Err(reason) => Err(reason),
        };
        match read {
            Ok(message) => batch.push(message),
            Err(reason) => {
                let consumer = function.consumer();
                tracing::error!(
                    consumer,
                    message = id,
                    reason,
                    "a record can't be handled, and failed"
                );
                failed.push(id);
                stopped.extend(group);
            }
        }
    }
    (batch, failed)
}

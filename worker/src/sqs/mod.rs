//! A queue on SQS.

mod bury;
mod connect;
mod copied;
mod error;
mod message;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};
use aws_types::sdk_config::SharedTimeSource;
use fanfare::BATCH_ENTRIES;
use fanfare::port::{DeadLetter, Queue, QueueError, Received};

use self::copied::Copied;
use self::error::Failed;
pub use self::message::{SqsReceipt, received};
use crate::mutation::Mutation;

/// The longest wait that SQS takes.
const WAIT: Duration = Duration::from_secs(20);

/// A queue on SQS, as a [`Queue`] for a [`Host`](fanfare::host::Host). Clones are the same queue.
///
/// Calls that take a batch take any number of entries, ten in a request, with a result of its own for
/// each: an entry that fails is told by its code, one that the answer leaves out may be tried again.
/// Dead letters are copied and deleted when the copy is confirmed; one whose deletion failed isn't
/// copied once more by the same process. On FIFO the copy's deduplication id is the message's id.
///
/// ```no_run
/// use std::time::Duration;
/// use fanfare::port::Queue;
/// use fanfare_worker::{ConnectError, SqsQueue};
///
/// # async fn first(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let queue = SqsQueue::connect(config, "shop-billing").await?;
/// let received = queue.receive(10, Duration::from_secs(20)).await?;
/// let receipts = received.into_iter().map(|received| received.receipt).collect();
/// for deleted in queue.delete(receipts).await {
///     deleted?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqsQueue {
    inner: Arc<Inner>,
    pub(crate) mutations: Vec<Mutation>,
}

struct Inner {
    name: Arc<str>,
    url: String,
    fifo: bool,
    visibility: Duration,
    max_receives: Option<u32>,
    dead_letters: Option<DeadLetters>,
    receive: Client,
    settle: Client,
    time: SharedTimeSource,
    copied: Copied,
}

/// Where dead letters go.
#[derive(Debug)]
struct DeadLetters {
    name: String,
    url: String,
    maximum_size: usize,
}

impl SqsQueue {
    /// How long a received message is hidden, as the queue was set up when it was connected; each
    /// receive asks for it.
    pub fn visibility_timeout(&self) -> Duration {
        self.inner.visibility
    }

    /// How often a message is received before the queue itself moves it to its dead letters; nothing
    /// without a dead-letter queue.
    pub fn max_receives(&self) -> Option<u32> {
        self.inner.max_receives
    }

    /// The name of its dead-letter queue.
    pub fn dead_letter_queue(&self) -> Option<&str> {
        self.inner.dead_letters.as_ref().map(|dead| dead.name.as_str())
    }

    fn failed(&self, call: &'static str) -> Failed<'_> {
        Failed {
            call,
            queue: &self.inner.name,
        }
    }

    /// One result for each of `count` entries whose ids are their places.
    fn entries<'a>(
        &self,
        call: Failed<'_>,
        count: usize,
        successful: impl Iterator<Item = &'a str>,
        failed: &[BatchResultErrorEntry],
    ) -> Vec<Result<(), QueueError>> {
        if self.is(Mutation::ResultsUnread) {
            return (0..count).map(|_| Ok(())).collect();
        }
        let mut results: Vec<_> = (0..count).map(|_| Err(call.missing())).collect();
        for result in successful
            .filter_map(|id| id.parse().ok())
            .collect::<Vec<usize>>()
        {
            if let Some(result) = results.get_mut(result) {
                *result = Ok(());
            }
        }
        for entry in failed {
            if let Some(result) = entry.id.parse::<usize>().ok().and_then(|id| results.get_mut(id)) {
                *result = Err(call.entry(entry));
            }
        }
        results
    }

    async fn change(
        &self,
        call: &'static str,
        changes: Vec<(SqsReceipt, i32)>,
    ) -> Vec<Result<(), QueueError>> {
        let failed = self.failed(call);
        let mut results = Vec::with_capacity(changes.len());
        for chunk in changes.chunks(BATCH_ENTRIES) {
            let entry = |(id, (receipt, seconds)): (usize, &(SqsReceipt, i32))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(receipt.handle())
                    .visibility_timeout(*seconds)
                    .build()
            };
            let entries: Result<Vec<_>, _> = chunk.iter().enumerate().map(entry).collect();
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    results.extend(chunk.iter().map(|_| Err(failed.rejected(error.to_string()))));
                    continue;
                }
            };
            let request = self.inner.settle.change_message_visibility_batch();
            let request = request.queue_url(&self.inner.url).set_entries(Some(entries));
            match request.send().await {
                Ok(output) => {
                    let successful = output.successful.iter().map(|entry| entry.id.as_str());
                    results.extend(self.entries(failed, chunk.len(), successful, &output.failed));
                }
                Err(error) => results.extend(chunk.iter().map(|_| Err(failed.call(&error)))),
            }
        }
        results
    }
}

impl Queue for SqsQueue {
    type Receipt = SqsReceipt;

    fn name(&self) -> &str {
        &self.inner.name
    }

    /// One `ReceiveMessage`, in one attempt. A wait is rounded up to whole seconds, 20 at most.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<SqsReceipt>>, QueueError> {
        let max = i32::try_from(max.clamp(1, BATCH_ENTRIES)).unwrap_or(1);
        let request = self.inner.receive.receive_message();
        let request = request
            .queue_url(&self.inner.url)
            .max_number_of_messages(max)
            // What the host goes by, whatever the queue's setting became since.
            .visibility_timeout(seconds_up(self.inner.visibility))
            .wait_time_seconds(seconds_up(wait.min(WAIT)))
            .message_attribute_names("All")
            .set_message_system_attribute_names(Some(message::asked()));
        let output = request.send().await;
        let output = output.map_err(|error| self.failed("receive").call(&error))?;
        let messages = output.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| message::received(message, &self.inner.name))
            .collect())
    }

    async fn delete(&self, receipts: Vec<SqsReceipt>) -> Vec<Result<(), QueueError>> {
        let failed = self.failed("delete");
        let mut results = Vec::with_capacity(receipts.len());
        for chunk in receipts.chunks(BATCH_ENTRIES) {
            let entry = |(id, receipt): (usize, &SqsReceipt)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(receipt.handle())
                    .build()
            };
            let entries: Result<Vec<_>, _> = chunk.iter().enumerate().map(entry).collect();
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    results.extend(chunk.iter().map(|_| Err(failed.rejected(error.to_string()))));
                    continue;
                }
            };
            let request = self.inner.settle.delete_message_batch();
            let request = request.queue_url(&self.inner.url).set_entries(Some(entries));
            match request.send().await {
                Ok(output) => {
                    let successful = output.successful.iter().map(|entry| entry.id.as_str());
                    results.extend(self.entries(failed, chunk.len(), successful, &output.failed));
                }
                Err(error) => results.extend(chunk.iter().map(|_| Err(failed.call(&error)))),
            }
        }
        results
    }

    /// `ChangeMessageVisibilityBatch`; times are rounded down to whole seconds.
    async fn extend(&self, receipts: Vec<(SqsReceipt, Duration)>) -> Vec<Result<(), QueueError>> {
        let seconds = |(receipt, time): (SqsReceipt, Duration)| {
            let seconds = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
            (receipt, seconds)
        };
        self.change("extend", receipts.into_iter().map(seconds).collect())
            .await
    }

    /// `ChangeMessageVisibilityBatch`; times are rounded up to whole seconds.
    async fn release(&self, receipts: Vec<(SqsReceipt, Duration)>) -> Vec<Result<(), QueueError>> {
        let seconds = |(receipt, time): (SqsReceipt, Duration)| (receipt, seconds_up(time));
        self.change("release", receipts.into_iter().map(seconds).collect())
            .await
    }

    async fn dead_letter(
        &self,
        letters: Vec<(Received<SqsReceipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        self.bury(&letters).await
    }
}

impl std::fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqsQueue")
            .field("name", &self.inner.name)
            .field("visibility_timeout", &self.inner.visibility)
            .field("max_receives", &self.inner.max_receives)
            .field("dead_letters", &self.inner.dead_letters)
            .finish_non_exhaustive()
    }
}

fn seconds_up(time: Duration) -> i32 {
    let part = u64::from(time.subsec_nanos() > 0);
    i32::try_from(time.as_secs().saturating_add(part)).unwrap_or(i32::MAX)
}

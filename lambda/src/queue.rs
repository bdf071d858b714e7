//! The queue behind a function.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_types::SdkConfig;
use fanfare::RouterService;
use fanfare::port::{DeadLetter, Queue, QueueError, Received};
use fanfare::topology::QueueSettings;
use fanfare_worker::{ConnectError, SqsQueue, SqsReceipt};
use tokio::sync::OnceCell;

/// The queue that a function's messages come from: known from the first event, and connected when the
/// first message is given back or becomes a dead letter. Clones are the same queue.
///
/// A call while it can't be connected fails as one worth another try, and connects anew.
#[derive(Clone)]
pub struct FunctionQueue(Arc<Inner>);

struct Inner {
    config: SdkConfig,
    consumer: Arc<str>,
    expected: QueueSettings,
    source: OnceLock<Source>,
    connected: OnceCell<SqsQueue>,
}

/// Where events say that they come from.
#[derive(Debug)]
struct Source {
    arn: String,
    name: Arc<str>,
}

impl FunctionQueue {
    pub(crate) fn new(config: &SdkConfig, service: &RouterService) -> Self {
        Self(Arc::new(Inner {
            config: config.clone(),
            consumer: service.consumer().into(),
            expected: service.queue().clone(),
            source: OnceLock::new(),
            connected: OnceCell::new(),
        }))
    }

    /// The name of the queue with this ARN, which becomes the function's if it has none yet.
    ///
    /// # Errors
    /// Why its messages can't be handled: it is no queue's ARN, or another queue's.
    pub(crate) fn of(&self, arn: &str) -> Result<&Arc<str>, String> {
        let parts: Vec<_> = arn.split(':').collect();
        let [_, _, "sqs", _, _, name] = parts[..] else {
            return Err(format!("`{arn}` is no ARN of a queue"));
        };
        let source = self.0.source.get_or_init(|| Source {
            arn: arn.to_owned(),
            name: name.into(),
        });
        match source.arn == arn {
            true => Ok(&source.name),
            false => Err(format!(
                "it comes from {arn}, and this function serves {}: give each queue a function of its own",
                source.arn
            )),
        }
    }

    async fn connected(&self) -> Result<&SqsQueue, ConnectError> {
        let connected = self.0.connected.get_or_try_init(|| self.connect()).await;
        if let Err(error) = &connected {
            let error: &dyn std::error::Error = error;
            let (consumer, queue) = (&*self.0.consumer, self.name());
            tracing::warn!(consumer, queue, error, "the function's queue can't be connected");
        }
        connected
    }

    async fn connect(&self) -> Result<SqsQueue, ConnectError> {
        let arn = self.0.source.get().map(|source| source.arn.as_str());
        // There is no message without an event.
        let queue = SqsQueue::connect_arn(&self.0.config, arn.unwrap_or_default()).await?;
        let (deployed, expected) = (queue.max_receives(), self.0.expected.max_receives);
        if deployed != Some(expected) {
            tracing::warn!(
                consumer = &*self.0.consumer,
                queue = queue.name(),
                deployed,
                expected,
                "the queue's maxReceiveCount differs from the consumer's settings, which the function goes by: \
                 deploy again"
            );
        }
        Ok(queue)
    }

    /// What a call gives whose queue isn't there.
    fn failed(&self, call: &'static str, error: &ConnectError) -> QueueError {
        QueueError::Retryable {
            call,
            queue: self.name().to_owned(),
            reason: error.to_string(),
        }
    }
}

impl Queue for FunctionQueue {
    type Receipt = SqsReceipt;

    /// The consumer's name until the first event tells the queue's.
    fn name(&self) -> &str {
        match self.0.source.get() {
            Some(source) => &source.name,
            None => &self.0.consumer,
        }
    }

    /// A function's messages come with its events; this receives others.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<SqsReceipt>>, QueueError> {
        match self.connected().await {
            Ok(queue) => queue.receive(max, wait).await,
            Err(error) => Err(self.failed("receive", &error)),
        }
    }

    async fn delete(&self, receipts: Vec<SqsReceipt>) -> Vec<Result<(), QueueError>> {
        match self.connected().await {
            Ok(queue) => queue.delete(receipts).await,
            Err(error) => receipts
                .iter()
                .map(|_| Err(self.failed("delete", &error)))
                .collect(),
        }
    }

    async fn extend(&self, receipts: Vec<(SqsReceipt, Duration)>) -> Vec<Result<(), QueueError>> {
        match self.connected().await {
            Ok(queue) => queue.extend(receipts).await,
            Err(error) => receipts
                .iter()
                .map(|_| Err(self.failed("extend", &error)))
                .collect(),
        }
    }

    async fn release(&self, receipts: Vec<(SqsReceipt, Duration)>) -> Vec<Result<(), QueueError>> {
        match self.connected().await {
            Ok(queue) => queue.release(receipts).await,
            Err(error) => receipts
                .iter()
                .map(|_| Err(self.failed("release", &error)))
                .collect(),
        }
    }

    async fn dead_letter(
        &self,
        letters: Vec<(Received<SqsReceipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        match self.connected().await {
            Ok(queue) => queue.dead_letter(letters).await,
            Err(error) => letters
                .iter()
                .map(|_| Err(self.failed("dead_letter", &error)))
                .collect(),
        }
    }
}

impl std::fmt::Debug for FunctionQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionQueue")
            .field("consumer", &self.0.consumer)
            .field("source", &self.0.source)
            .field("connected", &self.0.connected)
            .finish_non_exhaustive()
    }
}

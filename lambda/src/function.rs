//! A consumer as a function.

use aws_types::SdkConfig;
use fanfare::host::BatchHost;
use fanfare::{Clock, RouterService};

use crate::{FunctionQueue, Metrics};

/// One consumer as a Lambda function: its handlers, and the queue that they are settled on. Made once, before
/// the first invocation, and used for all of them; clones are the same function.
///
/// Nothing is called before the first event, and a batch whose messages are all handled makes no call to
/// SQS at all: Lambda deletes them. The queue is found by the ARN in the event, and connected when the first
/// message is given back or becomes a dead letter.
///
/// ```no_run
/// use fanfare::{Delivery, Failure, Handled, Router};
/// use fanfare_lambda::Function;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
///
/// # async fn serve(config: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let service = Router::new("shipping").on::<OrderPlaced>(ship).into_service()?;
/// let config = fanfare_lambda::traced(&config);
/// let function = Function::new(&config, service).configure(|host| host.concurrency(20));
/// fanfare_lambda::run(function).await
/// # }
/// ```
#[derive(Clone)]
pub struct Function {
    pub(crate) host: BatchHost<FunctionQueue>,
    pub(crate) queue: FunctionQueue,
    pub(crate) service: RouterService,
    pub(crate) clock: Clock,
    pub(crate) metrics: Option<Metrics>,
}

impl Function {
    /// A function for this service, whose calls to SQS are made by this configuration: best a
    /// [`traced`](crate::traced) one.
    pub fn new(config: &SdkConfig, service: RouterService) -> Self {
        let queue = FunctionQueue::new(config, &service);
        Self {
            host: BatchHost::of(queue.clone(), &service),
            queue,
            service,
            clock: Clock::system(),
            metrics: None,
        }
    }

    /// Changes something about the host: how many messages at a time, the inbox to ask before a failure
    /// becomes a dead letter, where the tries of a FIFO message are counted.
    #[must_use]
    pub fn configure(
        mut self,
        change: impl FnOnce(BatchHost<FunctionQueue>) -> BatchHost<FunctionQueue>,
    ) -> Self {
        self.host = change(self.host);
        self
    }

    /// The clock that deadlines and ages are measured by; the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.host = self.host.clock(clock.clone());
        self.clock = clock;
        self
    }

    /// Writes these metrics at the end of each invocation.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The consumer's name.
    pub fn consumer(&self) -> &str {
        self.service.consumer()
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function")
            .field("host", &self.host)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

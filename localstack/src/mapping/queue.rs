//! Between a queue and a function.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fanfare::memory::{Broker, BrokerError, Receive};
use fanfare::topology::FunctionSettings;
use fanfare::{BATCH_ENTRIES, is_fifo};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::batch::{Batch, event};
use super::record::Record;
use super::{MappingError, reply};
use crate::Local;

/// How long one receive waits, the most SQS does.
const POLL: Duration = Duration::from_secs(20);
/// The pause while the queue has as much in flight as it takes.
const OVER_LIMIT: Duration = Duration::from_secs(1);
/// The most messages of a batch.
const BATCH: usize = 10_000;
/// The longest window.
const WINDOW: Duration = Duration::from_secs(300);

/// Polls a queue of the in-process broker and invokes a function with batches, as Lambda does with
/// `ReportBatchItemFailures`.
///
/// A batch is invoked when it is full, when its event would have more than 6 MB, or when the window is
/// over that began with its first message; without a window with what one receive gives. What the
/// function doesn't name in `batchItemFailures` is deleted; what it names comes again when its
/// visibility timeout is over, unless the function changed that. The whole batch failed when the function
/// fails or takes longer than its timeout, or names nothing (null, an empty text) or something that isn't
/// in the batch.
///
/// On FIFO a group's messages are in one batch at a time, since the queue gives none of a group that has
/// some in flight. What has no room in a FIFO event is given back at once, which costs it a receive.
///
/// **Not Lambda**: the number of invocations at a time doesn't grow and shrink with the load, nor with
/// errors; there are no filters, and none of the loop detection.
///
/// ```
/// use fanfare::memory::{Broker, Entry, QueueSettings};
/// use fanfare_local::Local;
/// use fanfare_local::mapping::QueueMapping;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// let local = Local::new()?;
/// local.broker().create_queue("billing", QueueSettings::default())?;
/// local.broker().send("billing", Entry::new("order 17"))?;
///
/// let invoke = |event: Value| async move {
///     assert_eq!(event["Records"][0]["body"], "order 17");
///     Ok(json!({ "batchItemFailures": [] }))
/// };
/// let all_done = async { local.broker().quiet(["billing"]).await.expect("the queue is there") };
/// QueueMapping::new(&local, "billing").run(invoke, all_done).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a mapping does nothing until it runs"]
pub struct QueueMapping {
    broker: Broker,
    queue: Arc<str>,
    batch: usize,
    window: Duration,
    concurrency: usize,
    timeout: Duration,
}

impl QueueMapping {
    /// A mapping of the queue of this name.
    pub fn new(local: &Local, queue: impl Into<Arc<str>>) -> Self {
        Self {
            broker: local.broker().clone(),
            queue: queue.into(),
            batch: 10,
            window: Duration::ZERO,
            concurrency: 5,
            timeout: Duration::from_secs(30),
        }
    }

    /// All that the settings of a consumer's function say of its mapping.
    ///
    /// ```
    /// use fanfare::topology::FunctionSettings;
    /// use fanfare_local::{Local, mapping::QueueMapping};
    ///
    /// let settings = FunctionSettings::default().batch(5).maximum_concurrency(2);
    /// let mapping = QueueMapping::new(&Local::new()?, "shop-billing").settings(&settings);
    /// # Ok::<(), fanfare_local::DynamoError>(())
    /// ```
    pub fn settings(self, function: &FunctionSettings) -> Self {
        let most = function.maximum_concurrency;
        let most = most.and_then(|most| usize::try_from(most).ok());
        Self {
            batch: function.batch,
            window: function.window,
            concurrency: most.unwrap_or(self.concurrency),
            timeout: function.timeout,
            ..self
        }
    }

    /// The most messages of a batch: 10 by default and at most on FIFO, up to 10,000 otherwise. More than
    /// 10 need a window of 1 s.
    pub fn batch(mut self, messages: usize) -> Self {
        self.batch = messages;
        self
    }

    /// How long a batch is gathered at most: nothing by default, up to 300 s; not on FIFO.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many invocations there may be at a time: 5 by default, with which Lambda begins.
    pub fn concurrency(mut self, invocations: usize) -> Self {
        self.concurrency = invocations.max(1);
        self
    }

    /// The function's timeout, after which the invocation's future is dropped: 30 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Invokes until `shutdown` resolves. Then it receives no more, invokes with what it has gathered,
    /// and waits for the invocations under way.
    ///
    /// `invoke` gets the event and says what the function answered, or why it failed. Dropping the future
    /// drops the invocations, and their messages come again.
    ///
    /// # Errors
    /// There is no such queue, or Lambda would refuse a setting: among them a visibility timeout that is
    /// shorter than the function's timeout.
    pub async fn run<I, F>(self, invoke: I, shutdown: impl Future<Output = ()>) -> Result<(), MappingError>
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        self.check()?;
        let mut shutdown = pin!(shutdown);
        let mut running = FuturesUnordered::new();
        let mut batch = Batch::default();
        let mut goes_on = true;
        while goes_on {
            let has_place = running.len() < self.concurrency;
            tokio::select! {
                biased;
                () = &mut shutdown => goes_on = false,
                Some(()) = running.next() => continue,
                gathered = self.gather(&mut batch), if has_place => gathered?,
            }
            if !batch.is_empty() {
                running.push(self.invoke(batch.take(), &invoke));
            }
        }
        self.give_back(&batch.take_left());
        while running.next().await.is_some() {}
        Ok(())
    }

    /// Holds the settings against Lambda's rules.
    fn check(&self) -> Result<(), MappingError> {
        let fifo = is_fifo(&self.queue);
        let settings = self.broker.queue_settings(&self.queue);
        let visibility = settings.map_err(|source| self.failed(source))?.visibility_timeout;
        let setting = |setting, value: String, fits: bool, expected| match fits {
            true => Ok(()),
            false => Err(MappingError::Setting {
                source_name: self.queue.to_string(),
                setting,
                value,
                expected,
            }),
        };
        let (size, window) = (self.batch.to_string(), format!("{:?}", self.window));
        let is_small = self.batch <= BATCH_ENTRIES;
        setting(
            "batch size",
            size.clone(),
            (1..=BATCH).contains(&self.batch),
            "1 to 10000",
        )?;
        setting("batch size", size.clone(), is_small || !fifo, "1 to 10 on FIFO")?;
        setting(
            "batch size",
            size,
            is_small || self.window >= Duration::from_secs(1),
            "1 to 10 without a window of 1 s or more",
        )?;
        setting("window", window.clone(), self.window <= WINDOW, "0 s to 300 s")?;
        setting("window", window, self.window.is_zero() || !fifo, "none on FIFO")?;
        setting(
            "function timeout",
            format!("{:?}", self.timeout),
            !self.timeout.is_zero() && self.timeout <= visibility,
            "at most the queue's visibility timeout, or messages would come again while they are handled",
        )
    }

    /// Receives until there is something to be invoked with. May be dropped and begun anew at any time:
    /// what came lies in the batch.
    async fn gather(&self, batch: &mut Batch) -> Result<(), MappingError> {
        batch.begin(self.batch);
        loop {
            let left = batch.left(self.window);
            if batch.is_full(self.batch) || left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            let receive = Receive {
                max: (self.batch - batch.len()).min(BATCH_ENTRIES),
                wait: Some(left.unwrap_or(POLL).min(POLL)),
                visibility_timeout: None,
            };
            match self.broker.receive(&self.queue, receive).await {
                Ok(received) => {
                    for message in received {
                        batch.add(Record::new(&self.queue, message), self.batch);
                    }
                }
                Err(BrokerError::OverLimit(_)) => sleep(OVER_LIMIT).await,
                Err(source) => return Err(self.failed(source)),
            }
            if is_fifo(&self.queue) {
                // Not to be kept for the next batch, which might overtake this one.
                self.give_back(&batch.take_left());
            }
        }
    }

    /// One invocation, from the event to the end of its messages.
    async fn invoke<I, F>(&self, mut records: Vec<Record>, invoke: &I)
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        let answered = timeout(self.timeout, invoke(event(&mut records))).await;
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.timeout)));
        let failed = answered
            .as_ref()
            .map_err(String::clone)
            .and_then(|reply| self::failed(reply, &records));
        let failed = match failed {
            Ok(failed) => failed,
            Err(reason) => {
                let messages = records.len();
                tracing::warn!(queue = &*self.queue, messages, reason, "a whole batch failed");
                return;
            }
        };
        let done = records.iter().filter(|record| !failed.contains(&*record.id));
        let done: Vec<_> = done.map(|record| record.receipt).collect();
        for receipts in done.chunks(BATCH_ENTRIES) {
            // A receipt that is no longer good, or a queue that is gone: the message comes again or is gone.
            let deleted = self.broker.delete_batch(&self.queue, receipts);
            let error = deleted.and_then(|results| results.into_iter().collect::<Result<(), _>>());
            if let Err(error) = error {
                tracing::warn!(queue = &*self.queue, %error, "what was handled could not be deleted");
            }
        }
    }

    /// Shows messages again.
    fn give_back(&self, records: &[Record]) {
        for chunk in records.chunks(BATCH_ENTRIES) {
            let changes: Vec<_> = chunk
                .iter()
                .map(|record| (record.receipt, Duration::ZERO))
                .collect();
            // One that can't be given back comes again by itself.
            let _ = self.broker.change_visibility_batch(&self.queue, &changes);
        }
    }

    fn failed(&self, source: BrokerError) -> MappingError {
        MappingError::Queue {
            queue: self.queue.to_string(),
            source,
        }
    }
}

/// The ids of what failed, each of which must be in the batch.
fn failed<'a>(reply: &'a Value, records: &[Record]) -> Result<BTreeSet<&'a str>, String> {
    let failed: BTreeSet<_> = reply::failures(reply)?.into_iter().collect();
    let ids: BTreeSet<_> = records.iter().map(|record| record.id.as_str()).collect();
    match failed.difference(&ids).next() {
        Some(unknown) => Err(format!("the batch has no message `{unknown}`")),
        None => Ok(failed),
    }
}

//! Between the stream of a table and a function.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fanfare::Backoff;
use fanfare::memory::{FilterPolicy, Scope};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::MappingError;
use super::reader::{Reader, WAITING};
use super::shard::Shard;
use crate::Dynamo;
use crate::dynamo::{DynamoError, Shared};

/// The most records of a batch.
const BATCH: usize = 10_000;
/// The longest window.
const WINDOW: Duration = Duration::from_secs(300);
/// The most shards.
const SHARDS: usize = 64;

/// Reads the stream of a table and invokes a function with batches, as Lambda does with
/// `ReportBatchItemFailures`.
///
/// The stream has several shards; the records of one item are in one shard, in their order, and nothing
/// is promised about those of different items, also of one transaction: [`shuffled`](Self::shuffled) puts
/// them in any order. In each shard one batch is under way at a time. What the function doesn't name in
/// `batchItemFailures` is done, up to the first record that it names: from there on all is shown again,
/// after a pause that grows. The whole batch failed when the function fails or takes longer than its
/// timeout, or names nothing (null, an empty text) or something that isn't in the batch; it is cut in two then
/// ([`bisect`](Self::bisect)). A shard goes on when a batch is done, or given up: after so many
/// [`attempts`](Self::attempts), or when its records are too old. What is given up is
/// [told](Self::on_discard) and logged.
///
/// Up to 100,000 records of a shard wait in memory while it is behind; all of them wait for one with more.
///
/// Where it has read to is kept in memory only. The next one on the same table begins with the oldest record
/// that is kept, so that all is seen again, or with the newest ([`from_latest`](Self::from_latest)). The
/// stream keeps a day, and 100,000 records of all tables together; that some may have been forgotten
/// unread is logged as an error.
///
/// **Not Lambda**: shards are neither split nor closed, there is one pattern to filter by at most, and no two
/// batches of a shard are under way at a time (`ParallelizationFactor`).
///
/// ```
/// use std::time::Duration;
/// use fanfare::table::{Key, Stream, Table};
/// use fanfare_local::Local;
/// use fanfare_local::mapping::StreamMapping;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// let local = Local::new()?;
/// # let client = aws_sdk_dynamodb::Client::new(&local.sdk_config());
/// # use aws_sdk_dynamodb::types::*;
/// # let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
/// # let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
/// # let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
/// # client.create_table().table_name("orders").key_schema(key).attribute_definitions(id.build()?)
/// #     .stream_specification(stream.build()?).billing_mode(BillingMode::PayPerRequest).send().await?;
/// let order = AttributeValue::S("17".into());
/// client.put_item().table_name("orders").item("id", order).send().await?;
///
/// let invoke = |event: Value| async move {
///     assert_eq!(event["Records"][0]["eventName"], "INSERT");
///     assert_eq!(event["Records"][0]["dynamodb"]["NewImage"]["id"]["S"], "17");
///     Ok(json!({ "batchItemFailures": [] }))
/// };
/// let shutdown = tokio::time::sleep(Duration::from_secs(1));
/// StreamMapping::new(local.dynamo(), "orders").run(invoke, shutdown).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a mapping does nothing until it runs"]
pub struct StreamMapping {
    pub(super) dynamo: Arc<Shared>,
    pub(super) table: Arc<str>,
    pub(super) settings: Settings,
    pub(super) discarded: Option<Discarded>,
    filter: Value,
}

/// Gets the records that are given up.
type Discarded = Arc<dyn Fn(&[Value]) + Send + Sync>;

/// How it reads and tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) shards: usize,
    pub(super) batch: usize,
    pub(super) window: Duration,
    pub(super) timeout: Duration,
    pub(super) poll: Duration,
    pub(super) latest: bool,
    pub(super) seed: Option<u64>,
    pub(super) attempts: Option<u32>,
    pub(super) maximum_age: Duration,
    pub(super) bisect: bool,
    pub(super) backoff: Backoff,
}

impl StreamMapping {
    /// A mapping of the stream of the table of this name.
    pub fn new(dynamo: &Dynamo, table: impl Into<Arc<str>>) -> Self {
        Self {
            dynamo: Arc::clone(dynamo.shared()),
            table: table.into(),
            settings: Settings {
                shards: 2,
                batch: 100,
                window: Duration::ZERO,
                timeout: Duration::from_secs(30),
                poll: Duration::from_millis(50),
                latest: false,
                seed: None,
                attempts: None,
                maximum_age: Duration::from_secs(24 * 60 * 60),
                bisect: true,
                backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(30)),
            },
            discarded: None,
            filter: json!({}),
        }
    }

    /// Over how many shards the items are spread: 2 by default, up to 64.
    pub fn shards(self, shards: usize) -> Self {
        self.set(|settings| settings.shards = shards)
    }

    /// The most records of a batch: 100 by default, up to 10,000.
    pub fn batch(self, records: usize) -> Self {
        self.set(|settings| settings.batch = records)
    }

    /// How long a batch is gathered at most: nothing by default, up to 300 s.
    pub fn window(self, window: Duration) -> Self {
        self.set(|settings| settings.window = window)
    }

    /// The function's timeout, after which the invocation's future is dropped: 30 s by default.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.timeout = timeout)
    }

    /// The pause before a stream in which nothing new was found is read again: 50 ms by default (Lambda
    /// takes some 250 ms).
    pub fn poll_every(self, pause: Duration) -> Self {
        self.set(|settings| settings.poll = pause)
    }

    /// Begins with what is written from now on, not with the oldest record that is kept.
    pub fn from_latest(self) -> Self {
        self.set(|settings| settings.latest = true)
    }

    /// Puts the records of different items in an order drawn from this seed. Their sequence numbers say
    /// that order, as DynamoDB's do.
    pub fn shuffled(self, seed: u64) -> Self {
        self.set(|settings| settings.seed = Some(seed))
    }

    /// How often a batch is tried at most (`MaximumRetryAttempts` and one): as often as it takes, by
    /// default. Cutting it in two is none of them.
    pub fn attempts(self, attempts: u32) -> Self {
        self.set(|settings| settings.attempts = Some(attempts.max(1)))
    }

    /// How old a record may get (`MaximumRecordAgeInSeconds`): a day by default, as long as it is kept.
    pub fn maximum_age(self, age: Duration) -> Self {
        self.set(|settings| settings.maximum_age = age)
    }

    /// Whether a batch that failed as a whole, or from its first record on, is cut in two
    /// (`BisectBatchOnFunctionError`): yes by default.
    pub fn bisect(self, bisect: bool) -> Self {
        self.set(|settings| settings.bisect = bisect)
    }

    /// The pause after a failure: by default a random time of up to 200 ms, doubling to 30 s.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.backoff = backoff)
    }

    /// Gets the records of each batch that is given up, as Lambda's destination for failures is told of
    /// them.
    pub fn on_discard(self, discarded: impl Fn(&[Value]) + Send + Sync + 'static) -> Self {
        Self {
            discarded: Some(Arc::new(discarded)),
            ..self
        }
    }

    /// The pattern of what the function is shown (`FilterCriteria`): everything by default. The operators are
    /// those that SNS's filter policies have, too.
    ///
    /// ```
    /// use fanfare_local::{Local, mapping::StreamMapping};
    /// use serde_json::json;
    ///
    /// let inserts = json!({ "eventName": ["INSERT"] });
    /// let mapping = StreamMapping::new(Local::new()?.dynamo(), "orders").filter(inserts);
    /// # Ok::<(), fanfare_local::DynamoError>(())
    /// ```
    pub fn filter(self, pattern: Value) -> Self {
        Self {
            filter: pattern,
            ..self
        }
    }

    /// Invokes until `shutdown` resolves. Then it begins no more invocations and waits for those under
    /// way; what isn't done then is left in the stream.
    ///
    /// `invoke` gets the event and says what the function answered, or why it failed. Dropping the future
    /// drops the invocations.
    ///
    /// # Errors
    /// The table is not there or has no stream, the stream can't be read, or Lambda would refuse a
    /// setting.
    pub async fn run<I, F>(self, invoke: I, shutdown: impl Future<Output = ()>) -> Result<(), MappingError>
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        self.check()?;
        let filter = self.parse_filter()?;
        let stream = self
            .dynamo
            .stream(&self.table)
            .map_err(|error| self.failed(error))?;
        let stream = stream.ok_or_else(|| MappingError::NoStream {
            table: self.table.to_string(),
        })?;
        let position = match self.settings.latest {
            true => self
                .dynamo
                .stream_end(&stream)
                .map_err(|error| self.failed(error))?,
            false => None,
        };
        let (stop, stopped) = watch::channel(false);
        let (senders, running): (Vec<_>, Vec<_>) = (0..self.settings.shards)
            .map(|number| {
                let (sender, shown) = mpsc::channel(WAITING);
                let shard = Shard::new(&self, &stream.table, number, shown, stopped.clone());
                (sender, Box::pin(shard.run(&invoke)))
            })
            .unzip();
        let mut shards = pin!(join_all(running));
        let reader = Reader {
            mapping: &self,
            filter: &filter,
            stream: &stream,
            position,
            shards: senders,
            random: self.settings.seed.map(fastrand::Rng::with_seed),
        };
        tokio::select! {
            biased;
            () = shutdown => {}
            failed = reader.run() => return failed.map(|never| match never {}),
            _ = &mut shards => return Ok(()),
        }
        stop.send_replace(true);
        shards.await;
        Ok(())
    }

    /// Holds the settings against Lambda's rules.
    fn check(&self) -> Result<(), MappingError> {
        let Settings {
            shards,
            batch,
            window,
            timeout,
            ..
        } = self.settings;
        let settings = [
            (
                "batch size",
                batch.to_string(),
                (1..=BATCH).contains(&batch),
                "1 to 10000",
            ),
            ("window", format!("{window:?}"), window <= WINDOW, "0 s to 300 s"),
            (
                "number of shards",
                shards.to_string(),
                (1..=SHARDS).contains(&shards),
                "1 to 64",
            ),
            (
                "function timeout",
                format!("{timeout:?}"),
                !timeout.is_zero(),
                "longer than nothing",
            ),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            None => Ok(()),
            Some((setting, value, _, expected)) => Err(MappingError::Setting {
                source_name: self.table.to_string(),
                setting,
                value,
                expected,
            }),
        }
    }

    fn parse_filter(&self) -> Result<FilterPolicy, MappingError> {
        FilterPolicy::parse(&self.filter, Scope::MessageBody).map_err(|source| MappingError::Filter {
            source_name: self.table.to_string(),
            source,
        })
    }

    pub(super) fn failed(&self, source: DynamoError) -> MappingError {
        MappingError::Stream {
            table: self.table.to_string(),
            source,
        }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }
}

impl fmt::Debug for StreamMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamMapping")
            .field("table", &self.table)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

//! The embedded DynamoDB and the SDK clients that reach it.

mod error;
mod fault;
mod folder;
mod operation;
mod stream;
mod token;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Region, StalledStreamProtectionConfig};
use dynoxide::Database;
use fanfare::Clock;
use fanfare::fault::{FaultPlan, Life};

use self::fault::{Earlier, unprocessed};
use self::token::Tokens;
use crate::answer::Answer;
use crate::connector::{Connector, Now, Timers};
use crate::services::Services;

pub use self::error::DynamoError;
pub(crate) use self::fault::{Twist, throttled};
pub(crate) use self::operation::Operation;
pub(crate) use self::stream::{Position, Stream};

/// A DynamoDB inside the process. Clones share the tables.
///
/// Every call runs to its end on the thread that polls it, under one lock: it takes some tens of
/// microseconds, about what handing it to another thread and back would add, and a simulation on a
/// paused clock stays on one thread. Each call first gives way to other tasks once.
///
/// On a current-thread runtime a run repeats exactly from a seed: the SDK takes its tokens and the
/// jitter of its pauses from `fastrand`'s generator of the thread (seed it with `fastrand::seed`), and
/// everything else from the [`FaultPlan`]. With the SDK's debug spans enabled it takes more from that
/// generator, so repeat a run under the same log filter.
#[derive(Clone, Debug)]
pub struct Dynamo {
    shared: Arc<Shared>,
    plan: Option<FaultPlan>,
}

pub(crate) struct Shared {
    database: Database,
    clock: Clock,
    tokens: Mutex<Tokens>,
    earlier: Mutex<Earlier>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    /// Held for as long as the folder is in use.
    _lock: Option<folder::Lock>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Dynamo {
    /// Tables in memory, gone with the last clone. Expiry follows `clock`.
    ///
    /// # Errors
    /// [`DynamoError::Database`] when the tables can't be set up (out of memory).
    pub fn memory(clock: Clock) -> Result<Self, DynamoError> {
        let database = Database::memory_with_clock(Arc::new(Seconds(clock.clone())))
            .and_then(|database| stream::prepare(&database).map(|()| database))
            .map_err(|source| DynamoError::Database {
                doing: "setting up tables in memory",
                source,
            })?;
        Ok(Self::new(database, clock, None))
    }

    /// Tables in a folder, made when it isn't there; in real time. What was answered survives the end
    /// of the process, also by SIGKILL; a loss of power can take the last writes, never all of them
    /// (each write reaches the operating system before it is answered, and the disk with the next
    /// checkpoint). The tokens of transactions are remembered in memory only: after a restart a
    /// repeated transaction is made again. One process at a time.
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// let dynamo = fanfare_local::Dynamo::file(folder.path())?;
    /// assert!(fanfare_local::Dynamo::file(folder.path()).is_err(), "one at a time");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`DynamoError::InUse`] when another process (or another `Dynamo` of this one) has the folder;
    /// [`DynamoError::Folder`] when it can't be made or written; [`DynamoError::Database`] when what
    /// lies there are no tables of ours, or of a newer version.
    pub fn file(folder: &Path) -> Result<Self, DynamoError> {
        let (database, lock) = folder::open(folder)?;
        Ok(Self::new(database, Clock::system(), Some(lock)))
    }

    fn new(database: Database, clock: Clock, lock: Option<folder::Lock>) -> Self {
        let shared = Shared {
            database,
            clock,
            tokens: Mutex::default(),
            earlier: Mutex::default(),
            calls: Mutex::default(),
            _lock: lock,
        };
        Self {
            shared: Arc::new(shared),
            plan: None,
        }
    }

    /// The same tables, reached under this fault plan. Below the SDK, so that its retries are under test
    /// too: requests and replies lost (the SDK sees no answer), replies late, throttles, hosts killed
    /// before or after a call's effect, conflicts of transactions, parts of batches left out, and old
    /// states of indexes (the previous answer to the same query, or one in which items are missing).
    /// In the plan's trace a call is `dynamodb.PutItem` and a digest of the request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// use fanfare::{Clock, fault::{Fault, FaultPlan, Life}};
    /// use fanfare_local::Dynamo;
    ///
    /// let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::Throttle, 1.0);
    /// let dynamo = Dynamo::memory(Clock::system())?.with_faults(plan.clone());
    /// assert!(dynamo.client(&Life::default()).list_tables().send().await.is_err());
    /// assert_eq!(plan.injected()["throttle"], 3, "the SDK tries three times");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_faults(self, plan: FaultPlan) -> Self {
        Self {
            plan: Some(plan),
            ..self
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn plan(&self) -> Option<&FaultPlan> {
        self.plan.as_ref()
    }

    /// A client for one life of a host: when the life is over, its calls never return and change
    /// nothing more.
    pub fn client(&self, life: &Life) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(self.config(life).build())
    }

    /// The configuration [`client`](Self::client) is made from, to change something about it: three
    /// attempts, five seconds each, all on tokio's clock; a retry quota of its own; no signing.
    pub fn config(&self, life: &Life) -> Builder {
        let services = Services {
            dynamo: Arc::clone(&self.shared),
            messaging: None,
            recorder: None,
        };
        let connector = Connector::new(services, self.plan.clone(), life.clone());
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("local"))
            .endpoint_url("http://dynamodb.local")
            .allow_no_auth()
            .http_client(connector.into_client())
            .sleep_impl(Timers(life.clone()))
            .time_source(Now(self.shared.clock.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            // The default partition is one for the whole process: an earlier simulation's retries
            // would count against this one's quota.
            .retry_partition(RetryPartition::custom("fanfare-local").build())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_secs(5))
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
    }

    /// Deletes what has expired, as DynamoDB does in its own time, and says how many items it was.
    /// Until then an expired item is read like any other. Runs to its end on this thread, and lets
    /// waiting calls of other threads in between pages.
    ///
    /// # Errors
    /// [`DynamoError::Database`] when the tables can't be read or written.
    pub fn sweep_expired(&self) -> Result<usize, DynamoError> {
        self.shared
            .database
            .sweep_ttl()
            .map_err(|source| DynamoError::Database {
                doing: "deleting expired items",
                source,
            })
    }

    /// Deletes what has expired every `pause`, on tokio's clock, until `shutdown` resolves. A sweep
    /// that fails is logged and tried again after the pause. May be dropped at any time.
    pub async fn sweep_expired_until(&self, pause: Duration, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = tokio::time::sleep(pause) => {}
            }
            match self.sweep_expired() {
                Ok(deleted) => tracing::debug!(deleted, "expired items deleted"),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "no sweep"),
            }
        }
    }

    /// How often each operation reached the tables, retries by the SDK included, by its name in the API.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.shared
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs an operation to its end, on this thread.
    pub(crate) fn run(&self, operation: Operation, body: &[u8]) -> Answer {
        *self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(operation.name)
            .or_default() += 1;
        let run = || operation.run(&self.database, body);
        if operation.takes_token() {
            // Held while the transaction is made, so that its repetition waits for its end.
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.once(operation.name, body, self.clock.now(), run)
        } else {
            run()
        }
    }

    /// Runs an operation as the plan wills.
    pub(crate) fn run_with(
        &self,
        twist: Twist,
        plan: &FaultPlan,
        call: &str,
        operation: Operation,
        body: &[u8],
    ) -> Answer {
        match twist {
            Twist::None => self.run(operation, body),
            Twist::Refuse(answer) => answer,
            Twist::Part { done, left_out } => unprocessed(self.run(operation, &done), operation, left_out),
            Twist::Index => {
                let fresh = self.run(operation, body);
                self.earlier
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .answer(plan, call, fresh)
            }
        }
    }
}

/// Our clock as the database reads it.
struct Seconds(Clock);

impl dynoxide::storage_backend::Clock for Seconds {
    fn now_unix_secs(&self) -> u64 {
        self.0.millis() / 1_000
    }

    fn now_unix_secs_f64(&self) -> f64 {
        Duration::from_millis(self.0.millis()).as_secs_f64()
    }
}

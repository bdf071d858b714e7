//! All local services together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, IdentityCache, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_types::SdkConfig;
use fanfare::fault::{FaultPlan, Life};
use fanfare::memory::Broker;
use fanfare::{Account, Clock};

use crate::connector::{Connector, Now, Timers};
use crate::messaging::{ACCOUNT, Messaging, REGION};
use crate::recorded::{Recorded, Recorder};
use crate::services::Services;
use crate::{Dynamo, DynamoError};

/// SNS, SQS, STS's `GetCallerIdentity`, DynamoDB and Lambda's empty lists inside the process, behind the AWS SDK's own
/// clients. Clones share everything.
///
/// Messages live in a [`Broker`], with its semantics and its limits, and tables in a [`Dynamo`]. What
/// the services refuse they refuse with AWS's codes. **Not AWS**: any credentials will do, no policy is
/// looked at, queues and topics don't survive the process, topics deliver to queues only, and what is
/// done counts at once (a queue can be made again right after it was deleted, a filter policy's change
/// holds for the next message).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// use fanfare_local::Local;
///
/// let local = Local::new()?;
/// let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
/// let queue = sqs.create_queue().queue_name("billing").send().await?;
/// let url = queue.queue_url().unwrap_or_default();
/// sqs.send_message().queue_url(url).message_body("order 17").send().await?;
///
/// let received = sqs.receive_message().queue_url(url).send().await?;
/// assert_eq!(received.messages()[0].body(), Some("order 17"));
/// assert_eq!(local.calls()["sqs.SendMessage"], 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Local {
    dynamo: Dynamo,
    messaging: Arc<Messaging>,
    recorder: Option<Recorder>,
}

impl Local {
    /// Everything in memory, on the system's clock, without faults.
    ///
    /// # Errors
    /// [`DynamoError::Database`] when the tables can't be set up (out of memory).
    pub fn new() -> Result<Self, DynamoError> {
        let dynamo = Dynamo::memory(Clock::system())?;
        Ok(Self::of(Broker::default(), dynamo))
    }

    /// The services over this broker and these tables. A fault plan of `dynamo` is everybody's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// use fanfare::{Clock, fault::FaultPlan, memory::Broker};
    /// use fanfare_local::{Dynamo, Local};
    ///
    /// let clock = Clock::tokio(std::time::UNIX_EPOCH);
    /// let broker = Broker::new(clock.clone(), FaultPlan::none());
    /// let local = Local::of(broker, Dynamo::memory(clock)?);
    /// assert!(local.broker().queues().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn of(broker: Broker, dynamo: Dynamo) -> Self {
        let messaging = Arc::new(Messaging::new(broker));
        Self {
            dynamo,
            messaging,
            recorder: None,
        }
    }

    /// The same services, reached under this fault plan, below the SDK. To every call requests and
    /// replies can be lost (the SDK sees no answer), replies come late, calls be throttled with the
    /// service's own codes, and hosts be killed before or after a call's effect. Of a batch some
    /// entries can be done and the others fail (`SenderFault` false) or, now and then, not be spoken of,
    /// done or not. What DynamoDB does besides is told at [`Dynamo::with_faults`]. In the plan's trace
    /// a call is `sqs.ReceiveMessage` and a digest of the request.
    ///
    /// Duplicates and disorder are the broker's: give them to [`Broker::new`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// use fanfare::fault::{Fault, FaultPlan};
    /// use fanfare_local::Local;
    ///
    /// let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::LoseReply, 1.0);
    /// let local = Local::new()?.with_faults(plan);
    /// let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    /// assert!(sqs.create_queue().queue_name("billing").send().await.is_err());
    /// assert_eq!(local.broker().queues(), ["billing"], "it took effect all the same");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_faults(self, plan: FaultPlan) -> Self {
        Self {
            dynamo: self.dynamo.with_faults(plan),
            ..self
        }
    }

    /// The same services, where every call from now on is noted with its caller, for
    /// [`recorded`](Self::recorded). It costs another reading of each request.
    #[must_use]
    pub fn recording(self) -> Self {
        Self {
            recorder: Some(Recorder::default()),
            ..self
        }
    }

    /// Who has made which call on what, each once: for trying whether a role allows what is really done.
    /// Calls that were refused or lost are among them, and nothing is unless it is
    /// [`recording`](Self::recording).
    pub fn recorded(&self) -> BTreeSet<Recorded> {
        self.recorder.as_ref().map(Recorder::all).unwrap_or_default()
    }

    /// The broker that holds topics, queues and messages: for looking and setting up without a call.
    pub fn broker(&self) -> &Broker {
        &self.messaging.broker
    }

    /// The tables, under the same fault plan.
    pub fn dynamo(&self) -> &Dynamo {
        &self.dynamo
    }

    /// The configuration that all clients of one life of a host are made from: when the life is over,
    /// their calls never return and change nothing more, and their timers never end.
    ///
    /// Region us-east-1, credentials that open nothing, three attempts of up to 30 s each, all on
    /// tokio's clock. The SDK's retry quota is one for the whole process and service, unless a client
    /// is given a `retry_partition` of its own: a simulation's should be.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// use fanfare::fault::Life;
    /// use fanfare_local::Local;
    ///
    /// let local = Local::new()?;
    /// let config = local.config(&Life::new("billing"));
    /// let tables = aws_sdk_dynamodb::Client::new(&config).list_tables().send().await?;
    /// assert!(tables.table_names().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn config(&self, life: &Life) -> SdkConfig {
        let plan = self.dynamo.plan().cloned();
        let connector = Connector::new(self.services(), plan, life.clone());
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static(REGION))
            .endpoint_url("http://fanfare.local")
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test",
                "test",
                None,
                None,
                "fanfare-local",
            )))
            // They never expire, and a cache would ask the clock.
            .identity_cache(IdentityCache::no_cache())
            .http_client(connector.into_client())
            .sleep_impl(Timers(life.clone()))
            .time_source(Now(self.messaging.broker.clock()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// The configuration for a host that nobody kills.
    pub fn sdk_config(&self) -> SdkConfig {
        self.config(&Life::default())
    }

    /// The account and region that all of it lies in.
    #[expect(
        clippy::expect_used,
        reason = "the parts are constants, and every example calls this"
    )]
    pub fn account(&self) -> Account {
        Account::new("aws", REGION, ACCOUNT).expect("the parts are well-formed")
    }

    /// How often each operation reached its service, by names such as `sqs.ReceiveMessage`, retries by
    /// the SDK included. Long polls count when they begin.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = self.messaging.calls.by_name();
        let tables = self.dynamo.calls().into_iter();
        calls.extend(tables.map(|(operation, calls)| (format!("dynamodb.{operation}"), calls)));
        calls
    }

    pub(crate) fn services(&self) -> Services {
        Services {
            dynamo: Arc::clone(self.dynamo.shared()),
            messaging: Some(Arc::clone(&self.messaging)),
            recorder: self.recorder.clone(),
        }
    }
}

impl fmt::Debug for Local {
    /// The names of its topics and queues, and nothing of what is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("broker", self.broker())
            .field("dynamo", &self.dynamo)
            .finish()
    }
}

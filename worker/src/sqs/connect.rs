//! Finding a queue and how it is set up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Builder};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_runtime_api::http::Response;
use aws_types::SdkConfig;
use fanfare::{Account, is_fifo};
use serde::Deserialize;

use super::copied::Copied;
use super::error::{reason, short};
use super::{DeadLetters, Inner, SqsQueue};
use crate::ConnectError;

/// One attempt of a receive: the longest wait is 20 s.
const RECEIVE_ATTEMPT: Duration = Duration::from_secs(28);
/// One attempt of any other call, and all of them together.
const ATTEMPT: Duration = Duration::from_secs(5);
const OPERATION: Duration = Duration::from_secs(10);
/// The most bytes of a message, unless the queue says otherwise.
const MESSAGE_BYTES: usize = 1024 * 1024;

type Attributes = HashMap<QueueAttributeName, String>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    /// A number, or a number in a string: SQS keeps what was set.
    max_receive_count: serde_json::Value,
}

impl RedrivePolicy {
    fn max_receives(&self) -> Option<u32> {
        let count = &self.max_receive_count;
        let number = count.as_u64().or_else(|| count.as_str()?.parse().ok());
        number.and_then(|number| u32::try_from(number).ok())
    }

    fn target(&self) -> Option<(&str, &str)> {
        account_and_name(&self.dead_letter_target_arn)
    }
}

/// Whose a queue is.
#[derive(Clone, Copy)]
enum Owner<'a> {
    /// The account's that calls.
    Caller,
    /// The account's with this id.
    Id(&'a str),
    /// This account's, which knows its URL.
    Known(&'a Account),
}

/// The account and the name in a queue's ARN: `arn:aws:sqs:{region}:{account}:{name}`.
fn account_and_name(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(4);
    Some((parts.next()?, parts.next()?))
}

/// The client that receives: one attempt, long enough for a long poll, and a retry quota of its own,
/// so that a queue that can't be polled doesn't use up what settling needs.
fn receive_client(config: &SdkConfig, queue: &str) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(RECEIVE_ATTEMPT)
        // What isn't said here is taken from the application's, and may be shorter than a long poll.
        .disable_operation_timeout()
        .disable_read_timeout()
        .build();
    let builder = builder(config)
        .retry_config(RetryConfig::disabled())
        .retry_partition(RetryPartition::custom(format!("fanfare-receive {queue}")).build())
        .timeout_config(timeouts);
    Client::from_conf(builder.build())
}

/// The client for all other calls. Each queue has a retry quota of its own.
fn settle_client(config: &SdkConfig, queue: &str) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .disable_read_timeout()
        .build();
    let builder = builder(config)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .retry_partition(RetryPartition::custom(format!("fanfare-settle {queue}")).build())
        .timeout_config(timeouts);
    Client::from_conf(builder.build())
}

fn builder(config: &SdkConfig) -> Builder {
    let builder = Builder::from(config);
    match config.behavior_version() {
        Some(_) => builder,
        // The SDK panics without one.
        None => builder.behavior_version(BehaviorVersion::v2026_01_12()),
    }
}

impl SqsQueue {
    /// Finds a queue by its name, in the account and region of the configuration, and reads how it is
    /// set up: `GetQueueUrl` and `GetQueueAttributes`, for its dead-letter queue too. Each takes at most
    /// 10 s.
    ///
    /// Two clients are made of the configuration, with retries and timeouts of their own: one that
    /// receives (one attempt of 28 s), one for everything else (three attempts of 5 s, in 10 s).
    ///
    /// # Errors
    /// The queue isn't there, a call is refused or fails, or its redrive policy can't be read.
    pub async fn connect(config: &SdkConfig, queue_name: &str) -> Result<Self, ConnectError> {
        Self::find(config, queue_name, Owner::Caller).await
    }

    /// As [`connect`](Self::connect), without `GetQueueUrl`: the account knows where its queues are, and the calls
    /// go to the region of the configuration.
    ///
    /// ```no_run
    /// use fanfare::Account;
    /// use fanfare_worker::SqsQueue;
    ///
    /// # async fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let account = Account::new("aws", "eu-central-1", "123456789012")?;
    /// let queue = SqsQueue::connect_in(config, &account, "shop-billing").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`connect`](Self::connect).
    pub async fn connect_in(
        config: &SdkConfig,
        account: &Account,
        queue_name: &str,
    ) -> Result<Self, ConnectError> {
        Self::find(config, queue_name, Owner::Known(account)).await
    }

    /// As [`connect`](Self::connect), by the queue's ARN, as an event of Lambda names it. The queue may be
    /// another account's, and is looked for in the region of the configuration.
    ///
    /// ```no_run
    /// use fanfare_worker::{ConnectError, SqsQueue};
    ///
    /// # async fn example(config: &aws_types::SdkConfig) -> Result<(), ConnectError> {
    /// let arn = "arn:aws:sqs:eu-central-1:123456789012:shop-billing";
    /// let queue = SqsQueue::connect_arn(config, arn).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`connect`](Self::connect), or it is no ARN of a queue.
    pub async fn connect_arn(config: &SdkConfig, arn: &str) -> Result<Self, ConnectError> {
        let (account, name) = account_and_name(arn).ok_or_else(|| ConnectError::Settings {
            queue: arn.to_owned(),
            problem: "it is named by no ARN such as arn:aws:sqs:REGION:ACCOUNT:NAME".to_owned(),
        })?;
        Self::find(config, name, Owner::Id(account)).await
    }

    async fn find(config: &SdkConfig, queue_name: &str, owner: Owner<'_>) -> Result<Self, ConnectError> {
        let settle = settle_client(config, queue_name);
        let url = queue_url(&settle, queue_name, owner).await?;
        let names = [
            QueueAttributeName::VisibilityTimeout,
            QueueAttributeName::RedrivePolicy,
        ];
        let attributes = queue_attributes(&settle, queue_name, &url, &names).await?;
        let problem = |problem: &str| ConnectError::Settings {
            queue: queue_name.to_owned(),
            problem: problem.to_owned(),
        };
        let visibility = attributes.get(&QueueAttributeName::VisibilityTimeout);
        let visibility: u64 = visibility
            .and_then(|seconds| seconds.parse().ok())
            .ok_or_else(|| problem("it doesn't tell its visibility timeout"))?;
        let mut max_receives = None;
        let mut dead_letters = None;
        if let Some(policy) = attributes.get(&QueueAttributeName::RedrivePolicy) {
            let unreadable = || problem("its redrive policy can't be read");
            let policy: RedrivePolicy = serde_json::from_str(policy).map_err(|_| unreadable())?;
            max_receives = Some(policy.max_receives().ok_or_else(unreadable)?);
            let (id, name) = policy.target().ok_or_else(unreadable)?;
            let owner = match owner {
                Owner::Known(account) if account.id() == id => owner,
                _ => Owner::Id(id),
            };
            dead_letters = Some(self::dead_letters(&settle, owner, name).await?);
        }
        let inner = Inner {
            name: queue_name.into(),
            url,
            fifo: is_fifo(queue_name),
            visibility: Duration::from_secs(visibility),
            max_receives,
            dead_letters,
            receive: receive_client(config, queue_name),
            settle,
            time: config.time_source().unwrap_or_default(),
            copied: Copied::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            mutations: Vec::new(),
        })
    }
}

async fn dead_letters(client: &Client, owner: Owner<'_>, name: &str) -> Result<DeadLetters, ConnectError> {
    let url = queue_url(client, name, owner).await?;
    let names = [QueueAttributeName::MaximumMessageSize];
    let attributes = queue_attributes(client, name, &url, &names).await?;
    let size = attributes.get(&QueueAttributeName::MaximumMessageSize);
    Ok(DeadLetters {
        name: name.to_owned(),
        url,
        maximum_size: size.and_then(|size| size.parse().ok()).unwrap_or(MESSAGE_BYTES),
    })
}

async fn queue_url(client: &Client, queue: &str, owner: Owner<'_>) -> Result<String, ConnectError> {
    let account = match owner {
        Owner::Known(account) => return Ok(account.queue_url(queue)),
        Owner::Id(id) => Some(id),
        Owner::Caller => None,
    };
    let call = client
        .get_queue_url()
        .queue_name(queue)
        .set_queue_owner_aws_account_id(account.map(str::to_owned));
    let output = call
        .send()
        .await
        .map_err(|error| failed("GetQueueUrl", queue, error))?;
    output.queue_url.ok_or_else(|| ConnectError::NoQueue {
        queue: queue.to_owned(),
    })
}

async fn queue_attributes(
    client: &Client,
    queue: &str,
    url: &str,
    names: &[QueueAttributeName],
) -> Result<Attributes, ConnectError> {
    let call = client
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()));
    let output = call
        .send()
        .await
        .map_err(|error| failed("GetQueueAttributes", queue, error))?;
    Ok(output.attributes.unwrap_or_default())
}

fn failed<E>(call: &'static str, queue: &str, error: SdkError<E, Response>) -> ConnectError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let queue = queue.to_owned();
    let code = short(error.code().unwrap_or_default());
    if matches!(code, "QueueDoesNotExist" | "NonExistentQueue") {
        return ConnectError::NoQueue { queue };
    }
    let advice = match code {
        "AccessDenied" | "AccessDeniedException" => {
            "allow the role sqs:GetQueueUrl and sqs:GetQueueAttributes on the queue and its dead-letter queue"
        }
        "" => "look at the network, the region, the endpoint and the credentials",
        _ => "look at the credentials and the region",
    };
    ConnectError::Call {
        call,
        queue,
        reason: reason(&error),
        advice,
        source: error.into(),
    }
}

//! What the tests have in common.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_sns::error::SdkError;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use fanfare::fault::FaultPlan;
use fanfare::memory::Broker;
use fanfare::{Clock, fault::Life};
use fanfare_local::{Dynamo, Local};

pub(crate) struct World {
    pub(crate) local: Local,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sns: aws_sdk_sns::Client,
}

/// Seconds since 1970 at which all tests begin.
pub(crate) const START: u64 = 1_700_000_000;

pub(crate) fn local() -> Local {
    let clock = Clock::tokio(UNIX_EPOCH + Duration::from_secs(START));
    let broker = Broker::new(clock.clone(), FaultPlan::none());
    Local::of(broker, Dynamo::memory(clock).unwrap())
}

pub(crate) fn world() -> World {
    under(local(), &Life::default())
}

/// Clients that don't try again, for one life.
pub(crate) fn under(local: Local, life: &Life) -> World {
    let config = local.config(life).to_builder();
    let config = config
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    World {
        sqs: aws_sdk_sqs::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        local,
    }
}

impl World {
    /// Makes a queue and returns its URL.
    pub(crate) async fn queue(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let mut create = self.sqs.create_queue().queue_name(name);
        for (name, value) in attributes {
            create = create.attributes(QueueAttributeName::from(*name), *value);
        }
        create.send().await.unwrap().queue_url.unwrap()
    }

    /// Makes a FIFO queue that needs no deduplication ids.
    pub(crate) async fn fifo(&self, name: &str) -> String {
        let attributes = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
        self.queue(name, &attributes).await
    }

    /// A queue with a dead-letter queue behind it, for this number of receives.
    pub(crate) async fn with_dead_letters(&self, receives: u32) -> (String, String) {
        let dead = self.queue("dead", &[]).await;
        let policy = redrive("dead", receives);
        let queue = self
            .queue("q", &[("RedrivePolicy", &policy), ("VisibilityTimeout", "0")])
            .await;
        (queue, dead)
    }

    pub(crate) async fn send(&self, url: &str, body: &str) -> String {
        let send = self.sqs.send_message().queue_url(url).message_body(body);
        send.send().await.unwrap().message_id.unwrap()
    }

    /// Receives up to 10 messages that are there, with all attributes.
    pub(crate) async fn receive(&self, url: &str) -> Vec<Message> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        receive.send().await.unwrap().messages.unwrap_or_default()
    }

    pub(crate) async fn bodies(&self, url: &str) -> Vec<String> {
        let messages = self.receive(url).await.into_iter();
        messages.map(|message| message.body.unwrap()).collect()
    }

    /// Makes a topic and returns its ARN.
    pub(crate) async fn topic(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let mut create = self.sns.create_topic().name(name);
        for (name, value) in attributes {
            create = create.attributes(*name, *value);
        }
        create.send().await.unwrap().topic_arn.unwrap()
    }

    /// Subscribes a queue to a topic and returns the subscription's ARN.
    pub(crate) async fn subscribe(&self, topic: &str, queue: &str, attributes: &[(&str, &str)]) -> String {
        let mut subscribe = self
            .sns
            .subscribe()
            .topic_arn(topic)
            .protocol("sqs")
            .endpoint(arn(queue))
            .return_subscription_arn(true);
        for (name, value) in attributes {
            subscribe = subscribe.attributes(*name, *value);
        }
        subscribe.send().await.unwrap().subscription_arn.unwrap()
    }
}

pub(crate) fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

pub(crate) fn redrive(dead: &str, receives: u32) -> String {
    format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{receives}}}"#,
        arn(dead)
    )
}

/// The code and the message of a refusal.
pub(crate) fn refusal<T, E: ProvideErrorMetadata, R: std::fmt::Debug>(
    result: Result<T, SdkError<E, R>>,
) -> (String, String) {
    let Err(SdkError::ServiceError(error)) = result else {
        panic!("the service was to refuse this");
    };
    let error = error.err();
    (
        error.code().unwrap_or_default().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    )
}

pub(crate) fn code<T, E: ProvideErrorMetadata, R: std::fmt::Debug>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    refusal(result).0
}

pub(crate) fn system(message: &Message, name: &str) -> Option<String> {
    let attributes = message.attributes.as_ref()?;
    attributes.get(&MessageSystemAttributeName::from(name)).cloned()
}

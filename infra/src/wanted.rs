//! What is to be there, derived from a topology.

use fanfare::topology::{Consumer, Encryption, queue_policy};
use fanfare::{Account, Topology, dead_letter_name, queue_name, topic_name, undelivered_name};
use serde_json::json;

use crate::compare::Attributes;
use crate::{Kind, Resource};

/// The attribute of a topic or queue that names its key in KMS.
pub(crate) const KEY: &str = "KmsMasterKeyId";

/// All of it, each in the order in which it is made.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) topics: Vec<Topic>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) resource: Resource,
    pub(crate) arn: String,
    pub(crate) attributes: Attributes,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) resource: Resource,
    /// What it is for, in words.
    pub(crate) role: String,
    pub(crate) attributes: Attributes,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) resource: Resource,
    pub(crate) topic: String,
    pub(crate) topic_arn: String,
    pub(crate) queue_arn: String,
    pub(crate) attributes: Attributes,
}

impl Wanted {
    pub(crate) fn new(topology: &Topology, account: &Account) -> Self {
        let topics = topology.topics.iter().map(|topic| {
            let name = topic_name(&topology.app, &topic.name);
            Topic {
                arn: account.topic_arn(&name),
                attributes: topic_attributes(topic.fifo, &topology.encryption),
                resource: Resource::new(Kind::Topic, name),
            }
        });
        let consumers = || topology.consumers.iter();
        Self {
            topics: topics.collect(),
            queues: consumers()
                .flat_map(|consumer| queues(topology, consumer, account))
                .collect(),
            subscriptions: consumers()
                .flat_map(|consumer| subscriptions(&topology.app, consumer, account))
                .collect(),
        }
    }
}

/// A consumer's queues, dead letters first: what leads to another comes after it.
fn queues(topology: &Topology, consumer: &Consumer, account: &Account) -> Vec<Queue> {
    let app = &topology.app;
    let name = queue_name(app, &consumer.name, consumer.fifo);
    let settings = &consumer.queue;
    let (dead, undelivered) = (dead_letter_name(&name), undelivered_name(&name));
    let topics: Vec<String> = consumer
        .subscriptions
        .iter()
        .map(|subscription| account.topic_arn(&topic_name(app, &subscription.topic)))
        .collect();
    let queue = |what: &str, name: &str, retention: std::time::Duration| {
        let mut attributes = of_kind(consumer.fifo, "FifoQueue");
        attributes.extend([
            ("MessageRetentionPeriod", retention.as_secs().to_string()),
            match topology.encryption.key() {
                None => ("SqsManagedSseEnabled", "true".to_owned()),
                Some(key) => (KEY, key.to_owned()),
            },
        ]);
        Queue {
            attributes,
            resource: Resource::new(Kind::Queue, name),
            role: format!("the queue of {what} `{}`", consumer.name),
        }
    };
    let with_policy = |mut queue: Queue| {
        let policy = queue_policy(&account.queue_arn(&queue.resource.name), &topics).to_string();
        queue.attributes.insert("Policy", policy);
        queue
    };
    let mut dead_letters = queue("dead letters of", &dead, settings.dead_letter_retention);
    let allow = json!({"redrivePermission": "byQueue", "sourceQueueArns": [account.queue_arn(&name)]});
    dead_letters
        .attributes
        .insert("RedriveAllowPolicy", allow.to_string());
    let mut own = queue("consumer", &name, settings.retention);
    let redrive = json!({
        "deadLetterTargetArn": account.queue_arn(&dead),
        "maxReceiveCount": settings.max_receives,
    });
    own.attributes.extend([
        (
            "VisibilityTimeout",
            settings.visibility_timeout.as_secs().to_string(),
        ),
        // For whoever receives without saying how long it waits.
        ("ReceiveMessageWaitTimeSeconds", "20".to_owned()),
        ("RedrivePolicy", redrive.to_string()),
    ]);
    match topics.is_empty() {
        true => vec![dead_letters, own],
        false => {
            let undelivered = queue(
                "what can't be delivered to",
                &undelivered,
                settings.dead_letter_retention,
            );
            vec![dead_letters, with_policy(undelivered), with_policy(own)]
        }
    }
}

fn subscriptions(app: &str, consumer: &Consumer, account: &Account) -> Vec<Subscription> {
    let queue = queue_name(app, &consumer.name, consumer.fifo);
    let redrive = json!({"deadLetterTargetArn": account.queue_arn(&undelivered_name(&queue))});
    let all = consumer.subscriptions.iter().map(|subscription| {
        let topic = topic_name(app, &subscription.topic);
        Subscription {
            resource: Resource::new(Kind::Subscription, format!("{topic} to {queue}")),
            topic_arn: account.topic_arn(&topic),
            topic,
            queue_arn: account.queue_arn(&queue),
            attributes: Attributes::from([
                ("RawMessageDelivery", "true".to_owned()),
                ("FilterPolicyScope", "MessageAttributes".to_owned()),
                ("FilterPolicy", subscription.filter_policy.to_string()),
                ("RedrivePolicy", redrive.to_string()),
            ]),
        }
    });
    all.collect()
}

fn topic_attributes(fifo: bool, encryption: &Encryption) -> Attributes {
    let mut attributes = of_kind(fifo, "FifoTopic");
    attributes.extend(encryption.key().map(|key| (KEY, key.to_owned())));
    attributes
}

/// Of a FIFO topic or queue, the attribute that says so; others have none.
fn of_kind(fifo: bool, attribute: &'static str) -> Attributes {
    fifo.then(|| (attribute, "true".to_owned())).into_iter().collect()
}

//! What is to be there, derived from a topology.

use fanfare::topology::{
    Consumer, Encryption, FunctionSettings, Hosting, Pollers, queue_policy, topic_policy,
};
use fanfare::{Account, Topology, dead_letter_name, function_name, queue_name, topic_name, undelivered_name};
use fanfare_store::STREAM_FILTER;
use serde_json::json;

use crate::compare::Attributes;
use crate::functions::{ENABLED, mapping_name, pollers_name};
use crate::{Kind, Resource};

/// The attribute of a topic or queue that names its key in KMS.
pub(crate) const KEY: &str = "KmsMasterKeyId";
/// The attribute of a topic that says that it is FIFO, as its name does.
pub(crate) const FIFO_TOPIC: &str = "FifoTopic";

/// What a relay's function is called.
pub(crate) const RELAY: &str = "relay";
/// How old a record of the stream may get while it fails, in seconds, and how often it is tried: what is
/// given up then is still in the outbox, for a sweep.
pub(crate) const OLDEST: u32 = 60 * 60;
pub(crate) const RETRIES: u32 = 10;

/// The queue in which Lambda tells a relay's function of records that it has given up.
pub(crate) fn relay_failed(app: &str) -> String {
    format!("{app}-{RELAY}-failed")
}

/// All of it, each in the order in which it is made.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) topics: Vec<Topic>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Each with its mapping. They are compared, and made by the template alone: they need code and roles.
    pub(crate) functions: Vec<Function>,
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
    /// Whether topics send to it.
    pub(crate) from_topics: bool,
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

/// A function, and the mapping that invokes it.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) resource: Resource,
    pub(crate) attributes: Attributes,
    pub(crate) mapping: Resource,
    pub(crate) mapping_attributes: Attributes,
}

impl Wanted {
    pub(crate) fn new(topology: &Topology, account: &Account) -> Self {
        let topics = topology.topics.iter().map(|topic| {
            let name = topic_name(&topology.app, &topic.name);
            let arn = account.topic_arn(&name);
            Topic {
                attributes: topic_attributes(&arn, topic.fifo, &topology.encryption),
                arn,
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
            functions: consumers()
                .filter_map(|consumer| match &consumer.hosting {
                    Hosting::Function(settings) => Some(function(&topology.app, consumer, settings)),
                    _ => None,
                })
                .chain(relay(topology))
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
    let queue = |what: &str, name: &str, retention: std::time::Duration, topics: &[String]| {
        let mut attributes = of_kind(consumer.fifo, "FifoQueue");
        attributes.extend([
            ("MessageRetentionPeriod", retention.as_secs().to_string()),
            match topology.encryption.key() {
                None => ("SqsManagedSseEnabled", "true".to_owned()),
                Some(key) => (KEY, key.to_owned()),
            },
        ]);
        let policy = queue_policy(&account.queue_arn(name), topics);
        attributes.insert("Policy", policy.to_string());
        Queue {
            attributes,
            resource: Resource::new(Kind::Queue, name),
            role: format!("the queue of {what} `{}`", consumer.name),
            from_topics: !topics.is_empty(),
        }
    };
    let mut dead_letters = queue("dead letters of", &dead, settings.dead_letter_retention, &[]);
    let allow = json!({"redrivePermission": "byQueue", "sourceQueueArns": [account.queue_arn(&name)]});
    dead_letters
        .attributes
        .insert("RedriveAllowPolicy", allow.to_string());
    let mut own = queue("consumer", &name, settings.retention, &topics);
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
                &topics,
            );
            vec![dead_letters, undelivered, own]
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

fn function(app: &str, consumer: &Consumer, settings: &FunctionSettings) -> Function {
    let queue = queue_name(app, &consumer.name, consumer.fifo);
    let name = function_name(app, &consumer.name);
    let mut mapping = mapping(settings);
    let most = settings.maximum_concurrency;
    mapping.extend(most.map(|most| ("MaximumConcurrency", most.to_string())));
    let pollers = settings.provisioned_pollers;
    mapping.extend(pollers.map(|Pollers { min, max }| ("ProvisionedPollerConfig", pollers_name(min, max))));
    mapped(name, settings, &format!("queue {queue}"), mapping)
}

/// The relay's, which reads the stream of the store's table; it is told what concerns it by a filter.
fn relay(topology: &Topology) -> Option<Function> {
    let (Some(Hosting::Function(settings)), Some(store)) = (&topology.relay, &topology.store) else {
        return None;
    };
    let mut mapping = mapping(settings);
    mapping.extend([
        ("BisectBatchOnFunctionError", "true".to_owned()),
        ("FilterCriteria", STREAM_FILTER.to_owned()),
        ("MaximumRecordAgeInSeconds", OLDEST.to_string()),
        ("MaximumRetryAttempts", RETRIES.to_string()),
        ("OnFailure", format!("queue {}", relay_failed(&topology.app))),
    ]);
    let name = function_name(&topology.app, RELAY);
    Some(mapped(name, settings, &format!("table {store}"), mapping))
}

/// What every mapping has.
fn mapping(settings: &FunctionSettings) -> Attributes {
    Attributes::from([
        ("BatchSize", settings.batch.to_string()),
        ("FunctionResponseTypes", "ReportBatchItemFailures".to_owned()),
        (
            "MaximumBatchingWindowInSeconds",
            settings.window.as_secs().to_string(),
        ),
        ("State", ENABLED.to_owned()),
    ])
}

fn mapped(name: String, settings: &FunctionSettings, source: &str, mapping: Attributes) -> Function {
    Function {
        mapping: Resource::new(Kind::Mapping, mapping_name(source, &name)),
        mapping_attributes: mapping,
        attributes: Attributes::from([
            ("MemorySize", settings.memory_mb.to_string()),
            ("Timeout", settings.timeout.as_secs().to_string()),
        ]),
        resource: Resource::new(Kind::Function, name),
    }
}

fn topic_attributes(arn: &str, fifo: bool, encryption: &Encryption) -> Attributes {
    let mut attributes = of_kind(fifo, FIFO_TOPIC);
    attributes.insert("Policy", topic_policy(arn).to_string());
    attributes.extend(encryption.key().map(|key| (KEY, key.to_owned())));
    attributes
}

/// Of a FIFO topic or queue, the attribute that says so; others have none.
fn of_kind(fifo: bool, attribute: &'static str) -> Attributes {
    fifo.then(|| (attribute, "true".to_owned())).into_iter().collect()
}

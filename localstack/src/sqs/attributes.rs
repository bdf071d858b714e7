//! A queue's attributes: the broker's settings in SQS's names and texts, and what the broker doesn't
//! act on.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare::is_fifo;
use fanfare::memory::{QueueSettings, Redrive, RedriveAllow};
use serde::Deserialize;
use serde_json::json;

use super::{Code, Error, arn};
use crate::messaging::{Messaging, lock, name_in_arn};

/// What SQS knows of a queue beside what the broker does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) modified: u64,
    pub(super) tags: BTreeMap<String, String>,
    /// Attributes that are kept and shown, and change nothing.
    pub(super) kept: BTreeMap<&'static str, String>,
}

/// The attributes that nothing here acts on: access, encryption and throughput.
const KEPT: [&str; 5] = [
    "Policy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "FifoThroughputLimit",
];

/// Those that are only read.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

const SETTABLE: [&str; 10] = [
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
];

/// Whether SQS has an attribute of this name.
pub(super) fn is_known(name: &str) -> bool {
    name == "All" || [&KEPT[..], &READ_ONLY, &SETTABLE].concat().contains(&name)
}

/// All attributes of a queue that is there.
pub(super) fn of(messaging: &Messaging, queue: &str) -> Result<BTreeMap<&'static str, String>, Error> {
    let settings = messaging.broker.queue_settings(queue)?;
    let counts = messaging.broker.counts(queue)?;
    let extra = extra(messaging, queue);
    let mut all = BTreeMap::from([
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        (
            "ApproximateNumberOfMessagesNotVisible",
            counts.in_flight.to_string(),
        ),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("CreatedTimestamp", extra.created.to_string()),
        ("LastModifiedTimestamp", extra.modified.to_string()),
        ("QueueArn", arn(queue)),
        ("SqsManagedSseEnabled", "true".to_owned()),
    ]);
    all.extend(settable(queue, &settings, &extra));
    Ok(all)
}

/// What can be set of a queue's attributes, in SQS's names.
pub(super) fn settable(
    queue: &str,
    settings: &QueueSettings,
    extra: &Extra,
) -> BTreeMap<&'static str, String> {
    let mut settable: BTreeMap<_, _> = shown(queue, settings).into_iter().collect();
    settable.extend(extra.kept.clone());
    settable
}

pub(super) fn unknown(attribute: &str) -> Error {
    let message = format!("Unknown Attribute {attribute}.");
    Error::new(Code::InvalidAttributeName, message)
}

/// What is kept of a queue beside the broker; of one that was made in the broker, since now.
pub(super) fn extra(messaging: &Messaging, queue: &str) -> Extra {
    let now = messaging.millis() / 1_000;
    let mut queues = lock(&messaging.queues);
    let extra = queues.entry(queue.to_owned()).or_insert_with(|| Extra {
        created: now,
        modified: now,
        ..Extra::default()
    });
    extra.clone()
}

/// The settings as SQS shows them.
fn shown(queue: &str, settings: &QueueSettings) -> Vec<(&'static str, String)> {
    let seconds = |time: Duration| time.as_secs().to_string();
    let mut shown = vec![
        ("VisibilityTimeout", seconds(settings.visibility_timeout)),
        ("MaximumMessageSize", settings.maximum_size.to_string()),
        ("MessageRetentionPeriod", seconds(settings.retention)),
        ("DelaySeconds", seconds(settings.delay)),
        ("ReceiveMessageWaitTimeSeconds", seconds(settings.receive_wait)),
    ];
    if let Some(redrive) = &settings.redrive {
        let policy = json!({
            "deadLetterTargetArn": arn(&redrive.dead_letter_queue),
            "maxReceiveCount": redrive.max_receive_count,
        });
        shown.push(("RedrivePolicy", policy.to_string()));
    }
    let allow = match &settings.redrive_allow {
        RedriveAllow::All => None,
        RedriveAllow::Nobody => Some(json!({"redrivePermission": "denyAll"})),
        RedriveAllow::Queues(sources) => {
            let arns: Vec<_> = sources.iter().map(|source| arn(source)).collect();
            Some(json!({"redrivePermission": "byQueue", "sourceQueueArns": arns}))
        }
    };
    shown.extend(allow.map(|allow| ("RedriveAllowPolicy", allow.to_string())));
    if is_fifo(queue) {
        let scope = match settings.deduplicate_by_group {
            true => "messageGroup",
            false => "queue",
        };
        shown.extend([
            ("FifoQueue", "true".to_owned()),
            (
                "ContentBasedDeduplication",
                settings.content_based_deduplication.to_string(),
            ),
            ("DeduplicationScope", scope.to_owned()),
            ("FifoThroughputLimit", "perQueue".to_owned()),
        ]);
    }
    shown
}

/// Changes settings as attributes say.
pub(super) fn apply(
    queue: &str,
    attributes: &BTreeMap<String, String>,
    settings: &mut QueueSettings,
    kept: &mut BTreeMap<&'static str, String>,
) -> Result<(), Error> {
    for (name, value) in attributes {
        let wrong = || invalid(name, value);
        let seconds = || value.parse().map(Duration::from_secs).map_err(|_| wrong());
        let flag = || value.to_ascii_lowercase().parse::<bool>().map_err(|_| wrong());
        let for_fifo = || match is_fifo(queue) {
            true => Ok(()),
            false => Err(Error::new(
                Code::InvalidAttributeName,
                format!("You can specify the {name} only when FifoQueue is set to true."),
            )),
        };
        match name.as_str() {
            "VisibilityTimeout" => settings.visibility_timeout = seconds()?,
            "MaximumMessageSize" => settings.maximum_size = value.parse().map_err(|_| wrong())?,
            "MessageRetentionPeriod" => settings.retention = seconds()?,
            "DelaySeconds" => settings.delay = seconds()?,
            "ReceiveMessageWaitTimeSeconds" => settings.receive_wait = seconds()?,
            "RedrivePolicy" => settings.redrive = redrive(value)?,
            "RedriveAllowPolicy" => settings.redrive_allow = redrive_allow(value)?,
            // Whether it is one its name says; the two must agree.
            "FifoQueue" if is_fifo(queue) && flag()? => {}
            "FifoQueue" if is_fifo(queue) => {
                return Err(Error::new(
                    Code::InvalidAttributeValue,
                    "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
                ));
            }
            "FifoQueue" => return Err(unknown(name)),
            "ContentBasedDeduplication" if !is_fifo(queue) => return Err(unknown(name)),
            "ContentBasedDeduplication" => {
                settings.content_based_deduplication = flag()?;
            }
            "DeduplicationScope" => {
                for_fifo()?;
                settings.deduplicate_by_group = match value.as_str() {
                    "messageGroup" => true,
                    "queue" => false,
                    _ => return Err(wrong()),
                };
            }
            other => {
                let Some(name) = KEPT.into_iter().find(|name| *name == other) else {
                    return Err(unknown(other));
                };
                if name == "FifoThroughputLimit" {
                    for_fifo()?;
                }
                match value.is_empty() {
                    true => kept.remove(name),
                    false => kept.insert(name, value.clone()),
                };
            }
        }
    }
    Ok(())
}

fn invalid(name: &str, value: &str) -> Error {
    let message = format!("Invalid value for the parameter {name}: {value}");
    Error::new(Code::InvalidAttributeValue, message)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Option<Number>,
}

/// SQS takes numbers as texts too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Text(String),
}

/// An empty text takes the policy away.
fn redrive(value: &str) -> Result<Option<Redrive>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: &str| Error::value("RedrivePolicy", value, reason);
    let policy: RedrivePolicy =
        serde_json::from_str(value).map_err(|_| wrong("Redrive policy is not a valid JSON map."))?;
    let queue = name_in_arn(&policy.dead_letter_target_arn, "sqs")
        .ok_or_else(|| wrong("Invalid value for deadLetterTargetArn."))?;
    let max_receive_count = match policy.max_receive_count {
        None => Some(10),
        Some(Number::Number(count)) => Some(count),
        Some(Number::Text(count)) => count.parse().ok(),
    };
    let max_receive_count = max_receive_count.filter(|count| (1..=1000).contains(count));
    Ok(Some(Redrive {
        dead_letter_queue: queue.to_owned(),
        max_receive_count: max_receive_count
            .ok_or_else(|| wrong("Invalid value for maxReceiveCount: must be an Integer from 1 to 1000."))?,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveAllowPolicy {
    redrive_permission: String,
    source_queue_arns: Option<Vec<String>>,
}

fn redrive_allow(value: &str) -> Result<RedriveAllow, Error> {
    if value.is_empty() {
        return Ok(RedriveAllow::All);
    }
    let wrong = |reason: &str| Error::value("RedriveAllowPolicy", value, reason);
    let policy: RedriveAllowPolicy =
        serde_json::from_str(value).map_err(|_| wrong("Redrive allow policy is not a valid JSON map."))?;
    match (policy.redrive_permission.as_str(), policy.source_queue_arns) {
        ("allowAll", None) => Ok(RedriveAllow::All),
        ("denyAll", None) => Ok(RedriveAllow::Nobody),
        ("byQueue", Some(arns)) => {
            let names = arns.iter().map(|arn| name_in_arn(arn, "sqs").map(str::to_owned));
            let names: Option<Vec<_>> = names.collect();
            let fits = names.filter(|names| (1..=10).contains(&names.len()));
            fits.map(RedriveAllow::Queues)
                .ok_or_else(|| wrong("sourceQueueArns must be 1 to 10 queue ARNs."))
        }
        _ => Err(wrong(
            "redrivePermission must be allowAll, denyAll, or byQueue with sourceQueueArns.",
        )),
    }
}

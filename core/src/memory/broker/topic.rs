//! Topics and their subscriptions.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::dedup::Deduplication;
use super::{SubscriptionSettings, TopicSettings};
use crate::{Attribute, Attributes};

/// What stands before a topic's name in its ARN: a region, and an account that nobody has.
const ARN: &str = "arn:aws:sns:us-east-1:000000000000:";

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) settings: TopicSettings,
    pub(super) deduplication: Deduplication,
    /// In the order in which they were made, which is that of delivery.
    pub(super) subscriptions: Vec<Subscription>,
}

/// From a topic to a queue.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Subscription {
    /// Its id, with which it is changed or removed.
    pub id: String,
    /// The topic.
    pub topic: String,
    /// The queue.
    pub queue: String,
    /// What comes, and how.
    pub settings: SubscriptionSettings,
    /// How many messages could not be delivered and had no dead-letter queue to go to: those with
    /// more than 10 attributes on raw delivery, those too large for the queue, and all once the queue
    /// is gone.
    pub dropped: u64,
}

/// What SNS writes around a message that isn't delivered raw.
pub(super) struct Notification<'a> {
    pub(super) id: &'a str,
    pub(super) topic: &'a str,
    pub(super) subscription: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) body: &'a str,
    pub(super) attributes: &'a Attributes,
    pub(super) sequence_number: Option<u64>,
    pub(super) at: SystemTime,
}

impl Notification<'_> {
    pub(super) fn to_json(&self) -> String {
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        put("Type", json!("Notification"));
        put("MessageId", json!(self.id));
        if let Some(number) = self.sequence_number {
            put("SequenceNumber", json!(format!("{number:020}")));
        }
        put("TopicArn", json!(format!("{ARN}{}", self.topic)));
        if let Some(subject) = self.subject {
            put("Subject", json!(subject));
        }
        put("Message", json!(self.body));
        put("Timestamp", json!(timestamp(self.at)));
        if self.sequence_number.is_none() {
            // Of a FIFO topic there is no signature; this one's says that there is nobody to sign.
            put("SignatureVersion", json!("1"));
            put("Signature", json!("bm90IHNpZ25lZA=="));
            put("SigningCertURL", json!("urn:fanfare:not-signed"));
        }
        put(
            "UnsubscribeURL",
            json!(format!("urn:fanfare:unsubscribe:{}", self.subscription)),
        );
        if !self.attributes.is_empty() {
            put(
                "MessageAttributes",
                self.attributes.iter().map(attribute).collect(),
            );
        }
        Value::Object(json).to_string()
    }
}

fn attribute((name, value): (&String, &Attribute)) -> (String, Value) {
    use base64::Engine;
    let text = match value {
        Attribute::Text { value, .. } => value.clone(),
        Attribute::Binary { value } => base64::engine::general_purpose::STANDARD.encode(value),
    };
    (name.clone(), json!({ "Type": value.data_type(), "Value": text }))
}

/// SNS writes milliseconds, always three digits of them.
fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{}T{:02}:{:02}:{:02}.{:03}Z",
        at.date(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

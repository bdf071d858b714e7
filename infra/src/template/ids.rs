//! What is called how in the template.

use std::collections::BTreeMap;

use fanfare::{Account, dead_letter_name, queue_name, topic_name, undelivered_name};
use serde_json::Value;

use super::intrinsic::{arn, arn_of, reference};
use super::{Template, TemplateError};
use crate::wanted::Wanted;

/// The names of topics and queues in the template, and what is wanted of them.
#[derive(Debug)]
pub(super) struct Ids {
    pub(super) wanted: Wanted,
    /// By ARN in the account that `wanted` is for.
    topics: BTreeMap<String, String>,
    /// By ARN; each with its name.
    queues: BTreeMap<String, (String, String)>,
}

impl Ids {
    pub(super) fn new(template: &Template) -> Result<Self, TemplateError> {
        let topology = &template.topology;
        // Some account: its ARNs give way to references.
        let account = Account::new("aws", "us-east-1", "000000000000")?;
        let topics = topology.topics.iter().map(|topic| {
            let arn = account.topic_arn(&topic_name(&topology.app, &topic.name));
            (arn, format!("{}Topic", pascal(&topic.name)))
        });
        let queues = topology.consumers.iter().flat_map(|consumer| {
            let own = queue_name(&topology.app, &consumer.name, consumer.fifo);
            let (dead, undelivered) = (dead_letter_name(&own), undelivered_name(&own));
            [
                (own, "Queue"),
                (dead, "DeadLetters"),
                (undelivered, "Undelivered"),
            ]
            .map(|(name, what)| (name, format!("{}{what}", pascal(&consumer.name))))
        });
        Ok(Self {
            wanted: Wanted::new(topology, &account),
            topics: topics.collect(),
            queues: queues
                .map(|(name, id)| (account.queue_arn(&name), (id, name)))
                .collect(),
        })
    }

    /// The name of a topic, by its ARN.
    pub(super) fn topic(&self, arn: &str) -> &str {
        self.topics.get(arn).map_or("", String::as_str)
    }

    /// The name of a queue, by its name in the account.
    pub(super) fn queue(&self, name: &str) -> &str {
        let mut queues = self.queues.values();
        queues.find(|(_, other)| other == name).map_or("", |(id, _)| id)
    }

    /// The same with references in the place of ARNs.
    pub(super) fn linked(&self, value: Value) -> Value {
        self.replaced(value, &|id, _| arn(id))
    }

    /// The same with ARNs that are made from names: where a reference would close a circle.
    pub(super) fn named(&self, value: Value) -> Value {
        self.replaced(value, &|_, name| arn_of("sqs", name))
    }

    fn replaced(&self, value: Value, queue: &impl Fn(&str, &str) -> Value) -> Value {
        match value {
            Value::String(text) => match (self.topics.get(&text), self.queues.get(&text)) {
                (Some(topic), _) => reference(topic),
                (_, Some((id, name))) => queue(id, name),
                _ => Value::String(text),
            },
            Value::Array(values) => {
                let values = values.into_iter().map(|value| self.replaced(value, queue));
                values.collect()
            }
            Value::Object(members) => {
                let members = members.into_iter();
                members
                    .map(|(name, value)| (name, self.replaced(value, queue)))
                    .collect()
            }
            other => other,
        }
    }
}

/// `orders-view` as `OrdersView`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

/// What a table is called: `shop-points` of `shop` as `PointsTable`.
pub(super) fn table(app: &str, name: &str) -> String {
    let own = name.strip_prefix(app).unwrap_or(name);
    format!("{}Table", pascal(own))
}

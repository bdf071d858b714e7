//! What AWS would refuse or lose, looked at before anything is deployed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::{Consumer, Subscription, Topology, queue_policy};
use crate::port::DEAD_LETTER_ATTRIBUTE;
use crate::wiring::{WiringError, WiringErrors, WiringWarning};
use crate::{Account, AccountError, Destination, queue_name, topic_name, undelivered_name};

/// The most keys of a filter policy, and the most combinations of their values.
const FILTER_KEYS: usize = 5;
const FILTER_COMBINATIONS: usize = 150;
/// The most attributes of a message: SNS drops a raw delivery that has more.
const ATTRIBUTES: usize = 10;
/// The most bytes of a queue's policy.
const POLICY: usize = 8_192;
/// The longest that SQS keeps a message.
const LONGEST: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Topology {
    /// Looks for what AWS would refuse, or what would lose messages, before anything is deployed. What
    /// can be seen in an application alone is refused by [`App::topology`](crate::App::topology) already.
    ///
    /// Gives what is strange and may yet be meant. Reads nothing but the topology: the account isn't
    /// known here, and sizes are those of one in a region with a long name.
    ///
    /// ```
    /// use fanfare::{App, Producer};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct OrderPlaced { order: String }
    /// # impl fanfare::Event for OrderPlaced {
    /// #     const TYPE: &'static str = "order.placed";
    /// #     const TOPIC: &'static str = "orders";
    /// # }
    /// let app = App::new("shop").producer(Producer::new("checkout").emits::<OrderPlaced>());
    /// let warnings = app.topology()?.validate()?;
    /// assert_eq!(
    ///     warnings[0].to_string(),
    ///     "`checkout` emits `order.placed` to `orders`, and nobody here takes it"
    /// );
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    ///
    /// # Errors
    /// Everything that was found, each with its consumer and number, and how to mend it.
    pub fn validate(&self) -> Result<Vec<WiringWarning>, WiringErrors> {
        let mut problems = Vec::new();
        if self.encryption.is_managed_by_aws() {
            problems.push(WiringError::KeyOfAws {
                key: self.encryption.key().unwrap_or_default().to_owned(),
            });
        }
        // One is kept free for why a message became a dead letter.
        if self.attributes.len() >= ATTRIBUTES {
            problems.push(WiringError::TooManyAttributes {
                attributes: self.attributes.clone(),
                most: ATTRIBUTES - 1,
                reason: DEAD_LETTER_ATTRIBUTE,
            });
        }
        for consumer in &self.consumers {
            problems.extend(self.subscriptions(consumer));
            problems.extend(self.policy(consumer));
            problems.extend(self.retention(consumer));
            problems.extend(consumer.objectives.check(&consumer.name, &consumer.queue));
        }
        problems.extend(self.unpublished());
        WiringErrors::check(problems)?;
        Ok(self.untaken().chain(self.unheard()).collect())
    }

    /// Filter policies that SNS doesn't take, or that match nothing.
    fn subscriptions(&self, consumer: &Consumer) -> Vec<WiringError> {
        let check = |subscription: &Subscription| {
            let empty = serde_json::Map::new();
            let policy = subscription.filter_policy.as_object().unwrap_or(&empty);
            let name = || (consumer.name.clone(), subscription.topic.clone());
            let values = |values: &Value| values.as_array().map_or(1, Vec::len);
            let combinations = policy.values().map(values).fold(1, usize::saturating_mul);
            let keys = (policy.len() > FILTER_KEYS).then(|| {
                let (consumer, topic) = name();
                let keys = policy.len();
                WiringError::TooManyFilterKeys {
                    consumer,
                    topic,
                    keys,
                }
            });
            let combinations = (combinations > FILTER_COMBINATIONS).then(|| {
                let (consumer, topic) = name();
                WiringError::TooManyCombinations {
                    consumer,
                    topic,
                    combinations,
                }
            });
            let unknown = policy.keys().filter(|key| !self.attributes.contains(key));
            let unknown = unknown.map(|key| {
                let (consumer, topic) = name();
                let key = key.clone();
                WiringError::UnknownFilterKey { consumer, topic, key }
            });
            keys.into_iter()
                .chain(combinations)
                .chain(unknown)
                .collect::<Vec<_>>()
        };
        consumer.subscriptions.iter().flat_map(check).collect()
    }

    /// A queue policy that SQS doesn't take.
    fn policy(&self, consumer: &Consumer) -> Option<WiringError> {
        let account = somewhere().ok()?;
        let topics: Vec<_> = consumer
            .subscriptions
            .iter()
            .map(|subscription| account.topic_arn(&topic_name(&self.app, &subscription.topic)))
            .collect();
        let queue = undelivered_name(&queue_name(&self.app, &consumer.name, consumer.fifo));
        let bytes = queue_policy(&account.queue_arn(&queue), &topics)
            .to_string()
            .len();
        (bytes > POLICY).then(|| WiringError::PolicyTooLarge {
            consumer: consumer.name.clone(),
            topics: topics.len(),
            bytes,
            most: POLICY,
        })
    }

    /// Messages that are dropped before their time, or come when they are forgotten.
    fn retention(&self, consumer: &Consumer) -> impl Iterator<Item = WiringError> {
        let settings = &consumer.queue;
        let dead_letters = (settings.dead_letter_retention < LONGEST.max(settings.retention)).then(|| {
            WiringError::DeadLettersTooShort {
                consumer: consumer.name.clone(),
                dead_letters: settings.dead_letter_retention,
                retention: settings.retention,
            }
        });
        let kept = settings.retention.saturating_add(settings.dead_letter_retention);
        let window = (kept > self.dedupe_window).then(|| WiringError::WindowTooShort {
            consumer: consumer.name.clone(),
            window: self.dedupe_window,
            kept,
        });
        dead_letters.into_iter().chain(window)
    }

    /// Topics that consumers take from and nobody publishes to.
    fn unpublished(&self) -> impl Iterator<Item = WiringError> {
        let silent = self.topics.iter().filter(|topic| topic.types.is_empty());
        silent.map(|topic| {
            let takes = |consumer: &&Consumer| {
                let mut topics = consumer.subscriptions.iter().map(|from| &from.topic);
                topics.any(|name| *name == topic.name)
            };
            let consumers = self.consumers.iter().filter(takes);
            WiringError::UnpublishedTopic {
                topic: topic.name.clone(),
                consumers: consumers.map(|consumer| consumer.name.clone()).collect(),
            }
        })
    }

    /// Events that are published and reach nobody.
    fn untaken(&self) -> impl Iterator<Item = WiringWarning> {
        let taken: BTreeSet<_> = self.taken().map(|(_, topic, ty)| (topic, ty)).collect();
        self.published()
            .filter(move |(_, topic, ty)| !taken.contains(&(*topic, *ty)))
            .map(|(by, topic, ty)| WiringWarning::Untaken {
                by: by.to_owned(),
                topic: topic.to_owned(),
                ty: ty.to_owned(),
            })
    }

    /// Events that are taken and nobody here publishes, from topics that have others.
    fn unheard(&self) -> impl Iterator<Item = WiringWarning> {
        let published: BTreeSet<_> = self.published().map(|(_, topic, ty)| (topic, ty)).collect();
        self.taken()
            .filter(move |(_, topic, ty)| !published.contains(&(*topic, *ty)))
            .map(|(consumer, topic, ty)| WiringWarning::Unheard {
                consumer: consumer.to_owned(),
                topic: topic.to_owned(),
                ty: ty.to_owned(),
            })
    }

    /// Who takes what from which topic: consumer, topic, type.
    fn taken(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.consumers.iter().flat_map(|consumer| {
            let handlers = consumer.handlers.iter();
            handlers.filter_map(|handler| match &handler.from {
                Destination::Topic(topic) => Some((&*consumer.name, &**topic, &*handler.ty)),
                Destination::Consumer(_) => None,
            })
        })
    }

    /// Who publishes what to which topic, each once: name, topic, type.
    fn published(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let by_handlers = self.consumers.iter().flat_map(|consumer| {
            let sends = consumer.handlers.iter().flat_map(|handler| &handler.sends);
            sends.map(|sent| (&*consumer.name, sent))
        });
        let by_producers = self.producers.iter().flat_map(|producer| {
            let sends = producer.sends.iter();
            sends.map(|sent| (&*producer.name, sent))
        });
        let mut seen = BTreeSet::new();
        by_producers
            .chain(by_handlers)
            .filter_map(|(by, (ty, to))| match to {
                Destination::Topic(topic) => Some((by, &**topic, &**ty)),
                Destination::Consumer(_) => None,
            })
            .filter(move |published| seen.insert(*published))
    }
}

/// An account that makes ARNs as long as they get, but for the partitions of a few governments.
fn somewhere() -> Result<Account, AccountError> {
    Account::new("aws", "ap-southeast-1", "000000000000")
}

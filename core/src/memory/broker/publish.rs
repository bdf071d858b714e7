//! From a topic to its queues, and straight to a queue.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::queue::Stored;
use super::settings::{DELAY_LIMIT, SIZE_LIMIT};
use super::topic::{Notification, Subscription};
use super::{Broker, BrokerError, Entry, Now, Sent, State, check, dedup, random_id};
use crate::fault::FaultPlan;
use crate::{Attributes, BATCH_ENTRIES, derived_id, is_fifo, wire_size};

/// A message on its way from a topic into queues.
struct Published {
    id: Arc<str>,
    body: Arc<str>,
    attributes: Arc<Attributes>,
    subject: Option<String>,
    group: Option<Arc<str>>,
    deduplication_id: Option<Arc<str>>,
    trace_header: Option<Arc<str>>,
    sequence_number: Option<u64>,
}

impl Broker {
    /// Publishes one message to a topic: it is in the queue of each subscription that takes it when
    /// this returns.
    ///
    /// # Errors
    /// There is no such topic, or the message is none that SNS takes.
    pub fn publish(&self, topic: &str, entry: Entry) -> Result<Sent, BrokerError> {
        single(self.publish_batch(topic, vec![entry])?)
    }

    /// Publishes 1 to 10 messages to a topic, and says of each, in order, what became of it.
    ///
    /// # Errors
    /// There is no such topic, the batch has no or more than 10 entries, or all together are larger
    /// than the topic takes: nothing is published then.
    pub fn publish_batch(
        &self,
        topic: &str,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<Sent, BrokerError>>, BrokerError> {
        let now = self.now();
        let mut state = self.state();
        check_batch(topic, &entries, state.topic(topic)?.settings.maximum_size)?;
        Ok(entries
            .into_iter()
            .map(|entry| state.publish(topic, entry, &self.0.faults, now))
            .collect())
    }

    /// Sends one message to a queue.
    ///
    /// # Errors
    /// There is no such queue, or the message is none that SQS takes.
    pub fn send(&self, queue: &str, entry: Entry) -> Result<Sent, BrokerError> {
        single(self.send_batch(queue, vec![entry])?)
    }

    /// Sends 1 to 10 messages to a queue, and says of each, in order, what became of it.
    ///
    /// # Errors
    /// There is no such queue, the batch has no or more than 10 entries, or all together are larger
    /// than 1 MiB: nothing is sent then.
    pub fn send_batch(
        &self,
        queue: &str,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<Sent, BrokerError>>, BrokerError> {
        let now = self.now();
        let mut state = self.state();
        state.queue(queue, now.0)?;
        check_batch(queue, &entries, SIZE_LIMIT)?;
        Ok(entries
            .into_iter()
            .map(|entry| state.send(queue, entry, &self.0.faults, now))
            .collect())
    }
}

/// The result of a batch of one.
fn single(results: Vec<Result<Sent, BrokerError>>) -> Result<Sent, BrokerError> {
    results
        .into_iter()
        .next()
        .unwrap_or(Err(BrokerError::BatchEntries(0)))
}

fn check_batch(destination: &str, entries: &[Entry], limit: usize) -> Result<(), BrokerError> {
    if !(1..=BATCH_ENTRIES).contains(&entries.len()) {
        return Err(BrokerError::BatchEntries(entries.len()));
    }
    let sizes = entries
        .iter()
        .map(|entry| wire_size(&entry.body, &entry.attributes));
    let size: usize = sizes.sum();
    let destination = || destination.to_owned();
    match entries.len() {
        _ if size <= limit => Ok(()),
        1 => Err(BrokerError::TooLarge {
            destination: destination(),
            size,
            limit,
        }),
        _ => Err(BrokerError::BatchTooLarge {
            destination: destination(),
            size,
            limit,
        }),
    }
}

impl State {
    fn publish(
        &mut self,
        topic: &str,
        entry: Entry,
        faults: &FaultPlan,
        now: Now,
    ) -> Result<Sent, BrokerError> {
        let settings = self.topic(topic)?.settings.clone();
        check::content(&entry)?;
        check::fifo(&entry, topic, settings.content_based_deduplication)?;
        if entry.delay.is_some_and(|delay| !delay.is_zero()) {
            let reason = "a message to a topic has no delay of its own: set it on the queue";
            return Err(BrokerError::Parameter {
                destination: topic.to_owned(),
                reason,
            });
        }
        let id = random_id();
        let mut sequence_number = None;
        let mut deduplication_id = None;
        if is_fifo(topic) {
            let key = deduplication_key(&entry, settings.deduplicate_by_group);
            let number = self.next_number();
            let sent = &mut self.topic(topic)?.deduplication;
            if let Some((first, number)) = sent.find(&key, now.0) {
                return Ok(Sent::duplicate(&first, number));
            }
            sent.remember(key.clone(), id.clone(), number, now.0);
            (sequence_number, deduplication_id) = (Some(number), Some(key.1));
        }
        let published = Published {
            id: id.clone(),
            body: entry.body.into(),
            attributes: Arc::new(entry.attributes),
            subject: entry.subject,
            group: entry.group.map(Into::into),
            deduplication_id,
            trace_header: entry.trace_header.map(Into::into),
            sequence_number,
        };
        // Taken out meanwhile, because queues are reached through `self`; nobody else looks.
        let mut subscriptions = std::mem::take(&mut self.topic(topic)?.subscriptions);
        for subscription in &mut subscriptions {
            let filter = subscription.settings.filter.as_ref();
            if !filter.is_none_or(|filter| filter.matches(&published.body, &published.attributes)) {
                continue;
            }
            if let Err(error) = self.deliver(subscription, &published, faults, now) {
                tracing::warn!(topic, queue = subscription.queue, %error, "a message can't be delivered");
                let dead = subscription.settings.dead_letter_queue.as_deref();
                let kept = dead.is_some_and(|dead| {
                    self.deliver_to(dead, subscription, &published, faults, now)
                        .is_ok()
                });
                subscription.dropped += u64::from(!kept);
            }
        }
        self.topic(topic)?.subscriptions = subscriptions;
        Ok(Sent {
            message_id: id.to_string(),
            sequence_number,
            duplicate: false,
        })
    }

    fn deliver(
        &mut self,
        subscription: &Subscription,
        published: &Published,
        faults: &FaultPlan,
        now: Now,
    ) -> Result<(), BrokerError> {
        if subscription.settings.raw {
            check::attribute_count(&published.attributes)?;
        }
        self.deliver_to(&subscription.queue, subscription, published, faults, now)
    }

    /// Puts a message into a queue, raw or within the notification. (A message with too many
    /// attributes comes into the dead-letter queue all the same: SNS keeps them.)
    fn deliver_to(
        &mut self,
        queue: &str,
        subscription: &Subscription,
        published: &Published,
        faults: &FaultPlan,
        now: Now,
    ) -> Result<(), BrokerError> {
        let (body, attributes) = match subscription.settings.raw {
            true => (published.body.clone(), published.attributes.clone()),
            false => {
                let notification = Notification {
                    id: &published.id,
                    topic: &subscription.topic,
                    subscription: &subscription.id,
                    subject: published.subject.as_deref(),
                    body: &published.body,
                    attributes: &published.attributes,
                    sequence_number: published.sequence_number,
                    at: now.1,
                };
                (notification.to_json().into(), Arc::default())
            }
        };
        let settings = &self.queue(queue, now.0)?.settings;
        check_size(queue, &body, &attributes, settings.maximum_size)?;
        let (delay, by_group) = (settings.delay, settings.deduplicate_by_group);
        let mut message = Stored::new(random_id(), body, attributes, now);
        message.group = published.group.clone();
        message.trace_header = published.trace_header.clone();
        if is_fifo(queue) {
            message.deduplication_id = published.deduplication_id.clone();
        }
        self.admit(queue, message, by_group, delay, faults, now.0)
            .map(|_| ())
    }

    fn send(&mut self, queue: &str, entry: Entry, faults: &FaultPlan, now: Now) -> Result<Sent, BrokerError> {
        let settings = &self.queue(queue, now.0)?.settings;
        let by_group = settings.deduplicate_by_group;
        check::content(&entry)?;
        check::attribute_count(&entry.attributes)?;
        check::fifo(&entry, queue, settings.content_based_deduplication)?;
        check_size(queue, &entry.body, &entry.attributes, settings.maximum_size)?;
        let delay = delay(queue, &entry, settings.delay)?;
        let deduplication_id = is_fifo(queue).then(|| deduplication_key(&entry, false).1);
        let mut message = Stored::new(random_id(), entry.body.into(), Arc::new(entry.attributes), now);
        message.group = entry.group.map(Into::into);
        message.trace_header = entry.trace_header.map(Into::into);
        message.deduplication_id = deduplication_id;
        self.admit(queue, message, by_group, delay, faults, now.0)
    }

    /// Stores a message unless FIFO deduplication knows it.
    fn admit(
        &mut self,
        queue: &str,
        message: Stored,
        by_group: bool,
        delay: Duration,
        faults: &FaultPlan,
        now: Instant,
    ) -> Result<Sent, BrokerError> {
        let id = message.id.clone();
        let Some(deduplication_id) = message.deduplication_id.clone() else {
            self.store(queue, message, delay, faults, now)?;
            return Ok(Sent {
                message_id: id.to_string(),
                sequence_number: None,
                duplicate: false,
            });
        };
        let key = (message.group.clone().filter(|_| by_group), deduplication_id);
        if let Some((first, number)) = self.queue(queue, now)?.deduplication.find(&key, now) {
            return Ok(Sent::duplicate(&first, number));
        }
        let number = self.store(queue, message, delay, faults, now)?;
        self.queue(queue, now)?
            .deduplication
            .remember(key, id.clone(), number, now);
        Ok(Sent {
            message_id: id.to_string(),
            sequence_number: Some(number),
            duplicate: false,
        })
    }
}

impl Sent {
    fn duplicate(first: &str, number: u64) -> Self {
        Self {
            message_id: first.to_owned(),
            sequence_number: Some(number),
            duplicate: true,
        }
    }
}

fn check_size(queue: &str, body: &str, attributes: &Attributes, limit: usize) -> Result<(), BrokerError> {
    match wire_size(body, attributes) {
        size if size > limit => Err(BrokerError::TooLarge {
            destination: queue.to_owned(),
            size,
            limit,
        }),
        _ => Ok(()),
    }
}

fn delay(queue: &str, entry: &Entry, default: Duration) -> Result<Duration, BrokerError> {
    let wrong = |reason| {
        Err(BrokerError::Parameter {
            destination: queue.to_owned(),
            reason,
        })
    };
    match entry.delay {
        None => Ok(default),
        Some(delay) if is_fifo(queue) && !delay.is_zero() => {
            wrong("a FIFO message has no delay of its own: set it on the queue")
        }
        Some(_) if is_fifo(queue) => Ok(default),
        Some(delay) if delay > DELAY_LIMIT => wrong("a delay is at most 15 min"),
        Some(delay) => Ok(delay),
    }
}

/// By the entry's id, or one made from its body.
fn deduplication_key(entry: &Entry, by_group: bool) -> dedup::Key {
    let id = match &entry.deduplication_id {
        Some(id) => id.as_str().into(),
        None => derived_id(&["body", &entry.body]).into(),
    };
    (entry.group.as_deref().filter(|_| by_group).map(Into::into), id)
}

/// When a redrive or a dead-lettering sends a message.
pub(super) fn restamp(message: &mut Stored, (now, time): (Instant, SystemTime)) {
    (message.sent, message.sent_at) = (now, time);
}

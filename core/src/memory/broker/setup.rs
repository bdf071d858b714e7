//! Creating, changing, listing and removing topics, queues and subscriptions.

use std::collections::btree_map;

use tokio::time::Instant;

use super::dedup::Deduplication;
use super::queue::Queue;
use super::topic::Topic;
use super::{
    Broker, BrokerError, QueueSettings, RedriveAllow, State, Subscription, SubscriptionSettings,
    TopicSettings, check, random_id,
};
use crate::is_fifo;

/// The most subscriptions of a topic that have a filter policy (SNS quotas).
const POLICIES: usize = 200;

impl Broker {
    /// Creates a topic; it is FIFO when its name ends in `.fifo`. One that is there with the same
    /// settings stays as it is.
    ///
    /// # Errors
    /// The name or a setting is out of AWS's limits, or the topic is there with other settings.
    pub fn create_topic(&self, name: &str, settings: TopicSettings) -> Result<(), BrokerError> {
        check::topic_name(name)?;
        settings.check(name)?;
        match self.state().topics.entry(name.to_owned()) {
            btree_map::Entry::Occupied(topic) if topic.get().settings == settings => Ok(()),
            btree_map::Entry::Occupied(_) => Err(BrokerError::Exists(format!("the topic `{name}`"))),
            btree_map::Entry::Vacant(place) => {
                let deduplication = Deduplication::default();
                place.insert(Topic {
                    settings,
                    deduplication,
                    subscriptions: Vec::new(),
                });
                Ok(())
            }
        }
    }

    /// Removes a topic and its subscriptions; no error if there is none.
    pub fn delete_topic(&self, name: &str) {
        self.state().topics.remove(name);
    }

    /// The names of all topics, sorted.
    pub fn topics(&self) -> Vec<String> {
        self.state().topics.keys().cloned().collect()
    }

    /// A topic's settings.
    ///
    /// # Errors
    /// There is no such topic.
    pub fn topic_settings(&self, topic: &str) -> Result<TopicSettings, BrokerError> {
        Ok(self.state().topic(topic)?.settings.clone())
    }

    /// Changes a topic's settings.
    ///
    /// # Errors
    /// There is no such topic, or a setting is out of AWS's limits.
    pub fn set_topic(&self, topic: &str, settings: TopicSettings) -> Result<(), BrokerError> {
        settings.check(topic)?;
        self.state().topic(topic)?.settings = settings;
        Ok(())
    }

    /// Creates a queue; it is FIFO when its name ends in `.fifo`. One that is there with the same
    /// settings stays as it is.
    ///
    /// # Errors
    /// The name or a setting is out of AWS's limits, the dead-letter queue isn't there or of the
    /// other kind, or the queue is there with other settings.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> Result<(), BrokerError> {
        check::queue_name(name)?;
        settings.check(name)?;
        let mut state = self.state();
        if let Some(queue) = state.queues.get(name) {
            return match queue.settings == settings {
                true => Ok(()),
                false => Err(BrokerError::Exists(format!("the queue `{name}`"))),
            };
        }
        state.check_redrive(name, &settings)?;
        let queue = Queue::new(name, settings, self.0.emptied.clone());
        state.queues.insert(name.to_owned(), queue);
        Ok(())
    }

    /// Removes a queue and all that is in it; no error if there is none. Whoever waits for a
    /// message of it gets [`BrokerError::NoQueue`].
    pub fn delete_queue(&self, name: &str) {
        if let Some(mut queue) = self.state().queues.remove(name) {
            queue.clear();
            queue.arrivals.notify_waiters();
        }
    }

    /// The names of all queues, sorted.
    pub fn queues(&self) -> Vec<String> {
        self.state().queues.keys().cloned().collect()
    }

    /// Whether there is a queue of this name.
    pub fn has_queue(&self, queue: &str) -> bool {
        self.state().queues.contains_key(queue)
    }

    /// A queue's settings.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn queue_settings(&self, queue: &str) -> Result<QueueSettings, BrokerError> {
        Ok(self.state().queue(queue, Instant::now())?.settings.clone())
    }

    /// Changes a queue's settings. A new retention counts for the messages that are there, the other
    /// settings for what comes.
    ///
    /// # Errors
    /// As [`create_queue`](Self::create_queue).
    pub fn set_queue(&self, queue: &str, settings: QueueSettings) -> Result<(), BrokerError> {
        settings.check(queue)?;
        let mut state = self.state();
        state.check_redrive(queue, &settings)?;
        state.queue(queue, Instant::now())?.set(settings);
        Ok(())
    }

    /// The queues whose dead-letter queue this is, sorted.
    pub fn dead_letter_sources(&self, queue: &str) -> Vec<String> {
        self.state().sources(queue)
    }

    /// Subscribes a queue to a topic and returns the subscription's id; that of the one that is
    /// there, if it is the same.
    ///
    /// # Errors
    /// Topic or queue aren't there, a standard topic was to lead to a FIFO queue, the dead-letter
    /// queue isn't of the queue's kind, the topic has 200 filter policies already, or the queue is
    /// subscribed with other settings.
    pub fn subscribe(
        &self,
        topic: &str,
        queue: &str,
        settings: SubscriptionSettings,
    ) -> Result<String, BrokerError> {
        let mut state = self.state();
        state.queue(queue, Instant::now())?;
        state.check_subscription(topic, queue, &settings)?;
        let subscriptions = &mut state.topic(topic)?.subscriptions;
        if let Some(present) = subscriptions
            .iter()
            .find(|subscription| subscription.queue == queue)
        {
            return match present.settings == settings {
                true => Ok(present.id.clone()),
                false => Err(BrokerError::Exists(format!(
                    "the subscription of `{queue}` to `{topic}`"
                ))),
            };
        }
        let id = random_id().to_string();
        subscriptions.push(Subscription {
            id: id.clone(),
            topic: topic.to_owned(),
            queue: queue.to_owned(),
            settings,
            dropped: 0,
        });
        Ok(id)
    }

    /// Removes a subscription; no error if there is none.
    pub fn unsubscribe(&self, id: &str) {
        for topic in self.state().topics.values_mut() {
            topic.subscriptions.retain(|subscription| subscription.id != id);
        }
    }

    /// Changes what a subscription brings, from the next message on. (SNS takes up to 15 minutes.)
    ///
    /// # Errors
    /// There is no such subscription, or as [`subscribe`](Self::subscribe).
    pub fn set_subscription(&self, id: &str, settings: SubscriptionSettings) -> Result<(), BrokerError> {
        let mut state = self.state();
        let subscriptions = state.topics.values().flat_map(|topic| &topic.subscriptions);
        let found = subscriptions
            .into_iter()
            .find(|subscription| subscription.id == id);
        let Subscription { topic, queue, .. } = found
            .cloned()
            .ok_or_else(|| BrokerError::NoSubscription(id.to_owned()))?;
        state.check_subscription(&topic, &queue, &settings)?;
        for subscription in &mut state.topic(&topic)?.subscriptions {
            if subscription.id == id {
                subscription.settings = settings.clone();
            }
        }
        Ok(())
    }

    /// All subscriptions, by topic and then in the order in which they were made.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.state()
            .topics
            .values()
            .flat_map(|topic| topic.subscriptions.clone())
            .collect()
    }
}

impl State {
    /// The queues whose dead-letter queue is `queue`.
    pub(super) fn sources(&self, queue: &str) -> Vec<String> {
        let leads_here = |settings: &QueueSettings| {
            settings
                .redrive
                .as_ref()
                .is_some_and(|redrive| redrive.dead_letter_queue == queue)
        };
        let sources = self
            .queues
            .iter()
            .filter(|(_, source)| leads_here(&source.settings));
        sources.map(|(name, _)| name.clone()).collect()
    }

    fn check_redrive(&self, queue: &str, settings: &QueueSettings) -> Result<(), BrokerError> {
        match &settings.redrive {
            Some(redrive) => {
                self.check_dead_letter_queue(queue, &redrive.dead_letter_queue)?;
                self.check_redrive_allow(queue, &redrive.dead_letter_queue)
            }
            None => Ok(()),
        }
    }

    fn check_redrive_allow(&self, queue: &str, dead: &str) -> Result<(), BrokerError> {
        let allow = self.queues.get(dead).map(|dead| &dead.settings.redrive_allow);
        match allow {
            Some(RedriveAllow::Nobody) => {}
            Some(RedriveAllow::Queues(sources)) if !sources.iter().any(|source| source == queue) => {}
            _ => return Ok(()),
        }
        Err(BrokerError::Parameter {
            destination: dead.to_owned(),
            reason: "its redrive allow policy doesn't allow this queue to have it as its dead-letter queue",
        })
    }

    fn check_dead_letter_queue(&self, queue: &str, dead: &str) -> Result<(), BrokerError> {
        let mixed = |reason| {
            let (from, to) = (
                format!("the queue `{queue}`"),
                format!("the dead-letter queue `{dead}`"),
            );
            Err(BrokerError::MixedKinds { from, to, reason })
        };
        if queue == dead {
            return mixed("a queue is not its own dead-letter queue");
        }
        if !self.queues.contains_key(dead) {
            return Err(BrokerError::NoQueue(dead.to_owned()));
        }
        match is_fifo(queue) == is_fifo(dead) {
            true => Ok(()),
            false => mixed("both must be FIFO, or both standard"),
        }
    }

    fn check_subscription(
        &mut self,
        topic: &str,
        queue: &str,
        settings: &SubscriptionSettings,
    ) -> Result<(), BrokerError> {
        if is_fifo(queue) && !is_fifo(topic) {
            let (from, to) = (format!("the topic `{topic}`"), format!("the queue `{queue}`"));
            let reason = "a standard topic doesn't deliver to a FIFO queue: make both FIFO";
            return Err(BrokerError::MixedKinds { from, to, reason });
        }
        if let Some(dead) = &settings.dead_letter_queue {
            self.check_dead_letter_queue(queue, dead)?;
        }
        let others = self
            .topic(topic)?
            .subscriptions
            .iter()
            .filter(|other| other.queue != queue);
        let policies = others.filter(|other| other.settings.filter.is_some()).count();
        match settings.filter.is_some() && policies >= POLICIES {
            true => Err(BrokerError::TooManyPolicies(topic.to_owned())),
            false => Ok(()),
        }
    }
}

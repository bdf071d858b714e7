//! The broker's topics, queues and subscriptions, from the topology.

use anyhow::Context;
use fanfare::memory::{
    Broker, FilterPolicy, QueueSettings, Redrive, Scope, SubscriptionSettings, TopicSettings,
};
use fanfare::topology::{Consumer, Topology};
use fanfare::{dead_letter_name, queue_name, topic_name};

/// Creates all that the topology says.
///
/// # Errors
/// The broker refuses a name or a setting.
pub(super) fn create(broker: &Broker, topology: &Topology) -> anyhow::Result<()> {
    for topic in &topology.topics {
        broker.create_topic(&topic_name(&topology.app, &topic.name), TopicSettings::default())?;
    }
    for consumer in &topology.consumers {
        let queue = name(topology, consumer);
        let dead = dead_letter_name(&queue);
        let settings = &consumer.queue;
        broker.create_queue(
            &dead,
            QueueSettings {
                retention: settings.dead_letter_retention,
                ..QueueSettings::default()
            },
        )?;
        broker.create_queue(
            &queue,
            QueueSettings {
                retention: settings.retention,
                visibility_timeout: settings.visibility_timeout,
                redrive: Some(Redrive {
                    dead_letter_queue: dead,
                    max_receive_count: settings.max_receives,
                }),
                ..QueueSettings::default()
            },
        )?;
        for subscription in &consumer.subscriptions {
            let filter = FilterPolicy::parse(&subscription.filter_policy, Scope::MessageAttributes)
                .with_context(|| format!("the filter policy of {queue}"))?;
            let topic = topic_name(&topology.app, &subscription.topic);
            let settings = SubscriptionSettings {
                filter: Some(filter),
                ..SubscriptionSettings::default()
            };
            broker.subscribe(&topic, &queue, settings)?;
        }
    }
    Ok(())
}

/// The name of a consumer's queue.
pub(super) fn name(topology: &Topology, consumer: &Consumer) -> String {
    queue_name(&topology.app, &consumer.name, consumer.fifo)
}

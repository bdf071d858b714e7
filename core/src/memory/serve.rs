//! A whole application on the broker.

use std::future::Future;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{
    Broker, BrokerError, FilterPolicy, MemoryQueue, QueueSettings, Redrive, Scope, SubscriptionSettings,
    TopicSettings,
};
use crate::host::Host;
use crate::{App, RouterService, Topology, WiringErrors, dead_letter_name, queue_name, topic_name};

/// Why an application can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its wiring has mistakes.
    #[error(transparent)]
    Wiring(#[from] WiringErrors),
    /// The broker refuses what it consists of.
    #[error("the application can't be set up")]
    Broker(#[from] BrokerError),
}

/// Makes an application's topics, queues, dead-letter queues and subscriptions, as they would be in
/// an account. What is there already with the same settings stays, with all that is in it.
///
/// # Errors
/// Something is there with other settings, or out of AWS's limits.
pub fn set_up(broker: &Broker, topology: &Topology) -> Result<(), BrokerError> {
    for topic in &topology.topics {
        broker.create_topic(&topic_name(&topology.app, &topic.name), TopicSettings::default())?;
    }
    for consumer in &topology.consumers {
        let queue = queue_name(&topology.app, &consumer.name, consumer.fifo);
        let dead_letter_queue = dead_letter_name(&queue);
        let settings = &consumer.queue;
        let dead = QueueSettings {
            retention: settings.dead_letter_retention,
            ..QueueSettings::default()
        };
        broker.create_queue(&dead_letter_queue, dead)?;
        let own = QueueSettings {
            visibility_timeout: settings.visibility_timeout,
            retention: settings.retention,
            redrive: Some(Redrive {
                dead_letter_queue,
                max_receive_count: settings.max_receives,
            }),
            ..QueueSettings::default()
        };
        broker.create_queue(&queue, own)?;
        for subscription in &consumer.subscriptions {
            let policy = FilterPolicy::parse(&subscription.filter_policy, Scope::MessageAttributes)?;
            let settings = SubscriptionSettings {
                filter: Some(policy),
                ..SubscriptionSettings::default()
            };
            broker.subscribe(&topic_name(&topology.app, &subscription.topic), &queue, settings)?;
        }
    }
    Ok(())
}

/// Sets an application up and returns a host and a service for each consumer, for hosts that need
/// more than [`serve`] gives them.
///
/// # Errors
/// The wiring has mistakes, or the broker refuses it.
pub fn hosts(app: &App, broker: &Broker) -> Result<Vec<(Host<MemoryQueue>, RouterService)>, ServeError> {
    let topology = app.topology()?;
    set_up(broker, &topology)?;
    let services = app.services()?;
    let host = |service: RouterService| {
        let fifo = topology
            .consumer(service.consumer())
            .is_some_and(|consumer| consumer.fifo);
        let queue = MemoryQueue::new(
            broker.clone(),
            queue_name(&topology.app, service.consumer(), fifo),
        );
        (Host::of(queue, &service).clock(broker.clock()), service)
    };
    Ok(services.into_iter().map(host).collect())
}

/// Serves all consumers of an application until `shutdown` resolves: each in a task of its own, as
/// a [`Host`] with its defaults, except that a receive waits for 1 s, so that a shutdown does too.
///
/// Dropping the future stops at once, as a kill does.
///
/// # Errors
/// The wiring has mistakes, or the broker refuses it. Nothing is served then.
pub async fn serve(
    app: &App,
    broker: &Broker,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let shutdown = shutdown.shared();
    let mut tasks = JoinSet::new();
    for (host, service) in hosts(app, broker)? {
        tasks.spawn(
            host.poll(std::time::Duration::from_secs(1))
                .serve(service, shutdown.clone()),
        );
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    Ok(())
}

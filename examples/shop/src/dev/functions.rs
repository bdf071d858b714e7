//! Consumers and the relay as functions. The mapping in front of one is AWS's and lives on, while its
//! environments are killed and started anew as the fault plan wills.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fanfare::fault::Life;
use fanfare::topology::Hosting;
use fanfare::{Backoff, Clock, queue_name};
use fanfare_lambda::{Function, outbox_stream, sqs_batch};
use fanfare_local::mapping::{QueueMapping, StreamMapping};
use fanfare_store::{Relay, STREAM_FILTER};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::environments::{Answer, Code, Invoke, beside};
use super::hosts::Stopped;
use super::world::World;
use crate::functions::RELAY;
use crate::tables::FANFARE;

/// How long an invocation may take here, where what was lost with one is to come back soon.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// The same of the relay: it waits some 5 s for a host that has committed something and died.
const RELAY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many environments a consumer has: Lambda begins with five, and adds hundreds a minute under load.
const ENVIRONMENTS: usize = 20;

/// How many shards the stream has, and the relay environments.
const SHARDS: usize = 8;

/// A function, from its mapping to its environments.
pub(super) struct Deployed {
    pub(super) world: Arc<World>,
    /// A consumer's, or the relay's.
    pub(super) name: String,
    pub(super) stopped: Stopped,
}

impl Deployed {
    /// Polls and invokes until it is stopped.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let stopped = self.stopped.clone().wait();
        match self.name.as_str() {
            RELAY => {
                let mapping = self.stream_mapping()?;
                let mapped = |invoke: Invoke| async move {
                    Ok(mapping.run(|event| invoke.clone().event(event), stopped).await?)
                };
                beside(RELAY, SHARDS, |life| self.relay(life), mapped).await
            }
            consumer => {
                let mapping = self.queue_mapping(consumer)?;
                let mapped = |invoke: Invoke| async move {
                    Ok(mapping.run(|event| invoke.clone().event(event), stopped).await?)
                };
                beside(consumer, ENVIRONMENTS, |life| self.consumer(life), mapped).await
            }
        }
    }

    /// The mapping of the stream of the store's table. Under faults it shows the records of different items in
    /// any order, as DynamoDB may.
    fn stream_mapping(&self) -> anyhow::Result<StreamMapping> {
        let dynamo = self.world.ground.local()?.dynamo();
        let Some(Hosting::Function(settings)) = &self.world.topology.relay else {
            anyhow::bail!("the relay isn't set up as a function");
        };
        let mapping = StreamMapping::new(dynamo, FANFARE)
            .shards(SHARDS)
            .batch(settings.batch)
            .filter(serde_json::from_str(STREAM_FILTER)?)
            .timeout(RELAY_TIMEOUT)
            .backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(2)));
        Ok(match self.world.setup.faults {
            Some(seed) => mapping.shuffled(seed),
            None => mapping,
        })
    }

    /// The mapping of a consumer's queue, as its settings have it.
    fn queue_mapping(&self, consumer: &str) -> anyhow::Result<QueueMapping> {
        let topology = &self.world.topology;
        let known = topology.consumers.iter().find(|known| known.name == consumer);
        let known = known.with_context(|| format!("there is no consumer {consumer}"))?;
        let Hosting::Function(settings) = &known.hosting else {
            anyhow::bail!("the consumer {consumer} isn't set up as a function");
        };
        let queue = queue_name(&topology.app, consumer, known.fifo);
        Ok(QueueMapping::new(self.world.ground.local()?, queue)
            .batch(settings.batch)
            .window(settings.window)
            .timeout(settings.timeout)
            .concurrency(ENVIRONMENTS))
    }

    /// The consumer in one environment. As on AWS, its events stay in the outbox for a relay.
    fn consumer(&self, life: &Life) -> anyhow::Result<Consumer> {
        let world = &self.world;
        let deps = world.deps_in(life);
        let service = world.service(&deps, &self.name)?;
        let counters = world.counters.clone();
        let inbox = Arc::new(deps.store.inbox());
        let function = Function::new(&world.ground.config(life), service)
            .clock(world.setup.clock.clone())
            .configure(|host| {
                host.completed(inbox.clone())
                    .tries(inbox)
                    .observe(move |settled| counters.note(settled))
            });
        Ok(Consumer {
            function,
            clock: world.setup.clock.clone(),
        })
    }

    fn relay(&self, life: &Life) -> anyhow::Result<OutboxRelay> {
        let deps = self.world.deps_in(life);
        Ok(OutboxRelay {
            relay: self.world.relay(&deps, life),
            clock: self.world.setup.clock.clone(),
        })
    }
}

struct Consumer {
    function: Function,
    clock: Clock,
}

impl Code for Consumer {
    fn handle(&self, event: Value) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let deadline = self.clock.now() + TIMEOUT;
            answer(sqs_batch(&self.function, read(event)?, deadline).await)
        })
    }
}

struct OutboxRelay {
    relay: Relay,
    clock: Clock,
}

impl Code for OutboxRelay {
    fn handle(&self, event: Value) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let deadline = self.clock.now() + RELAY_TIMEOUT;
            answer(outbox_stream(&self.relay, read(event)?, deadline).await)
        })
    }
}

fn read<E: DeserializeOwned>(event: Value) -> Result<E, String> {
    serde_json::from_value(event).map_err(|error| format!("the event can't be read: {error}"))
}

fn answer(response: impl Serialize) -> Answer {
    serde_json::to_value(response).map_err(|error| format!("the answer can't be written: {error}"))
}

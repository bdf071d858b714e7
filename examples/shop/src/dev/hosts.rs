//! Hosts: one a consumer, each with its own relay, killed and started anew as the fault plan wills. What is a
//! function has its mapping and environments instead.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fanfare::fault::Life;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::functions::Deployed;
use super::world::World;
use crate::functions::RELAY;
use crate::relayed::relayed;

/// How long a killed host is away.
pub(super) const AWAY: Duration = Duration::from_millis(250);

/// How many messages a host handles at a time.
const CONCURRENCY: usize = 32;

/// The signal that hosts are to stop.
#[derive(Clone)]
pub(super) struct Stopped(watch::Receiver<bool>);

impl Stopped {
    /// Resolves when it comes.
    pub(super) async fn wait(mut self) {
        // An error is the end of who would say so, and means the same.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// All hosts of a run.
pub(super) struct Hosts {
    stop: watch::Sender<bool>,
    running: JoinSet<anyhow::Result<()>>,
}

impl Hosts {
    /// Starts a host for each consumer, or its function, and the relay's if it is one.
    pub(super) fn start(world: &Arc<World>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        let consumers = world.topology.consumers.iter();
        let names = consumers.map(|consumer| consumer.name.as_str());
        let functions = &world.setup.functions;
        for name in names.chain(functions.has(RELAY).then_some(RELAY)) {
            let (world, name) = (Arc::clone(world), name.to_owned());
            let stopped = Stopped(stopped.clone());
            match functions.has(&name) {
                true => running.spawn(Deployed { world, name, stopped }.run()),
                false => running.spawn(
                    Served {
                        world,
                        consumer: name,
                        stopped,
                    }
                    .run(),
                ),
            };
        }
        Self { stop, running }
    }

    /// Adds a host that is made here.
    pub(super) fn add<F>(&mut self, host: impl FnOnce(Stopped) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.running.spawn(host(Stopped(self.stop.subscribe())));
    }

    /// Resolves when a host has ended, which none does by itself.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow::Error::new(error).context("a host broke off"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a host ended by itself"),
        }
    }

    /// Lets handlers finish, and waits for all hosts.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.running.join_next().await {
            ended.context("a host broke off")??;
        }
        Ok(())
    }
}

/// A consumer to be served.
struct Served {
    world: Arc<World>,
    consumer: String,
    stopped: Stopped,
}

impl Served {
    async fn run(self) -> anyhow::Result<()> {
        let (ended, kills) = Life::restart(&self.consumer, AWAY, |life| self.live(life)).await;
        tracing::debug!(consumer = self.consumer, kills, "the host has ended");
        ended
    }

    /// One life, with clients, a relay and handlers of its own.
    async fn live(&self, life: Life) -> anyhow::Result<()> {
        let world = &self.world;
        let deps = world.deps_in(&life);
        let relay = world.relay(&deps, &life);
        let service = world.service(&deps, &self.consumer)?;
        let worker = loop {
            match world.worker(service.clone(), &life).await {
                Ok(worker) => break worker,
                // Its process would end, and be started again.
                Err(error) => {
                    tracing::warn!(consumer = self.consumer, error = &error as &dyn std::error::Error)
                }
            }
            if timeout(AWAY, self.stopped.clone().wait()).await.is_ok() {
                return Ok(());
            }
        };
        let counters = world.counters.clone();
        let worker = worker.configure(|host| {
            host.concurrency(CONCURRENCY)
                .poll(world.ground.poll())
                .completed(Arc::new(deps.store.inbox()))
                .clock(world.setup.clock.clone())
                .observe(move |settled| counters.note(settled))
        });
        Ok(relayed(&relay, worker.serve(self.stopped.clone().wait())).await?)
    }
}

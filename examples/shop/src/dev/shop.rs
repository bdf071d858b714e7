//! The whole shop, running in this process.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use fanfare::fault::{Fault, FaultPlan, Life};
use fanfare::memory::Broker;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::audit::{Audit, Found};
use super::counters::Counted;
use super::faults;
use super::ground::{Ground, queues};
use super::hosts::{AWAY, Hosts};
use super::place::Producer;
use super::world::{Setup, World};
use crate::aws::{CERTAIN, LOOKS, watch};
use crate::{Deps, Order, checkout, http};

/// How long nothing at all may happen before the rest counts as stuck. Longer than any pause that is
/// set up here.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to leave the relays alone before looking at the outbox again.
const OUTBOX_PAUSE: Duration = Duration::from_millis(25);

/// The whole shop in this process: tables, broker, and a host with its relay for each consumer.
pub struct Shop {
    world: Arc<World>,
    hosts: Hosts,
    earlier: BTreeMap<String, Order>,
    republished: u64,
    /// Ends with the shop.
    _background: JoinSet<()>,
}

impl Shop {
    /// Opens the tables, creates what isn't there, publishes again what the queues of an earlier
    /// process took along, and starts every host.
    ///
    /// # Errors
    /// The folder can't be used or belongs to another process, or the application is put together
    /// wrong.
    pub async fn open(setup: Setup) -> anyhow::Result<Self> {
        let world = Arc::new(World::open(setup).await?);
        let earlier = checkout::orders(&world.client()).await?;
        let republished = match world.setup.data {
            Some(_) => republish(&world).await?,
            None => 0,
        };
        let hosts = Hosts::start(&world);
        let mut background = JoinSet::new();
        let swept = Arc::clone(&world);
        background.spawn(async move { swept.ground.sweep_expired().await });
        Ok(Self {
            world,
            hosts,
            earlier,
            republished,
            _background: background,
        })
    }

    /// The orders that were there when it was opened, by their ids.
    pub fn earlier(&self) -> &BTreeMap<String, Order> {
        &self.earlier
    }

    /// How many events were published again when it was opened.
    pub fn republished(&self) -> u64 {
        self.republished
    }

    /// Starts to place orders.
    pub(super) fn produce(&mut self, orders: &[Order]) -> Producer {
        let producer = Producer::new(&self.world, orders);
        let host = producer.clone();
        self.hosts.add(|stopped| host.run(stopped));
        producer
    }

    /// Waits until a producer has placed its orders, and says which were refused.
    pub(super) async fn placed(&mut self, producer: &Producer) -> anyhow::Result<Vec<(usize, String)>> {
        let Self { world, hosts, .. } = self;
        let force = world.setup.faults.is_some();
        tokio::select! {
            biased;
            error = hosts.ended() => Err(error),
            refused = producer.refused() => Ok(refused),
            never = faults::force(&world.plan, || producer.share()), if force => match never {},
        }
    }

    /// Places orders, and says which were refused: by their index, with the reason.
    ///
    /// # Errors
    /// An order can't be placed in many tries, or a host broke off.
    pub async fn place(&mut self, orders: &[Order]) -> anyhow::Result<Vec<(usize, String)>> {
        let producer = self.produce(orders);
        self.placed(&producer).await
    }

    /// Waits until nothing is left to do: no message in a queue, none in flight, no event in the
    /// outbox.
    ///
    /// # Errors
    /// A host broke off, or nothing has happened for a minute though something is left.
    pub async fn quiet(&mut self) -> anyhow::Result<()> {
        let Self { world, hosts, .. } = self;
        let force = world.setup.faults.is_some();
        tokio::select! {
            biased;
            error = hosts.ended() => Err(error),
            quiet = quiet(world) => quiet,
            never = faults::force(&world.plan, || 1.0), if force => match never {},
        }
    }

    /// No more faults from here on; then gives dead letters another try, as an operator would, and
    /// waits until nothing is left to do.
    ///
    /// # Errors
    /// As [`quiet`](Self::quiet).
    pub async fn calm(&mut self) -> anyhow::Result<()> {
        let world = &self.world;
        tracing::debug!(calls = ?world.ground.calls(), "the local services");
        world.plan.stop();
        world.ground.redrive(&world.topology)?;
        self.quiet().await
    }

    /// Whether what comes twice is handled twice here.
    pub(super) fn is_without_dedupe(&self) -> bool {
        self.world.setup.no_dedupe
    }

    /// Its fault plan.
    pub(super) fn fault_plan(&self) -> FaultPlan {
        self.world.plan.clone()
    }

    /// How often each kind of fault was injected.
    pub fn faults_injected(&self) -> BTreeMap<&'static str, u64> {
        self.world.plan.injected()
    }

    /// The kinds of fault that were to be injected and were not.
    pub fn faults_missing(&self) -> Vec<Fault> {
        match self.world.setup.faults {
            Some(_) => faults::missing(&self.world.plan),
            None => Vec::new(),
        }
    }

    /// Holds what the tables and the mails have against these orders. Wait until it is
    /// [`quiet`](Self::quiet) first.
    ///
    /// # Errors
    /// Something can't be read.
    pub async fn audit(&self, orders: &[Order]) -> anyhow::Result<Audit> {
        let found = Found::read(&self.client(), &self.world.post).await?;
        Ok(Audit::of(orders, self.world.setup.stock, &found))
    }

    /// The [`audit`](Self::audit), made again when it doesn't hold and it can't be certain by then that
    /// it was quiet.
    pub(super) async fn certain_audit(&mut self, orders: &[Order]) -> anyhow::Result<Audit> {
        let audit = self.audit(orders).await?;
        let Self { world, hosts, .. } = self;
        let Ground::Aws(aws) = &world.ground else {
            return Ok(audit);
        };
        if audit.is_final() {
            return Ok(audit);
        }
        let deps = world.deps();
        let handled = || world.counters.seen();
        tokio::select! {
            biased;
            error = hosts.ended() => return Err(error),
            quiet = watch(aws, &deps, &world.topology, CERTAIN, handled) => quiet?,
        }
        self.audit(orders).await
    }

    /// What the services need, without faults.
    pub fn deps(&self) -> Deps {
        self.world.deps()
    }

    /// A client of its tables, without faults.
    pub fn client(&self) -> Client {
        self.world.client()
    }

    /// The folder in which its mail provider keeps mails and the log of calls, if it does.
    pub fn mail_folder(&self) -> Option<&Path> {
        self.world.post.folder()
    }

    /// Its consumers, each with what its host counted and how many dead letters it has.
    pub(super) async fn consumers(&self) -> anyhow::Result<Vec<(String, Counted, u64)>> {
        let dead = self.world.ground.dead(&self.world.topology).await?.into_iter();
        let consumers = dead.map(|(consumer, dead)| {
            let counted = self.world.counters.of(&consumer);
            (consumer, counted, dead)
        });
        Ok(consumers.collect())
    }

    /// The counters of its hosts.
    pub(super) fn counters(&self) -> super::counters::Counters {
        self.world.counters.clone()
    }

    /// How many events no relay can publish.
    pub(super) async fn parked(&self) -> anyhow::Result<u64> {
        Ok(self.world.deps().store.outbox_status().await?.parked)
    }

    /// Serves the HTTP API until `shutdown` resolves and open requests have ended.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let deps = self.world.deps();
        let relay = self.world.relay(&deps, &Life::default());
        http::serve(listener, &deps, &relay, shutdown).await
    }

    /// Lets handlers finish, and ends every host.
    ///
    /// # Errors
    /// A host broke off.
    pub async fn close(self) -> anyhow::Result<()> {
        self.hosts.stop().await
    }
}

/// Publishes again what an earlier process's queues took along, as a host that may be killed: begun anew
/// then, and what is published twice is handled once.
async fn republish(world: &World) -> anyhow::Result<u64> {
    let (republished, _kills) = Life::restart("republish", AWAY, |life| async move {
        let relay = world.relay(&world.deps_in(&life), &life);
        relay.republish().await
    })
    .await;
    Ok(republished?)
}

/// Waits until nothing is left to do.
async fn quiet(world: &World) -> anyhow::Result<()> {
    match &world.ground {
        Ground::Local { local, .. } => exactly_quiet(world, local.broker()).await,
        Ground::Aws(aws) => {
            let handled = || world.counters.seen();
            watch(aws, &world.deps(), &world.topology, LOOKS, handled).await
        }
    }
}

/// Work is a message in a queue until its handling is committed, and then an event in the outbox until
/// it is published, which is a message again. So it is over when no queue has a message, then no event
/// is in the outbox, and then still no queue has one, while nothing was handled in between.
async fn exactly_quiet(world: &World, broker: &Broker) -> anyhow::Result<()> {
    let store = world.deps().store;
    let queues = queues(&world.topology);
    // What was left in the outbox, and since when it is that.
    let mut unsent = (0, 0, Instant::now());
    loop {
        let seen = world.counters.seen();
        match timeout(PATIENCE, broker.quiet(&queues)).await {
            Ok(empty) => empty?,
            Err(_) if world.counters.seen() == seen => return Err(stuck(broker, &queues)?.into()),
            Err(_) => continue,
        }
        // The index of the embedded tables doesn't lag behind.
        let pending = store.outbox_status().await?.pending;
        if pending > 0 {
            if (pending, seen) != (unsent.0, unsent.1) {
                unsent = (pending, seen, Instant::now());
            }
            if unsent.2.elapsed() >= PATIENCE {
                return Err(Stuck(format!("{pending} events in the outbox")).into());
            }
            tokio::time::sleep(OUTBOX_PAUSE).await;
            continue;
        }
        let mut left = 0;
        for queue in &queues {
            left += broker.counts(queue)?.total();
        }
        if left == 0 && world.counters.seen() == seen {
            return Ok(());
        }
    }
}

/// Something is left that nobody does.
#[derive(Debug, thiserror::Error)]
#[error("nothing has happened for {patience:?}, and still there are {0}", patience = PATIENCE)]
pub struct Stuck(String);

fn stuck(broker: &Broker, queues: &[String]) -> anyhow::Result<Stuck> {
    let mut left = Vec::new();
    for queue in queues {
        let counts = broker.counts(queue)?;
        if counts.total() > 0 {
            left.push(format!("{} messages in {queue}", counts.total()));
        }
    }
    Ok(Stuck(left.join(", ")))
}

//! What a run stands on: local services inside the process, or an account. Hosts, placing, audit and
//! report are the same on both; what differs is here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use fanfare::fault::{FaultPlan, Life};
use fanfare::memory::{Broker, set_up};
use fanfare::{Account, App, Backoff, Topology, dead_letter_name, queue_name};
use fanfare_local::{Dynamo, Local};
use fanfare_publisher::Publisher;
use fanfare_store::{Relay, Store};

use super::functions::TIMEOUT;
use super::world::Setup;
use crate::aws::{self, Aws};
use crate::email::{Post, Provider};
use crate::functions::{RELAY, behind};
use crate::tables::{self, FANFARE};
use crate::{Deps, app};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long a receive waits locally, and so a shutdown for it; SQS counts in seconds.
const POLL: Duration = Duration::from_millis(500);
const POLL_ON_AWS: Duration = Duration::from_secs(1);

/// How often a host's relay looks, locally, for what others have left behind. Looking as often as the
/// sweeper does, all of them would find the events of functions at once, and publish each many times.
const SWEEP_BESIDE: Duration = Duration::from_secs(5);

/// How often what has expired is deleted: each time, all items are read.
const EXPIRED_EVERY: Duration = Duration::from_secs(60);

/// Where SNS, SQS and DynamoDB are.
pub(super) enum Ground {
    /// Inside the process, without faults and as hosts reach it: under the fault plan, if there is one.
    Local { local: Local, reached: Local },
    /// In the account that the environment names.
    Aws(Box<Aws>),
}

impl Ground {
    /// Opens it; on AWS nothing is made yet.
    pub(super) async fn open(setup: &Setup, plan: &FaultPlan) -> anyhow::Result<Self> {
        if setup.aws {
            return Ok(Self::Aws(Box::new(Aws::from_env().await?)));
        }
        let dynamo = match &setup.data {
            Some(data) => Dynamo::file(&data.join("tables"))
                .with_context(|| format!("can't open the tables in {}", data.display()))?,
            None => Dynamo::memory(setup.clock.clone())?,
        };
        let local = Local::of(Broker::new(setup.clock.clone(), plan.clone()), dynamo);
        let reached = match setup.faults {
            Some(_) => local.clone().with_faults(plan.clone()),
            None => local.clone(),
        };
        Ok(Self::Local { local, reached })
    }

    /// The local services.
    ///
    /// # Errors
    /// It stands on an account.
    pub(super) fn local(&self) -> anyhow::Result<&Local> {
        match self {
            Self::Local { local, .. } => Ok(local),
            Self::Aws(_) => anyhow::bail!("functions run in process on the local services only"),
        }
    }

    /// Makes topics, queues and tables that aren't there.
    pub(super) async fn provide(
        &self,
        setup: &Setup,
        topology: &Topology,
        deps: &Deps,
    ) -> anyhow::Result<()> {
        match self {
            Self::Local { local, .. } => {
                set_up(local.broker(), topology)?;
                tables::create(&deps.dynamo).await?;
                deps.store.create_table().await?;
                if setup.functions.has(RELAY) {
                    tables::add_stream(&deps.dynamo).await?;
                }
            }
            Self::Aws(aws) => {
                let report = aws.provide(topology).await?;
                if !report.is_unchanged() {
                    eprintln!("{report}");
                }
            }
        }
        Ok(())
    }

    /// Where mails are kept where there is no folder for them.
    pub(super) fn post(&self) -> Option<Post> {
        match self {
            Self::Local { .. } => None,
            Self::Aws(aws) => Some(Post::Table(aws.dynamo())),
        }
    }

    /// A client without faults.
    pub(super) fn client(&self) -> Client {
        match self {
            Self::Local { local, .. } => local.dynamo().client(&Life::default()),
            Self::Aws(aws) => aws.dynamo(),
        }
    }

    /// What the services need, without faults: for who looks on.
    pub(super) fn deps(&self, setup: &Setup, mail: &Arc<dyn Provider>) -> Deps {
        match self {
            Self::Local { .. } => local_deps(setup, self.client(), mail),
            Self::Aws(aws) => aws.deps(mail),
        }
    }

    /// What the services need in this life of a host.
    pub(super) fn deps_in(&self, setup: &Setup, mail: &Arc<dyn Provider>, life: &Life) -> Deps {
        match self {
            Self::Local { reached, .. } => local_deps(setup, reached.dynamo().client(life), mail),
            Self::Aws(aws) => aws.deps(mail),
        }
    }

    /// The application as it runs here.
    pub(super) fn app(&self, setup: &Setup, deps: &Deps) -> anyhow::Result<App> {
        match self {
            Self::Local { .. } => Ok(setup.functions.set_up(settle_in(app(deps)), TIMEOUT)),
            Self::Aws(_) => aws::deployed(deps),
        }
    }

    /// The configuration of one life of a host.
    pub(super) fn config(&self, life: &Life) -> SdkConfig {
        match self {
            Self::Local { reached, .. } => reached.config(life),
            Self::Aws(aws) => aws.config().clone(),
        }
    }

    /// How long a receive waits.
    pub(super) fn poll(&self) -> Duration {
        match self {
            Self::Local { .. } => POLL,
            Self::Aws(_) => POLL_ON_AWS,
        }
    }

    /// The relay of one life of a host, whose work is what that host commits.
    pub(super) fn relay(&self, deps: &Deps, topology: &Topology, life: &Life) -> Relay {
        match self {
            Self::Local { .. } => self.sweeper(deps, topology, life).sweep_every(SWEEP_BESIDE),
            Self::Aws(aws) => aws.relay(deps, topology),
        }
    }

    /// The relay that also looks after what hosts have left behind.
    pub(super) fn sweeper(&self, deps: &Deps, topology: &Topology, life: &Life) -> Relay {
        match self {
            Self::Local { local, .. } => local_relay(deps, topology, &local.account(), &self.config(life)),
            Self::Aws(aws) => aws.sweeper(deps, topology),
        }
    }

    /// Gives dead letters another try, as an operator would; not on AWS, where they may be of another
    /// run, and nobody has injected faults.
    pub(super) fn redrive(&self, topology: &Topology) -> anyhow::Result<()> {
        let Self::Local { local, .. } = self else {
            return Ok(());
        };
        for queue in queues(topology) {
            // Named, since workers send dead letters and no queue has given them up.
            local
                .broker()
                .redrive(&dead_letter_name(&queue), Some(&queue), usize::MAX)?;
        }
        Ok(())
    }

    /// How many dead letters each consumer has.
    pub(super) async fn dead(&self, topology: &Topology) -> anyhow::Result<BTreeMap<String, u64>> {
        match self {
            Self::Local { local, .. } => {
                let consumers = topology.consumers.iter();
                consumers
                    .zip(queues(topology))
                    .map(|(consumer, queue)| {
                        let dead = local.broker().counts(&queue)?.dead as u64;
                        Ok((consumer.name.clone(), dead))
                    })
                    .collect()
            }
            Self::Aws(aws) => {
                let counts = aws.counts(topology).await?.into_iter();
                Ok(counts.map(|counts| (counts.consumer, counts.dead)).collect())
            }
        }
    }

    /// How often each operation reached its service, where that is known.
    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Local { local, .. } => local.calls(),
            Self::Aws(_) => BTreeMap::new(),
        }
    }

    /// Deletes what has expired now and then, until dropped; DynamoDB does that by itself.
    pub(super) async fn sweep_expired(&self) {
        let Self::Local { local, .. } = self else {
            return;
        };
        local
            .dynamo()
            .sweep_expired_until(EXPIRED_EVERY, std::future::pending())
            .await;
    }
}

/// The names of all consumers' queues, in the order of the topology.
pub(super) fn queues(topology: &Topology) -> Vec<String> {
    let consumers = topology.consumers.iter();
    consumers
        .map(|consumer| queue_name(&topology.app, &consumer.name, consumer.fifo))
        .collect()
}

/// What the services need on local services.
pub(super) fn local_deps(setup: &Setup, dynamo: Client, mail: &Arc<dyn Provider>) -> Deps {
    let mut store = Store::new(dynamo.clone(), FANFARE)
        .clock(setup.clock.clone())
        // All hosts have one clock.
        .skew(Duration::from_millis(100))
        // Enough for one process; each is looked at by each relay's sweep.
        .shards(4);
    store = match &setup.data {
        // A run years later still knows what was handled, and gets back what the queues of this one
        // took along.
        Some(_) => store.window(10 * YEAR).published_for(10 * YEAR),
        // Nobody comes back for it.
        None => store.published_for(Duration::from_secs(5)),
    };
    Deps {
        dynamo,
        store,
        mail: Arc::clone(mail),
        mail_lease: Duration::from_secs(5),
        clock: setup.clock.clone(),
    }
}

/// The same application with times that suit one process: what a killed host held comes back within
/// seconds, and a failure is tried again soon.
fn settle_in(app: App) -> App {
    app.map_consumers(|router| {
        router
            .visibility_timeout(Duration::from_secs(5))
            .backoff(Backoff::new(Duration::from_millis(50), Duration::from_secs(1)))
    })
}

fn local_relay(deps: &Deps, topology: &Topology, account: &Account, config: &SdkConfig) -> Relay {
    let relay = deps
        .store
        .relay(Publisher::new(config, account, topology).deadline(Duration::from_secs(2)))
        .backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(2)));
    behind(relay, topology)
}

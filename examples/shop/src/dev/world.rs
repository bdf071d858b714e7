//! What all hosts of a run share: topics, queues and tables, the mail provider, the fault plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use fanfare::fault::{FaultPlan, Life, PanicLayer};
use fanfare::memory::{Broker, set_up};
use fanfare::topology::Consumer;
use fanfare::{Account, App, Backoff, Clock, RouterService, Topology, queue_name};
use fanfare_local::{Dynamo, Local};
use fanfare_publisher::Publisher;
use fanfare_store::{Mutation, Relay, Store};
use fanfare_worker::{ConnectError, Worker};
use tempfile::TempDir;

use super::counters::Counters;
use crate::email::{Folder, Provider, Smtp};
use crate::tables::{self, FANFARE};
use crate::{Deps, app, inventory};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The seed of the fault plan, if there is one.
    pub faults: Option<u64>,
    /// Whether duplicates are handled again.
    pub no_dedupe: bool,
    /// Where all state is kept; in memory without.
    pub data: Option<PathBuf>,
    /// CDs in stock at first.
    pub stock: u32,
    /// The mail server, as a URL; a folder without.
    pub smtp: Option<String>,
    /// The time; with `data` it must be the system's.
    pub clock: Clock,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            faults: None,
            no_dedupe: false,
            data: None,
            stock: 14_000,
            smtp: None,
            clock: Clock::system(),
        }
    }
}

/// What all hosts share.
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) plan: FaultPlan,
    pub(super) counters: Counters,
    pub(super) topology: Topology,
    /// SNS, SQS and DynamoDB, without faults.
    local: Local,
    account: Account,
    mail: Arc<dyn Provider>,
    mail_folder: PathBuf,
    /// Removed with the world.
    _temporary: Option<TempDir>,
}

impl World {
    /// Opens the tables and the mail folder, and creates what isn't there.
    pub(super) async fn open(setup: Setup) -> anyhow::Result<Self> {
        let plan = setup.faults.map_or_else(FaultPlan::none, FaultPlan::seeded);
        let (dynamo, mail_folder, temporary) = match &setup.data {
            Some(data) => {
                let dynamo = Dynamo::file(&data.join("tables"))
                    .with_context(|| format!("can't open the tables in {}", data.display()))?;
                (dynamo, data.join("mail"), None)
            }
            None => {
                let temporary = TempDir::with_prefix("shop-").context("can't make a folder for the mails")?;
                let mail = temporary.path().join("mail");
                (Dynamo::memory(setup.clock.clone())?, mail, Some(temporary))
            }
        };
        let mail: Arc<dyn Provider> = match &setup.smtp {
            Some(url) => Arc::new(Smtp::open(url, &mail_folder, setup.clock.clone())?),
            None => Arc::new(Folder::open(&mail_folder, setup.clock.clone())?),
        };
        let local = Local::of(Broker::new(setup.clock.clone(), plan.clone()), dynamo);
        let deps = deps(&setup, local.dynamo().client(&Life::default()), &mail);
        let topology = settle_in(app(&deps)).topology()?;
        let world = Self {
            setup,
            plan,
            counters: Counters::default(),
            topology,
            account: local.account(),
            local,
            mail,
            mail_folder,
            _temporary: temporary,
        };
        set_up(world.broker(), &world.topology)?;
        tables::create(&deps.dynamo).await?;
        deps.store.create_table().await?;
        deps.store.check_retention(&world.topology)?;
        inventory::fill_shelves(&deps.dynamo, world.setup.stock).await?;
        Ok(world)
    }

    /// What the services need, without faults: for who looks on.
    pub(super) fn deps(&self) -> Deps {
        deps(&self.setup, self.client(), &self.mail)
    }

    /// A client without faults.
    pub(super) fn client(&self) -> Client {
        self.local.dynamo().client(&Life::default())
    }

    /// The topics and queues, to be looked at.
    pub(super) fn broker(&self) -> &Broker {
        self.local.broker()
    }

    /// SNS, SQS and DynamoDB as hosts reach them: under the fault plan, if there is one.
    fn reached(&self) -> Local {
        match self.setup.faults {
            Some(_) => self.local.clone().with_faults(self.plan.clone()),
            None => self.local.clone(),
        }
    }

    /// What the services need in this life of a host.
    pub(super) fn deps_in(&self, life: &Life) -> Deps {
        deps(&self.setup, self.reached().dynamo().client(life), &self.mail)
    }

    /// The application as it runs here, for one life of a host.
    pub(super) fn app(&self, deps: &Deps) -> App {
        let app = settle_in(app(deps));
        match self.setup.faults {
            Some(_) => app.map_consumers(|router| router.layer(PanicLayer::new(self.plan.clone()))),
            None => app,
        }
    }

    /// The relay of one life of a host.
    pub(super) fn relay(&self, deps: &Deps, life: &Life) -> Relay {
        let config = self.reached().config(life);
        deps.store
            .relay(Publisher::new(&config, &self.account, &self.topology).deadline(Duration::from_secs(2)))
            .backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(2)))
    }

    /// The worker of a consumer in this life of its host.
    pub(super) async fn worker(&self, service: RouterService, life: &Life) -> Result<Worker, ConnectError> {
        Worker::connect(&self.reached().config(life), &self.topology, service).await
    }

    /// How often each operation reached its service.
    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        self.local.calls()
    }

    /// The name of a consumer's queue.
    pub(super) fn queue(&self, consumer: &Consumer) -> String {
        queue_name(&self.topology.app, &consumer.name, consumer.fifo)
    }

    /// The names of all consumers' queues.
    pub(super) fn queues(&self) -> Vec<String> {
        let consumers = self.topology.consumers.iter();
        consumers.map(|consumer| self.queue(consumer)).collect()
    }

    /// Where the mail provider keeps what it was asked for.
    pub(super) fn mail_folder(&self) -> &Path {
        &self.mail_folder
    }

    /// Deletes what has expired now and then, until dropped.
    pub(super) async fn sweep_expired(&self) {
        let pause = Duration::from_secs(20);
        self.local
            .dynamo()
            .sweep_expired_until(pause, std::future::pending())
            .await;
    }
}

fn deps(setup: &Setup, dynamo: Client, mail: &Arc<dyn Provider>) -> Deps {
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
    if setup.no_dedupe {
        store = store.mutate(Mutation::NoDedupe);
    }
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

/// The application without anything behind it, to be looked at.
///
/// # Errors
/// The tables in memory can't be set up.
pub fn describe() -> anyhow::Result<App> {
    let setup = Setup::default();
    let folder = TempDir::with_prefix("shop-")?;
    let mail: Arc<dyn Provider> = Arc::new(Folder::open(folder.path(), setup.clock.clone())?);
    let dynamo = Dynamo::memory(setup.clock.clone())?.client(&Life::default());
    Ok(app(&deps(&setup, dynamo, &mail)))
}

//! What all hosts of a run share: where they stand, the mail provider, the fault plan.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use fanfare::fault::{FaultPlan, Life, PanicLayer};
use fanfare::{App, Clock, RouterService, Topology};
use fanfare_local::Dynamo;
use fanfare_store::{Mutation, Relay};
use fanfare_worker::{ConnectError, Worker};
use tempfile::TempDir;

use super::counters::Counters;
use super::ground::{Ground, local_deps};
use crate::email::{Folder, Post, Provider};
use crate::functions::Functions;
use crate::{Deps, aws, inventory};

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whether it runs in the account that the AWS environment names, rather than inside the process;
    /// then without faults, and not in a folder.
    pub aws: bool,
    /// What runs as Lambda functions; inside the process only.
    pub functions: Functions,
    /// The seed of the fault plan, if there is one.
    pub faults: Option<u64>,
    /// Whether duplicates are handled again.
    pub no_dedupe: bool,
    /// Where all state is kept; in memory without.
    pub data: Option<PathBuf>,
    /// CDs in stock at first.
    pub stock: u32,
    /// The mail server, as a URL; without, mails are kept.
    pub smtp: Option<String>,
    /// The time; with `data` and on AWS it must be the system's.
    pub clock: Clock,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            aws: false,
            functions: Functions::default(),
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
    pub(super) ground: Ground,
    pub(super) post: Post,
    mail: Arc<dyn Provider>,
    /// Removed with the world.
    _temporary: Option<TempDir>,
}

impl World {
    /// Opens the tables and where mails go, and makes what isn't there.
    pub(super) async fn open(setup: Setup) -> anyhow::Result<Self> {
        let plan = setup.faults.map_or_else(FaultPlan::none, FaultPlan::seeded);
        let ground = Ground::open(&setup, &plan).await?;
        let (post, temporary) = match (ground.post(), &setup.data) {
            (Some(post), _) => (post, None),
            (None, Some(data)) => (Post::Folder(data.join("mail")), None),
            (None, None) => {
                let temporary = TempDir::with_prefix("shop-").context("can't make a folder for the mails")?;
                (Post::Folder(temporary.path().join("mail")), Some(temporary))
            }
        };
        let mail = post.provider(setup.smtp.as_deref(), setup.clock.clone())?;
        let deps = ground.deps(&setup, &mail);
        let topology = ground.app(&setup, &deps)?.topology()?;
        ground.provide(&setup, &topology, &deps).await?;
        deps.store.check_retention(&topology)?;
        inventory::fill_shelves(&deps.dynamo, setup.stock).await?;
        Ok(Self {
            setup,
            plan,
            counters: Counters::default(),
            topology,
            ground,
            post,
            mail,
            _temporary: temporary,
        })
    }

    /// What the services need, without faults: for who looks on.
    pub(super) fn deps(&self) -> Deps {
        self.broken(self.ground.deps(&self.setup, &self.mail))
    }

    /// A client without faults.
    pub(super) fn client(&self) -> Client {
        self.ground.client()
    }

    /// What the services need in this life of a host.
    pub(super) fn deps_in(&self, life: &Life) -> Deps {
        self.broken(self.ground.deps_in(&self.setup, &self.mail, life))
    }

    /// Broken on purpose, if that is wanted.
    fn broken(&self, mut deps: Deps) -> Deps {
        if self.setup.no_dedupe {
            deps.store = deps.store.mutate(Mutation::NoDedupe);
        }
        deps
    }

    /// The application as it runs here, for one life of a host.
    pub(super) fn app(&self, deps: &Deps) -> anyhow::Result<App> {
        let app = self.ground.app(&self.setup, deps)?;
        Ok(match self.setup.faults {
            Some(_) => app.map_consumers(|router| router.layer(PanicLayer::new(self.plan.clone()))),
            None => app,
        })
    }

    /// A consumer, as it is served in one life of its host.
    pub(super) fn service(&self, deps: &Deps, consumer: &str) -> anyhow::Result<RouterService> {
        let services = self.app(deps)?.services()?;
        let mut services = services.into_iter();
        let service = services.find(|service| service.consumer() == consumer);
        service.with_context(|| format!("there is no consumer {consumer}"))
    }

    /// The relay of one life of a host.
    pub(super) fn relay(&self, deps: &Deps, life: &Life) -> Relay {
        self.ground.relay(deps, &self.topology, life)
    }

    /// The relay that also looks after what hosts have left behind.
    pub(super) fn sweeper(&self, deps: &Deps, life: &Life) -> Relay {
        self.ground.sweeper(deps, &self.topology, life)
    }

    /// The worker of a consumer in this life of its host.
    pub(super) async fn worker(&self, service: RouterService, life: &Life) -> Result<Worker, ConnectError> {
        Worker::connect(&self.ground.config(life), &self.topology, service).await
    }
}

/// The application as it is deployed and without anything behind it, to be looked at.
///
/// # Errors
/// The tables in memory can't be set up, or [`aws::deployed`] fails.
pub fn describe() -> anyhow::Result<App> {
    let setup = Setup::default();
    let folder = TempDir::with_prefix("shop-")?;
    let mail: Arc<dyn Provider> = Arc::new(Folder::open(folder.path(), setup.clock.clone())?);
    let dynamo = Dynamo::memory(setup.clock.clone())?.client(&Life::default());
    aws::deployed(&local_deps(&setup, dynamo, &mail))
}

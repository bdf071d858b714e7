//! The shop on AWS, or on anything that speaks as AWS does: what its processes share.
//!
//! Endpoint, region and credentials come from where AWS's own tools take them: `AWS_ENDPOINT_URL`,
//! `AWS_REGION`, `AWS_PROFILE`, the role of the task, and so on.

mod counts;
mod provide;
mod quiet;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use fanfare::port::Completed;
use fanfare::{Account, App, Clock, Topology};
use fanfare_publisher::Publisher;
use fanfare_store::{Relay, Store};

use crate::email::Provider;
use crate::functions::{Functions, behind};
use crate::tables::FANFARE;
use crate::{Deps, app};

pub use counts::Counts;
pub(crate) use quiet::{CERTAIN, LOOKS, watch};

/// The environment variable with the visibility timeout of all queues but those of functions in seconds,
/// where that of the application isn't wanted: set it for `shop provision` and for the workers.
pub const VISIBILITY_TIMEOUT: &str = "SHOP_VISIBILITY_TIMEOUT";

/// The environment variable with the account's 12 digits, where it isn't to be asked for: Lambda tells a function
/// its region, and no account.
pub const ACCOUNT: &str = "SHOP_ACCOUNT";

/// The environment variable with where queues and topics are ([`Account::with_resources`]), besides `ACCOUNT`;
/// what it doesn't name follows from the account.
pub const RESOURCES: &str = "SHOP_RESOURCES";

/// One try of a call, and all its tries together. The worker, the publisher and the store have times of
/// their own.
const ATTEMPT: Duration = Duration::from_secs(10);
const OPERATION: Duration = Duration::from_secs(30);

/// How long an invocation of a function may take: some times what a batch takes where calls are slow. What
/// an environment had in hand that died comes back after six times as long.
const INVOCATION: Duration = Duration::from_secs(20);

/// How long a host that sends a mail may be silent before another one sends it.
const MAIL_LEASE: Duration = Duration::from_secs(10);

/// How often a relay looks for what others have left behind, whose own work is to publish what its
/// process commits.
const SWEEP_BESIDE: Duration = Duration::from_secs(30);

/// How long a relay may take at the end of its process, behind the hosts' drain: together they stay
/// below the 30 s that ECS gives.
const FINISH: Duration = Duration::from_secs(4);

/// An account and region, as the environment names them.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    account: Account,
}

impl Aws {
    /// Finds out where the environment points to, by one call where it isn't told by [`ACCOUNT`]: who am I?
    ///
    /// # Errors
    /// There is no region, or nobody answers, or what the environment tells is wrong.
    pub async fn from_env() -> anyhow::Result<Self> {
        let config = config().await;
        match told(&config)? {
            Some(account) => Ok(Self { config, account }),
            None => Self::of(config).await,
        }
    }

    /// The account that this configuration leads to.
    ///
    /// # Errors
    /// It has no region, or nobody answers.
    pub async fn of(config: SdkConfig) -> anyhow::Result<Self> {
        let caller = fanfare_infra::caller(&config)
            .await
            .context("can't find out which account this is")?;
        let account = caller.account().clone();
        Ok(Self { config, account })
    }

    /// What clients are made from.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// DynamoDB.
    pub fn dynamo(&self) -> Client {
        Client::new(&self.config)
    }

    /// Looks whether the tables are there, by one read.
    ///
    /// # Errors
    /// They aren't, or can't be read.
    pub async fn check(&self, deps: &Deps) -> anyhow::Result<()> {
        let anything = fanfare::DedupeKey::new(crate::NAME, "/shop", "is it there?");
        let completed = deps.store.inbox();
        let read = completed.completed(&anything).await;
        read.map_err(|error| anyhow::anyhow!(error)).with_context(|| {
            format!(
                "can't read the table {FANFARE} of account {} in {}: run `shop provision` if it isn't there",
                self.account().id(),
                self.account().region()
            )
        })?;
        Ok(())
    }

    /// What the services need here, with the store's own settings.
    pub fn deps(&self, mail: &Arc<dyn Provider>) -> Deps {
        deps(&self.config, mail)
    }

    /// The relay of a process that commits: it publishes that at once, and rarely looks for what others
    /// have left behind.
    pub fn relay(&self, deps: &Deps, topology: &Topology) -> Relay {
        self.sweeper(deps, topology).sweep_every(SWEEP_BESIDE)
    }

    /// The relay that publishes what processes have left behind that died, or that couldn't publish it.
    pub fn sweeper(&self, deps: &Deps, topology: &Topology) -> Relay {
        relay(&self.config, self.account(), deps, topology).finish_within(FINISH)
    }
}

/// The configuration that the environment names. Nobody is asked, unless it names no region.
pub(crate) async fn config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .load()
        .await
}

/// The account that the environment tells, if it does.
pub(crate) fn told(config: &SdkConfig) -> anyhow::Result<Option<Account>> {
    let Ok(id) = std::env::var(ACCOUNT) else {
        return Ok(None);
    };
    let region = config.region().map_or("", |region| region.as_ref());
    let account = Account::in_region(region, &id).with_context(|| format!("{ACCOUNT}={id}"))?;
    Ok(Some(match std::env::var(RESOURCES) {
        Ok(resources) => account.with_resources(&resources).context(RESOURCES)?,
        Err(_) => account,
    }))
}

/// What the services need with this configuration. Nobody is asked.
pub(crate) fn deps(config: &SdkConfig, mail: &Arc<dyn Provider>) -> Deps {
    let dynamo = Client::new(config);
    Deps {
        store: Store::new(dynamo.clone(), FANFARE),
        dynamo,
        mail: Arc::clone(mail),
        mail_lease: MAIL_LEASE,
        clock: Clock::system(),
    }
}

/// A relay that publishes in this account. Nobody is asked.
pub(crate) fn relay(config: &SdkConfig, account: &Account, deps: &Deps, topology: &Topology) -> Relay {
    let publisher = Publisher::new(config, account, topology);
    let relay = deps.store.relay(publisher.deadline(Duration::from_secs(2)));
    behind(relay, topology)
}

/// The application as it is deployed: with the functions that [`FUNCTIONS`](crate::functions::FUNCTIONS)
/// names.
///
/// # Errors
/// [`VISIBILITY_TIMEOUT`] is set to something else than a number of seconds, or `FUNCTIONS` names what
/// can't be a function.
pub fn deployed(deps: &Deps) -> anyhow::Result<App> {
    deployed_with(deps, &Functions::from_env()?)
}

/// The same with these functions.
///
/// # Errors
/// [`VISIBILITY_TIMEOUT`] is set to something else than a number of seconds.
pub fn deployed_with(deps: &Deps, functions: &Functions) -> anyhow::Result<App> {
    let mut app = app(deps);
    if let Ok(seconds) = std::env::var(VISIBILITY_TIMEOUT) {
        let seconds: u32 = seconds
            .parse()
            .with_context(|| format!("{VISIBILITY_TIMEOUT}={seconds}: must be a number of seconds"))?;
        let timeout = Duration::from_secs(seconds.into());
        app = app.map_consumers(|router| router.visibility_timeout(timeout));
    }
    Ok(functions.set_up(app, INVOCATION))
}

//! A consumer as a Lambda function: a mapping that outlives everything, and environments that are killed
//! and replaced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use fanfare::fault::{Call, Fault, Life, PanicLayer};
use fanfare::topology::{Consumer, FunctionSettings, Hosting};
use fanfare_lambda::Function;
use fanfare_local::mapping::QueueMapping;
use serde_json::Value;
use tokio::sync::watch;

use super::process::{queue_of, stop};
use super::shop;
use super::weather::Plans;
use super::world::World;
use crate::lambda::invoke;

/// What can happen to an invocation on its way, besides what happens to the calls within it.
const INVOCATION: [Fault; 5] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::DelayReply,
    Fault::Throttle,
    Fault::Kill,
];
/// How many invocations of one function there are at a time.
const CONCURRENCY: u32 = 3;

/// How a run's consumers are set up as functions. One invocation may be shorter than a call to the mail
/// provider.
pub(super) fn settings(consumer: &str, ledger_receives: u32) -> FunctionSettings {
    let settings = FunctionSettings::default()
        .timeout(Duration::from_secs(20))
        .maximum_concurrency(CONCURRENCY);
    match (consumer, ledger_receives) {
        // As few as its queue allows it, so that postings become dead letters.
        ("bookkeeping", receives @ ..10) => settings.batch(1).attempts(receives),
        ("bookkeeping", receives) => settings.attempts(receives / 10),
        // Batches of several receives.
        ("stock" | "view", _) => settings.batch(40).window(Duration::from_secs(1)),
        _ => settings,
    }
}

/// What a function's invocations were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Invoked {
    pub(super) invocations: u64,
    pub(super) kills: u64,
}

/// Invokes a consumer's function until it is stopped.
pub(super) async fn run(
    world: Arc<World>,
    plans: Plans,
    consumer: Consumer,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<Invoked> {
    let Hosting::Function(settings) = &consumer.hosting else {
        anyhow::bail!("{} is no function", consumer.name);
    };
    let mapping = QueueMapping::new(&world.local, queue_of(&consumer)).settings(settings);
    let environments = Environments {
        world: &world,
        plans: &plans,
        consumer: &consumer.name,
        timeout: settings.timeout,
        free: Mutex::default(),
        invocations: AtomicU64::new(0),
        kills: AtomicU64::new(0),
    };
    mapping
        .run(|event| environments.invoke(event), stop(stopped))
        .await?;
    Ok(Invoked {
        invocations: environments.invocations.into_inner(),
        kills: environments.kills.into_inner(),
    })
}

/// The environments of one function, each of which has one invocation at a time.
struct Environments<'a> {
    world: &'a World,
    plans: &'a Plans,
    consumer: &'a str,
    timeout: Duration,
    /// Those that wait for an invocation.
    free: Mutex<Vec<Environment>>,
    invocations: AtomicU64,
    kills: AtomicU64,
}

/// A process that Lambda has started.
struct Environment {
    life: Life,
    function: Function,
}

/// An environment at work: one that isn't given back is killed, as after a timeout.
struct AtWork(Option<Environment>);

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(environment) = &self.0 {
            environment.life.kill();
        }
    }
}

impl Environments<'_> {
    async fn invoke(&self, event: Value) -> Result<Value, String> {
        let deadline = self.world.clock.now() + self.timeout;
        self.invocations.fetch_add(1, Ordering::Relaxed);
        let environment = match self.free().pop() {
            Some(environment) => environment,
            None => self.start().map_err(|error| format!("{error:#}"))?,
        };
        let mut at_work = AtWork(Some(environment));
        let answered = match &at_work.0 {
            Some(Environment { life, function }) => {
                let call = format!("lambda.Invoke {}", self.consumer);
                let work = invoke(function, event, deadline);
                let work = Box::pin(self.plans.queues.around(life, &call, &INVOCATION, work));
                tokio::select! {
                    biased;
                    () = life.killed() => None,
                    answered = work => Some(answered),
                }
            }
            None => None,
        };
        let Some(answered) = answered else {
            self.kills.fetch_add(1, Ordering::Relaxed);
            return Err("Runtime.ExitError".to_owned());
        };
        self.free().extend(at_work.0.take());
        match answered {
            Call::Answered(answer) => answer,
            Call::Lost => Err("the answer was lost".to_owned()),
            Call::Throttled => Err("TooManyRequestsException".to_owned()),
        }
    }

    /// A new process, with everything that it calls through of its own life.
    fn start(&self) -> anyhow::Result<Environment> {
        let (world, plans) = (self.world, self.plans);
        let life = Life::new(plans.name);
        let dynamo = world.local.dynamo().clone().with_faults(plans.tables.clone());
        let client = dynamo.client(&life);
        let inbox = world.store(client.clone()).inbox();
        let parts = world.parts(plans.name, client, inbox.clone());
        let app =
            shop::app(&parts).map_consumers(|router| router.layer(PanicLayer::new(plans.queues.clone())));
        let services = app.services()?.into_iter();
        let service = services
            .into_iter()
            .find(|service| service.consumer() == self.consumer);
        let service = service.context("the shop has this consumer")?;
        let function = Function::new(&world.config(&plans.queues, &life), service)
            .clock(world.clock.clone())
            .configure(|host| {
                let inbox = Arc::new(inbox);
                host.concurrency(8).completed(inbox.clone()).tries(inbox)
            });
        Ok(Environment { life, function })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Environment>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

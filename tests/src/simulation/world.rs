//! One run from its first order to its audit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use fanfare::fault::{FaultPlan, Life};
use fanfare::memory::Broker;
use fanfare::{Account, Clock, Topology};
use fanfare_local::{Dynamo, Local};
use fanfare_publisher::Publisher;
use fanfare_store::{Inbox, Relay, Store, TransactPolicy};
use tokio::sync::watch;
use tokio::time::Instant;

use super::audit::{self, Problem, ProblemKind, problem};
use super::model::Scenario;
use super::provider::Provider;
use super::shop::{self, Gaps, Parts};
use super::weather::Weather;
use super::{RECORDS, Report, Simulation, function, process, producers, table};

/// What the processes and producers of one run share: what survives them.
pub(super) struct World {
    /// SNS, SQS and DynamoDB, without faults.
    pub(super) local: Local,
    account: Account,
    pub(super) topology: Topology,
    pub(super) clock: Clock,
    /// The consumers that are Lambda functions.
    pub(super) functions: BTreeSet<&'static str>,
    simulation: Simulation,
    provider: Provider,
    gaps: Gaps,
    ledger_receives: u32,
}

impl World {
    pub(super) fn store(&self, client: Client) -> Store {
        // There is only one clock here, so that a lease can be taken over soon after its end.
        let store = Store::new(client, RECORDS)
            .clock(self.clock.clone())
            .skew(Duration::from_secs(1))
            .transact_policy(TransactPolicy {
                tries: 3,
                ..TransactPolicy::default()
            })
            .shards(1);
        match self.simulation.mutation {
            Some(mutation) => store.mutate(mutation),
            None => store,
        }
    }

    /// What SNS and SQS are reached by in one life, under this plan.
    pub(super) fn config(&self, plan: &FaultPlan, life: &Life) -> SdkConfig {
        self.local.clone().with_faults(plan.clone()).config(life)
    }

    pub(super) fn publisher(&self, config: &SdkConfig) -> Publisher {
        Publisher::new(config, &self.account, &self.topology)
    }

    pub(super) fn parts(&self, process: &str, client: Client, inbox: Inbox) -> Parts {
        Parts {
            process: process.into(),
            client,
            inbox,
            provider: self.provider.clone(),
            gaps: self.gaps.clone(),
            ledger_receives: self.ledger_receives,
            functions: self.functions.clone(),
        }
    }
}

/// A calm shop has its dead letters redriven until nothing moves; it is to be quiet within this time.
const QUIET_WITHIN: Duration = Duration::from_secs(30 * 60);

pub(super) async fn run(simulation: Simulation) -> anyhow::Result<Report> {
    let start = Instant::now();
    let mut random = fastrand::Rng::with_seed(simulation.seed);
    let scenario = Scenario::drawn(&mut random);
    let functions = functions(&simulation);
    let mut processes = vec!["east", "west", "web", "kiosk", "counter"];
    if !functions.is_empty() {
        processes.insert(2, "lambda");
    }
    let weather = Weather::drawn(&mut random, &processes, simulation.calm);
    let world = Arc::new(set_up(simulation, functions, &weather, &mut random)?);
    let observer = world.local.dynamo().client(&Life::new("observer"));
    prepare(&world, &observer, &scenario).await?;
    let store = world.store(observer.clone());

    let (stop, stopped) = watch::channel(false);
    let processes: Vec<_> = weather.processes[..2]
        .iter()
        .map(|plans| tokio::spawn(process::run(world.clone(), plans.clone(), stopped.clone())))
        .collect();
    let consumers = world.topology.consumers.iter();
    let functions: Vec<_> = consumers
        .filter(|consumer| world.functions.contains(consumer.name.as_str()))
        .map(|consumer| {
            let (plans, stopped) = (weather.processes[2].clone(), stopped.clone());
            tokio::spawn(function::run(world.clone(), plans, consumer.clone(), stopped))
        })
        .collect();
    let storm_for = Duration::from_secs(random.u64(20..60));
    let mut storm = {
        let (weather, provider, random) = (weather.clone(), world.provider.clone(), random.fork());
        let calm = simulation.calm;
        tokio::spawn(async move {
            if calm {
                std::future::pending::<()>().await;
            }
            weather.cut_off(&provider, random).await;
        })
    };
    let placing = producers::all(&world, &weather, &scenario);
    let placed = tokio::time::timeout(QUIET_WITHIN, async {
        let (placed, ()) = tokio::join!(placing, tokio::time::sleep(storm_for));
        placed
    });
    let mut kills = Box::pin(placed).await.context("the orders were never placed")??;
    storm.abort();
    // The task may be in the middle of a call to nothing but the plans.
    let _ = (&mut storm).await;
    weather.stop();
    world.provider.calm_down();

    // This relay is never run: it only looks at the outbox.
    let mut problems = Vec::new();
    let observing = store.relay(world.publisher(&world.local.sdk_config()));
    let (redriven, restless) = quiet(&world, &observing).await?;
    problems.extend(restless);
    stop.send_replace(true);
    for process in processes {
        let ended = tokio::time::timeout(Duration::from_secs(120), process).await;
        kills += ended.context("a process did not stop")???;
    }
    let mut invocations = 0;
    for function in functions {
        let ended = tokio::time::timeout(Duration::from_secs(120), function).await;
        let invoked = ended.context("a mapping did not stop")???;
        kills += invoked.kills;
        invocations += invoked.invocations;
    }
    let contents = table::read(&observer).await?;
    problems.extend(audit::audit(&scenario, &contents, &world.provider));
    problems.extend(gaps(&world, redriven.get("bookkeeping").copied().unwrap_or(0)));
    Ok(Report {
        seed: simulation.seed,
        problems,
        trace: weather.trace(),
        injected: weather.injected(),
        kills,
        invocations,
        redriven: redriven.values().sum(),
        overlaps: world.provider.overlaps(),
        took: start.elapsed(),
    })
}

/// Which consumers are functions: all of them in some runs. Drawn apart, so that a seed is the same with and
/// without them in everything else.
fn functions(simulation: &Simulation) -> BTreeSet<&'static str> {
    let mut random = fastrand::Rng::with_seed(!simulation.seed);
    if !simulation.functions {
        return BTreeSet::new();
    }
    if random.u8(0..3) == 0 {
        return shop::CONSUMERS.into();
    }
    let first = random.usize(0..shop::CONSUMERS.len());
    let drawn = shop::CONSUMERS.into_iter().filter(|_| random.bool());
    drawn.chain([shop::CONSUMERS[first]]).collect()
}

fn set_up(
    simulation: Simulation,
    functions: BTreeSet<&'static str>,
    weather: &Weather,
    random: &mut fastrand::Rng,
) -> anyhow::Result<World> {
    // A Tuesday in 2025.
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000));
    let broker = Broker::new(clock.clone(), weather.broker.clone());
    let local = Local::of(broker, Dynamo::memory(clock.clone())?);
    let provider = Provider::new(clock.clone(), random.bool());
    // Few in some runs, so that postings become dead letters and are redriven; in the others
    // nothing may ever come out of order.
    let ledger_receives = [1_000, 1_000, 3][random.usize(0..3)];
    let client = local.dynamo().client(&Life::new("observer"));
    let looked_at = shop::app(&Parts {
        process: "observer".into(),
        inbox: Store::new(client.clone(), RECORDS).inbox(),
        client,
        provider: provider.clone(),
        gaps: Gaps::default(),
        ledger_receives,
        functions: functions.clone(),
    });
    let topology = looked_at.topology()?;
    fanfare::memory::set_up(local.broker(), &topology)?;
    Ok(World {
        account: local.account(),
        local,
        topology,
        provider,
        gaps: Gaps::default(),
        ledger_receives,
        clock,
        functions,
        simulation,
    })
}

async fn prepare(world: &World, client: &Client, scenario: &Scenario) -> anyhow::Result<()> {
    table::create(client).await?;
    world.store(client.clone()).create_table().await?;
    for (article, count) in &scenario.supply {
        client
            .put_item()
            .table_name(table::TABLE)
            .item("id", table::id("shelf", article))
            .item("left", AttributeValue::N(count.to_string()))
            .send()
            .await?;
    }
    Ok(())
}

/// Redrives dead letters until there are none, nothing is in a queue and nothing waits to be
/// published. Says how many were redriven of each consumer, and what never came to rest.
async fn quiet(world: &World, relay: &Relay) -> anyhow::Result<(BTreeMap<String, usize>, Option<Problem>)> {
    let start = Instant::now();
    let mut redriven = BTreeMap::new();
    loop {
        let mut restless = Vec::new();
        for consumer in &world.topology.consumers {
            let queue = process::queue_of(consumer);
            let counts = world.local.broker().counts(&queue)?;
            if counts.total() + counts.dead > 0 {
                restless.push(format!("{queue} has {counts:?}"));
            }
            if counts.dead > 0 {
                let moved = world
                    .local
                    .broker()
                    // Named: the worker has sent them there, and no queue has given them up.
                    .redrive(&fanfare::dead_letter_name(&queue), Some(&queue), usize::MAX)?
                    .moved;
                *redriven.entry(consumer.name.clone()).or_default() += moved;
            }
        }
        let status = relay.status().await?;
        if status.pending + status.parked > 0 {
            restless.push(format!("the outbox has {status:?}"));
        }
        if restless.is_empty() {
            return Ok((redriven, None));
        }
        if start.elapsed() > QUIET_WITHIN {
            let text = format!("after {:?}: {}", start.elapsed(), restless.join(", "));
            return Ok((redriven, Some(problem(ProblemKind::Wrong, text))));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Only dead letters may break the order of an account.
fn gaps(world: &World, dead_letters: usize) -> Vec<Problem> {
    let gaps = world.gaps.all();
    gaps.into_iter()
        .filter(|_| dead_letters == 0)
        .map(|gap| problem(ProblemKind::Wrong, format!("out of order: {gap}")))
        .collect()
}

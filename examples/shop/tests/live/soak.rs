//! Processes that are killed with SIGKILL while they work, and an audit that is exact all the same.
//!
//! `SHOP_SOAK_ORDERS` (300), `SHOP_SOAK_KILLS` (8) and `SHOP_SOAK_SEED` (any) in the environment make it
//! longer, or the same again as far as a seed goes: who is killed in which order, not when.

use std::path::Path;
use std::process::Output;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use fastrand::Rng;
use serde_json::Value;
use shop::aws::deployed;
use shop::email::Post;
use tokio::time::Instant;

use crate::crew::Running;
use crate::stage::{Stage, report, said};

/// The processes: workers by what they consume, and the relay.
const CREW: [&[&str]; 6] = [
    &["payment"],
    &["inventory", "shipping"],
    &["bookkeeping"],
    &["email"],
    &["checkout", "analytics", "orders-view", "loyalty"],
    &[],
];

/// The visibility timeout in seconds: what the killed held comes back soon.
const HIDDEN: u32 = 8;

/// Fewer than all orders want, so that some are cancelled and refunded.
const CDS_AN_ORDER: usize = 2;

/// How long to wait for work.
const PATIENCE: Duration = Duration::from_secs(60);

struct Soak {
    orders: usize,
    kills: usize,
    seed: u64,
    no_dedupe: bool,
}

/// What came of it.
struct Outcome {
    /// The exit code of the audit, and its report.
    code: Option<i32>,
    report: Value,
    text: String,
    /// As the last life of each process counted.
    duplicates: u64,
    redelivered: u64,
}

/// A process that is started anew when it was killed.
struct Member {
    consumers: &'static [&'static str],
    stock: String,
    no_dedupe: bool,
    running: Option<Running>,
    /// When the last one was killed, and how many messages it left in flight.
    left: Option<(Instant, u64)>,
}

impl Member {
    async fn hire(stage: &Stage, consumers: &'static [&'static str], soak: &Soak) -> anyhow::Result<Self> {
        let mut member = Self {
            consumers,
            stock: soak.stock().to_string(),
            no_dedupe: soak.no_dedupe,
            running: None,
            left: None,
        };
        member.start(stage).await?;
        Ok(member)
    }

    async fn start(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let mut words = match self.consumers {
            [] => vec!["relay"],
            consumers => [&["worker", "--poll", "2", "--stock", &self.stock], consumers].concat(),
        };
        if self.no_dedupe && !self.consumers.is_empty() {
            words.push("--no-dedupe");
        }
        self.running = Some(Running::start(stage, &words).await?);
        Ok(())
    }

    /// Waits until it has messages in hand, the relay until anybody has; kills it, and starts it anew.
    /// Says how many it had.
    async fn replace(&mut self, stage: &Stage) -> anyhow::Result<u64> {
        let since = Instant::now();
        let (all, in_hand) = loop {
            let all = self.in_flight(stage).await?;
            let hidden = Duration::from_secs(HIDDEN.into());
            let left = self.left.filter(|(when, _)| when.elapsed() <= hidden);
            let in_hand = all.saturating_sub(left.map_or(0, |(_, count)| count));
            if in_hand > 0 {
                break (all, in_hand);
            }
            ensure!(since.elapsed() < PATIENCE, "{} has nothing to do", self.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        self.running.take().context("it runs")?.kill().await?;
        // The relay leaves none: what is in flight is the workers'.
        self.left = (!self.consumers.is_empty()).then(|| (Instant::now(), all));
        self.start(stage).await?;
        Ok(in_hand)
    }

    fn name(&self) -> String {
        match self.consumers {
            [] => "the relay".to_owned(),
            consumers => consumers.join(", "),
        }
    }

    async fn in_flight(&self, stage: &Stage) -> anyhow::Result<u64> {
        let counts = stage.aws.counts(&stage.topology()?).await?.into_iter();
        let counts = counts
            .filter(|counts| self.consumers.is_empty() || self.consumers.contains(&counts.consumer.as_str()));
        Ok(counts.map(|counts| counts.in_flight).sum())
    }
}

impl Soak {
    /// As the environment says.
    fn from_env() -> Self {
        Self {
            orders: setting("SHOP_SOAK_ORDERS").unwrap_or(300),
            kills: setting("SHOP_SOAK_KILLS").unwrap_or(8),
            seed: setting("SHOP_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000)),
            no_dedupe: false,
        }
    }

    fn stock(&self) -> usize {
        self.orders * CDS_AN_ORDER
    }

    async fn run(&self) -> anyhow::Result<Outcome> {
        let Self {
            orders, kills, seed, ..
        } = *self;
        println!("soak: {orders} orders, {kills} kills, SHOP_SOAK_SEED={seed}");
        let mut rng = Rng::with_seed(seed);
        let stage = Stage::hiding(HIDDEN).await?;
        let started = Instant::now();
        let mut crew = Vec::new();
        for consumers in CREW {
            crew.push(Member::hire(&stage, consumers, self).await?);
        }
        let (mut republished, mut interrupted) = (0, 0);
        // Each once, before any again.
        let mut order = Vec::new();
        for kill in 0..kills {
            let file = stage.orders(orders * kill / kills..orders * (kill + 1) / kills)?;
            let mut placing = place(&stage, &file)?;
            if order.is_empty() {
                order = (0..crew.len()).collect();
                rng.shuffle(&mut order);
            }
            let victim = order.pop().context("there is a crew")?;
            let in_hand = crew[victim].replace(&stage).await?;
            println!(
                "{:6.1} s  killed {} with {in_hand} messages in hand",
                started.elapsed().as_secs_f64(),
                crew[victim].name(),
            );
            // The producer is a process too.
            if rng.u8(..4) == 0 {
                placing.kill().await?;
                interrupted += 1;
                placing = place(&stage, &file)?;
            }
            let placed = placing.wait().await?;
            ensure!(placed.success(), "{placed}: {:?}", placing.lines());
            if kill == kills / 3 {
                republished = stage.republish().await?;
            }
        }
        println!("all placed; {republished} events published twice, {interrupted} producers killed");
        let file = stage.orders(0..orders)?.display().to_string();
        let stock = self.stock().to_string();
        let words = ["audit", "--orders", &file, "--stock", &stock, "--json"];
        let audit = match self.no_dedupe {
            false => stage.run(&words).await?,
            true => doubled(&stage, &words).await?,
        };
        let mut outcome = Outcome {
            code: audit.status.code(),
            report: report(&audit)?,
            text: said(&audit),
            duplicates: 0,
            redelivered: 0,
        };
        for member in crew {
            for line in member.running.context("it runs")?.stop().await? {
                outcome.duplicates += counted(&line, "duplicates");
                outcome.redelivered += counted(&line, "redelivered");
            }
        }
        println!(
            "{:6.1} s  lost {}, doubled {}; {} duplicates came in, {} messages again",
            started.elapsed().as_secs_f64(),
            outcome.report["lost"],
            outcome.report["doubled"],
            outcome.duplicates,
            outcome.redelivered,
        );
        Ok(outcome)
    }
}

/// Audits until something is doubled, without waiting for the end: it takes minutes until all is given up
/// that can't be booked behind what is doubled.
async fn doubled(stage: &Stage, words: &[&str]) -> anyhow::Result<Output> {
    let since = Instant::now();
    loop {
        let audit = stage.run(&[words, &["--now"]].concat()).await?;
        if report(&audit)?["doubled"].as_u64() > Some(0) || since.elapsed() > PATIENCE {
            return Ok(audit);
        }
    }
}

/// Places the orders of a file, in a process of its own.
fn place(stage: &Stage, file: &Path) -> anyhow::Result<Running> {
    let file = file.to_str().context("a path in UTF-8")?;
    Running::spawn(stage, &["place", "--orders", file])
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    let parsed = value.parse().ok();
    Some(parsed.unwrap_or_else(|| panic!("{name}={value} is no number")))
}

/// A number of a line that a worker ends with.
fn counted(line: &str, name: &str) -> u64 {
    let number = line.split_once(&format!(" {name}=")).map(|(_, rest)| rest);
    let number = number.and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.filter(|_| line.contains("drained")).unwrap_or_default()
}

impl Stage {
    /// Publishes all once more that was published so far, as a relay does that doesn't know.
    async fn republish(&self) -> anyhow::Result<u64> {
        let mail = Post::Table(self.aws.dynamo()).provider(None, fanfare::Clock::system())?;
        let deps = self.aws.deps(&mail);
        let topology = deployed(&deps)?.topology()?;
        Ok(self.aws.sweeper(&deps, &topology).republish().await?)
    }
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn killed_processes_lose_nothing_and_double_nothing() -> anyhow::Result<()> {
    let soak = Soak::from_env();
    let outcome = soak.run().await?;
    let Outcome { report, text, .. } = &outcome;
    assert_eq!(outcome.code, Some(0), "SHOP_SOAK_SEED={}: {text}", soak.seed);
    assert_eq!(
        (&report["orders"], &report["terminal"]),
        (&soak.orders.into(), &soak.orders.into())
    );
    assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()));
    assert_eq!(report["emails"]["sent"], soak.orders);
    for (consumer, of) in report["consumers"].as_object().context("consumers")? {
        assert_eq!(of["dead"], 0, "{consumer}: {text}");
    }
    // Or else it shows nothing.
    ensure!(
        outcome.duplicates > 0 && outcome.redelivered > 0,
        "nothing came twice"
    );
    Ok(())
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn without_dedupe_the_same_soak_doubles_effects_and_the_audit_says_so() -> anyhow::Result<()> {
    let soak = Soak {
        orders: 60,
        kills: 3,
        no_dedupe: true,
        ..Soak::from_env()
    };
    let outcome = soak.run().await?;
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    ensure!(outcome.report["doubled"].as_u64() > Some(0), "{}", outcome.text);
    ensure!(
        outcome.text.contains("doubled: ledger entries"),
        "{}",
        outcome.text
    );
    Ok(())
}

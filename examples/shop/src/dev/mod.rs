//! The main job: the whole shop in one process, every order placed, and an audit of what came of it.

pub mod audit;
mod counters;
mod environments;
mod faults;
mod functions;
mod ground;
mod hosts;
mod options;
mod place;
mod progress;
mod report;
mod shop;
mod world;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use fanfare_worker::shutdown_signal;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::Order;
use crate::functions::Functions;
use crate::reader::{self, Input, ReadError};
use progress::Progress;

pub(crate) use counters::{Counted, Counters};
pub use options::Options;
pub use report::{ConsumerReport, EmailReport, Report};
pub use shop::{Shop, Stuck};
pub use world::{Setup, describe};

/// The environment variable with a mail server's URL, to send mails there and not into a folder.
pub const SMTP: &str = "SHOP_SMTP_URL";

/// Runs the main job: its report goes to `out`, everything else to standard error. Says whether the
/// audit holds.
///
/// # Errors
/// The orders can't be read, which is found out before anything else is done; or the run broke off.
pub async fn run(options: Options, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut input = read_orders(options.orders.as_deref(), options.aws)?;
    let listener = match options.serve {
        Some(port) => Some(listen(port).await?),
        None => None,
    };
    silence_planned_panics();
    let mut shop = Shop::open(Setup {
        aws: options.aws,
        functions: Functions::of(options.lambda.iter().map(String::as_str))?,
        faults: options.faults,
        no_dedupe: options.no_dedupe,
        data: options.data.clone(),
        stock: options.stock,
        smtp: std::env::var(SMTP).ok(),
        ..Setup::default()
    })
    .await?;
    let report = run_orders(&mut shop, &mut input).await?;
    report.write(options.json, out)?;
    if let Some(listener) = listener {
        eprintln!("http://{} until Ctrl-C", listener.local_addr()?);
        shop.serve(listener, shutdown_signal()).await?;
    }
    shop.close().await?;
    Ok(report.holds)
}

/// Places what was read, waits until all is done, and audits it.
async fn run_orders(shop: &mut Shop, input: &mut Input) -> anyhow::Result<Report> {
    if !shop.earlier().is_empty() {
        eprintln!(
            "{} orders are there already; {} events published again",
            shop.earlier().len(),
            shop.republished()
        );
    }
    let progress = Progress::new(input.orders.len() as u64, shop.counters())?;
    let started = Instant::now();
    let producer = shop.produce(&input.orders);
    let plan = shop.fault_plan();
    let placed_and_calm = async {
        let refused = shop.placed(&producer).await?;
        let calm = async {
            shop.quiet().await?;
            shop.calm().await
        };
        let stuck = match calm.await {
            // What is doubled can leave something behind it that nobody can do any more.
            Err(stuck) if shop.is_without_dedupe() && stuck.is::<Stuck>() => Some(stuck),
            calm => calm.map(|()| None)?,
        };
        anyhow::Ok((refused, stuck))
    };
    let (refused, stuck) = tokio::select! {
        biased;
        ended = placed_and_calm => ended?,
        never = progress.show(|| producer.placed(), || plan.injected().values().sum()) => match never {},
    };
    progress.clear();
    let took = shop.counters().last().unwrap_or(started).duration_since(started);
    for (index, reason) in refused.into_iter().rev() {
        input.refuse(index, reason);
    }
    for rejected in &input.rejected {
        eprintln!("rejected: {rejected}");
    }
    let mut report = report(shop, input, took).await?;
    if let Some(stuck) = stuck {
        report.fail(format!("{stuck:#}"));
    }
    Ok(report)
}

async fn report(shop: &mut Shop, input: &Input, took: Duration) -> anyhow::Result<Report> {
    let orders = all_orders(shop.earlier(), &input.orders);
    let mut report = Report::of(&shop.certain_audit(&orders).await?);
    report.orders = orders.len() as u64;
    report.rejected = input.rejected.len() as u64;
    report.faults_injected = shop.faults_injected();
    for fault in shop.faults_missing() {
        report.fail(format!(
            "the fault {} was never injected: give it more orders",
            fault.name()
        ));
    }
    report.parked(shop.parked().await?);
    let mut handled = 0;
    for (name, counted, dead) in shop.consumers().await? {
        let consumer = report.consumers.entry(name).or_default();
        consumer.duplicates = Some(counted.duplicates);
        consumer.retries = Some(counted.retries);
        consumer.dead = dead;
        handled += counted.applied + counted.duplicates;
    }
    report.seconds = Some(took.as_secs_f64());
    report.events_per_second = Some(handled as f64 / took.as_secs_f64().max(0.001));
    report.rss_mb = resident();
    Ok(report)
}

/// The orders that are there and those that were to be placed, each id once: the one that was to be
/// placed.
pub(crate) fn all_orders(there: &BTreeMap<String, Order>, placed: &[Order]) -> Vec<Order> {
    let mut orders: BTreeMap<&str, &Order> = BTreeMap::new();
    for order in there.values().chain(placed) {
        orders.insert(&order.id, order);
    }
    orders.into_values().cloned().collect()
}

/// How many of the bundled orders are placed on AWS, where each costs something.
const FIRST: usize = 1_000;

/// Reads orders from a file, or takes those that are bundled; on AWS the first of them.
///
/// # Errors
/// It can't be read, or is no file of orders.
pub(crate) fn read_orders(file: Option<&Path>, aws: bool) -> Result<Input, ReadError> {
    let Some(file) = file else {
        let mut bundled = reader::parse(reader::BUNDLED.0, reader::BUNDLED.1)?;
        if aws {
            bundled.truncate(FIRST);
        }
        return Ok(bundled);
    };
    reader::read(file)
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let address = ("127.0.0.1", port);
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("can't listen on 127.0.0.1:{port}: is it in use? Try --serve=0"))
}

/// Leaves panics that the fault plan wills out of standard error; all others are written as always.
fn silence_planned_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<&str>();
        if !text.is_some_and(|text| text.starts_with("the fault plan's panic")) {
            before(panic);
        }
    }));
}

/// Resident memory in mebibytes, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes / 1024)
}

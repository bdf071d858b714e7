//! `shop audit`.

use std::io::Write;
use std::path::PathBuf;

use super::Process;
use crate::aws::{CERTAIN, LOOKS, watch};
use crate::dev::audit::{Audit, Found};
use crate::dev::{Report, all_orders};
use crate::{checkout, reader};

/// Waits until nothing is left to do, and looks whether every order has led to what it must, once.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditOptions {
    /// Orders that must have been placed, besides those that were: CSV with the header of orders.csv, or
    /// NDJSON; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,

    /// CDs in stock at first
    #[arg(long, value_name = "CDS", default_value_t = 14_000)]
    pub stock: u32,

    /// Don't wait: what isn't done yet counts as lost
    #[arg(long)]
    pub now: bool,

    /// End the output with the report as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Audits: the report goes to `out`. Says whether the audit holds.
///
/// # Errors
/// The orders can't be read, the account can't be reached, or something is left to do that nobody does.
pub async fn run(options: AuditOptions, out: &mut impl Write) -> anyhow::Result<bool> {
    let input = match &options.orders {
        Some(file) => reader::read(file)?,
        None => Default::default(),
    };
    let process = Process::open().await?;
    let Process {
        aws,
        deps,
        topology,
        post,
    } = &process;
    if !options.now {
        watch(aws, deps, topology, LOOKS, || 0).await?;
    }
    let look = async || {
        let orders = all_orders(&checkout::orders(&deps.dynamo).await?, &input.orders);
        let found = Found::read(&deps.dynamo, post).await?;
        anyhow::Ok((orders.len(), Audit::of(&orders, options.stock, &found)))
    };
    let (mut orders, mut audit) = look().await?;
    if !audit.is_final() && !options.now {
        watch(aws, deps, topology, CERTAIN, || 0).await?;
        (orders, audit) = look().await?;
    }
    let mut report = Report::of(&audit);
    report.orders = orders as u64;
    report.rejected = input.rejected.len() as u64;
    report.parked(deps.store.outbox_status().await?.parked);
    for counts in aws.counts(topology).await? {
        report.consumers.entry(counts.consumer).or_default().dead = counts.dead;
    }
    report.write(options.json, out)?;
    Ok(report.holds)
}

//! `shop worker`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fanfare::RouterService;
use fanfare_store::Mutation;
use fanfare_worker::{ConnectError, Worker};
use futures_util::future::try_join_all;

use super::{Process, stop_signal};
use crate::aws::deployed;
use crate::dev::{Counted, Counters};
use crate::relayed::relayed;
use crate::{CONSUMERS, inventory};

/// How long handlers have to end at a shutdown.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves consumers from their queues, until SIGTERM or Ctrl-C; then lets handlers finish.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Endpoint, region and credentials come from the AWS environment (AWS_PROFILE, AWS_REGION, \
                        AWS_ENDPOINT_URL, ...).\nSHOP_SMTP_URL=smtps://user:password@host sends the mails to \
                        that server, rather than into a table."
)]
pub struct WorkerOptions {
    /// The consumers
    #[arg(value_name = "CONSUMER", value_parser = clap::builder::PossibleValuesParser::new(CONSUMERS),
          required_unless_present = "all")]
    pub consumers: Vec<String>,

    /// Every consumer
    #[arg(long, conflicts_with = "consumers")]
    pub all: bool,

    /// How many messages each consumer handles at a time
    #[arg(long, value_name = "MESSAGES", default_value_t = 64)]
    pub concurrency: usize,

    /// How long a receive waits for messages, in seconds; a shutdown may have to wait for it
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=20))]
    pub poll: u64,

    /// Answer GET /livez and /readyz on this port, with several consumers on the next ports for the next
    /// ones; 0 takes free ports
    #[arg(long, value_name = "PORT")]
    pub health: Option<u16>,

    /// CDs that inventory puts on its shelves, if they aren't there yet
    #[arg(long, value_name = "CDS", default_value_t = 14_000)]
    pub stock: u32,

    /// Handle what comes twice twice, to see the audit fail
    #[arg(long)]
    pub no_dedupe: bool,
}

impl WorkerOptions {
    /// Those that are meant, each once.
    fn consumers(&self) -> Vec<&str> {
        if self.all {
            return CONSUMERS.to_vec();
        }
        let mut consumers: Vec<&str> = Vec::new();
        for name in &self.consumers {
            if !consumers.contains(&name.as_str()) {
                consumers.push(name);
            }
        }
        consumers
    }
}

/// Serves until it is told to stop.
///
/// # Errors
/// The account can't be reached, a queue or table isn't there, or a port is taken. Then it serves none
/// of its consumers.
pub async fn run(options: WorkerOptions) -> anyhow::Result<()> {
    let consumers = options.consumers();
    let mut process = Process::open().await?;
    if options.no_dedupe {
        tracing::warn!("what comes twice is handled twice");
        process.deps.store = process.deps.store.mutate(Mutation::NoDedupe);
    }
    if consumers.contains(&inventory::NAME) {
        inventory::fill_shelves(&process.deps.dynamo, options.stock)
            .await
            .context("can't put CDs on the shelves")?;
    }
    let relay = process.aws.relay(&process.deps, &process.topology);
    let mut services = deployed(&process.deps)?.services()?;
    services.retain(|service| consumers.contains(&service.consumer()));
    // In the order in which they are named, for their ports.
    services.sort_by_key(|service| consumers.iter().position(|name| *name == service.consumer()));
    let counters = Counters::default();
    let workers = services
        .into_iter()
        .map(|service| connect(&process, service, &options, &counters));
    let mut workers = try_join_all(workers).await?;
    if let Some(first) = options.health {
        // 0 takes any free one, for each.
        let port = |number| match first {
            0 => 0,
            first => first.saturating_add(number),
        };
        workers = workers
            .into_iter()
            .zip(0..)
            .map(|(worker, number)| worker.health(port(number)))
            .collect();
    }
    let stop = stop_signal();
    tracing::info!(
        consumers = consumers.join(","),
        account = process.aws.account().id(),
        region = process.aws.account().region(),
        "ready"
    );
    let served = try_join_all(workers.into_iter().map(|worker| worker.serve(stop.clone())));
    relayed(&relay, served).await?;
    for consumer in consumers {
        let Counted {
            applied,
            duplicates,
            retries,
            redelivered,
        } = counters.of(consumer);
        tracing::info!(consumer, applied, duplicates, retries, redelivered, "drained");
    }
    Ok(())
}

async fn connect(
    process: &Process,
    service: RouterService,
    options: &WorkerOptions,
    counters: &Counters,
) -> anyhow::Result<Worker> {
    let (config, account) = (process.aws.config(), process.aws.account());
    let worker = Worker::connect_in(config, account, &process.topology, service).await;
    let worker = worker.map_err(|error| match error {
        ConnectError::NoQueue { .. } => anyhow::Error::new(error).context("run `shop provision` first"),
        error => error.into(),
    })?;
    let counters = counters.clone();
    let inbox = Arc::new(process.deps.store.inbox());
    Ok(worker.configure(|host| {
        host.concurrency(options.concurrency)
            .poll(Duration::from_secs(options.poll))
            .drain(DRAIN)
            .completed(inbox)
            .observe(move |settled| counters.note(settled))
    }))
}

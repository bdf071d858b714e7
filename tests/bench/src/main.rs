//! Compares what takes messages from a queue: fanfare's worker, a plain loop of SDK calls, the crate
//! `ruststream-sqs-sns` and the npm package `sqs-consumer`, one after the other against one
//! `fanfare-local` on a socket, each in a process of its own, with the same handler.
//!
//! ```text
//! cargo run --release -- compare                       # all four, and their ratios
//! cargo run --release -- resident --messages 1000000   # the worker's memory while it goes on
//! cargo run --release -- drain                         # how long 64 messages in flight take to give back
//! cargo run --release -- functions --bootstrap PATH --python PATH     # the shop as a Lambda function
//! ```

mod compare;
mod consumed;
mod drain;
mod functions;
mod order;
mod ours;
mod plain_loop;
mod resident;
mod ruststream_peer;
mod server;

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_types::SdkConfig;
use clap::{Parser, Subcommand, ValueEnum};

use crate::order::Counter;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares all of them.
    Compare {
        #[arg(long, default_value_t = 100_000)]
        messages: u64,
        /// How often each has its turn; the best counts.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Shows the worker's resident memory every tenth of the messages.
    Resident {
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
    },
    /// Stops a worker with 64 messages in flight, and says how long it took.
    Drain,
    /// Starts functions, and says how long that takes, what memory they have, and how fast they are.
    Functions(functions::Options),
    /// One consumer, in the process of its own that the others start.
    #[command(hide = true)]
    Consume {
        who: Who,
        #[arg(long)]
        endpoint: String,
        #[arg(long)]
        messages: u64,
    },
    /// A worker whose handlers take five seconds, for `drain`.
    #[command(hide = true)]
    Slow {
        #[arg(long)]
        endpoint: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Who {
    /// fanfare's worker.
    Worker,
    /// A plain loop of SDK calls.
    Loop,
    /// The crate `ruststream-sqs-sns`.
    Ruststream,
    /// The npm package `sqs-consumer`.
    SqsConsumer,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match Cli::parse().command {
            Command::Compare { messages, rounds } => compare::run(messages, rounds).await,
            Command::Resident { messages } => resident::run(messages).await,
            Command::Functions(options) => functions::run(options).await,
            Command::Drain => drain::run().await,
            Command::Consume {
                who,
                endpoint,
                messages,
            } => consume(who, &endpoint, messages).await,
            Command::Slow { endpoint } => drain::slow(&config(&endpoint)).await,
        }
    })
}

async fn consume(who: Who, endpoint: &str, messages: u64) -> anyhow::Result<()> {
    let counter = Arc::new(Counter::new(messages));
    let config = config(endpoint);
    match who {
        Who::Worker => ours::consume(&config, counter).await,
        Who::Loop => {
            let client = aws_sdk_sqs::Client::new(&config);
            plain_loop::consume(client, server::queue_url(endpoint), counter).await
        }
        Who::Ruststream => ruststream_peer::consume(endpoint, counter).await,
        Who::SqsConsumer => anyhow::bail!("sqs-consumer is started by node"),
    }
}

/// What every Rust consumer starts from: the SDK's defaults, and where to.
fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .build()
}

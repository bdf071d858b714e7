//! The shop's binary: `shop dev` runs all of it, `shop worker` and its like are its processes on AWS, and
//! the rest is what every fanfare application has. Started by Lambda, it is a function.

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fanfare_cli::Application;
use shop::process::measured;
use shop::{dev, events, process, tables};
use tracing_subscriber::EnvFilter;

// A third of the time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A CD shop of services that know events and not one another
#[derive(Parser)]
#[command(name = "shop", version)]
enum Cli {
    Dev(dev::Options),
    Worker(process::WorkerOptions),
    /// Publishes what other processes have left in the outbox, until SIGTERM or Ctrl-C
    Relay,
    Api(process::ApiOptions),
    Place(process::PlaceOptions),
    Audit(process::AuditOptions),
    #[command(flatten)]
    Fanfare(fanfare_cli::Command),
}

/// How long what still runs in the background may keep the process at its end: a handler that blocks its
/// thread was left behind.
const BACKGROUND: Duration = Duration::from_secs(1);

/// What is logged of a process that runs on.
// The collector of metrics logs an error for each value of a histogram that it has no room for.
const SERVING: &str = "warn,shop=info,fanfare=info,fanfare_worker=info,fanfare_store=info,fanfare_lambda=info,\
                       metrics_cloudwatch_embedded=off";

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    if process::function::is_function() {
        log(SERVING);
        return runtime
            .block_on(process::function::run())
            .map(|()| ExitCode::SUCCESS);
    }
    let ended = runtime.block_on(run(Cli::parse()));
    runtime.shutdown_timeout(BACKGROUND);
    ended
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let usual = match cli {
        // What is tried again isn't worth a line here: RUST_LOG=warn shows it.
        Cli::Dev(_) | Cli::Place(_) | Cli::Audit(_) | Cli::Fanfare(_) => "error",
        Cli::Worker(_) | Cli::Relay | Cli::Api(_) => SERVING,
    };
    log(usual);
    let out = &mut stdout();
    let well = match cli {
        Cli::Dev(options) => dev::run(options, out).await?,
        Cli::Worker(options) => measured(process::worker(options)).await.map(|()| true)?,
        Cli::Relay => measured(process::relay()).await.map(|()| true)?,
        Cli::Api(options) => measured(process::api(options)).await.map(|()| true)?,
        Cli::Place(options) => process::place(options, out).await.map(|()| true)?,
        Cli::Audit(options) => process::audit(options, out).await?,
        Cli::Fanfare(command) => command.run(&application()?, out).await.map(|()| true)?,
    };
    Ok(match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Logs to standard error what RUST_LOG says, or else this.
fn log(usual: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual)))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}

/// What the shop consists of, its tables, and what its events look like.
fn application() -> anyhow::Result<Application> {
    let application = Application::new(dev::describe()?).tables(tables::described());
    Ok(events::describe(application))
}

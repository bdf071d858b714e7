//! The shop's binary: `shop dev` runs all of it, the rest is what every fanfare application has.

use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use shop::dev::{self, Options};
use tracing_subscriber::EnvFilter;

// A third of the time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A CD shop of services that know events and not one another
#[derive(Parser)]
#[command(name = "shop", version)]
enum Cli {
    Dev(Options),
    #[command(flatten)]
    Fanfare(fanfare_cli::Command),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // What is tried again isn't worth a line here: RUST_LOG=warn shows it.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match Cli::parse() {
        Cli::Dev(options) => match dev::run(options, &mut stdout()).await? {
            true => Ok(ExitCode::SUCCESS),
            false => Ok(ExitCode::FAILURE),
        },
        Cli::Fanfare(command) => {
            command.run(&dev::describe()?, &mut stdout())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

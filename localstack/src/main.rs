//! Local AWS on a socket of this machine.

use std::future::Future;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use fanfare::Clock;
use fanfare::memory::Broker;
use fanfare_local::{Dynamo, Local, serve};
use tokio::net::TcpListener;

/// What is said at the start and in the help.
const NOT_AWS: &str = "\
This is not AWS, and nothing to put in front of anybody: it has no authentication, no permissions and no \
encryption. Queues and topics and all that is in them live in memory and are gone when it ends; tables too, \
unless a folder is given. Topics deliver to queues only, and it has only one account and one region. What \
differs besides is told in the documentation of fanfare-local.";

/// SNS, SQS and DynamoDB on one port of this machine, for tests and development in any language.
///
/// Point clients at it with AWS_ENDPOINT_URL=http://127.0.0.1:4566, AWS_REGION=us-east-1 and any credentials.
#[derive(Parser)]
#[command(version, after_help = NOT_AWS)]
struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// A folder to keep the tables in; in memory without one.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// How often expired items are deleted.
const SWEEP: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing::Level::WARN.into())
                .from_env_lossy(),
        )
        .init();
    let dynamo = match &arguments.data {
        Some(folder) => Dynamo::file(folder)?,
        None => Dynamo::memory(Clock::system())?,
    };
    let local = Local::of(Broker::default(), dynamo.clone());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "can't listen on {address}: end what has the port, or take another with --port (0 takes a free one)"
        )
    })?;
    let shutdown = signal()?;
    println!("fanfare-local listens on http://{}", listener.local_addr()?);
    println!("{NOT_AWS}");
    let sweep = dynamo.sweep_expired_until(SWEEP, std::future::pending());
    tokio::select! {
        biased;
        () = serve(local, listener, shutdown) => {}
        () = sweep => {}
    }
    Ok(())
}

/// Resolves on SIGTERM or Ctrl-C.
#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix;
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves on Ctrl-C.
#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C can't be listened for");
            std::future::pending::<()>().await;
        }
    })
}

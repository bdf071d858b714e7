//! `shop api`.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use super::{Process, stop_signal};
use crate::http;

/// Serves the HTTP API (POST /orders, GET /orders/{id}), until SIGTERM or Ctrl-C
#[derive(Clone, Debug, clap::Args)]
pub struct ApiOptions {
    /// The address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// Serves until it is told to stop.
///
/// # Errors
/// The address is taken, the account can't be reached, or the table isn't there.
pub async fn run(options: ApiOptions) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("can't listen on {}: is it in use? Try --listen", options.listen))?;
    let process = Process::open().await?;
    let relay = process.aws.relay(&process.deps, &process.topology);
    let stop = stop_signal();
    tracing::info!(listens = %listener.local_addr()?, "ready");
    http::serve(listener, &process.deps, &relay, stop).await?;
    tracing::info!("drained");
    Ok(())
}

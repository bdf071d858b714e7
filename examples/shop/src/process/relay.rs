//! `shop relay`.

use fanfare_worker::shutdown_signal;

use super::Process;

/// Publishes what other processes have left in the outbox, until it is told to stop.
///
/// # Errors
/// The account can't be reached, or the table isn't there.
pub async fn run() -> anyhow::Result<()> {
    let process = Process::open().await?;
    let relay = process.aws.sweeper(&process.deps, &process.topology);
    tracing::info!(
        account = process.aws.account().id(),
        region = process.aws.account().region(),
        "ready"
    );
    relay.run(shutdown_signal()).await;
    tracing::info!("drained");
    Ok(())
}

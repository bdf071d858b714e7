//! `shop relay`.

use super::{Process, measured, stop_signal};

/// Publishes what other processes have left in the outbox, until it is told to stop. If it writes metrics, it
/// measures the outbox for all of them.
///
/// # Errors
/// The account can't be reached, or the table isn't there.
pub async fn run() -> anyhow::Result<()> {
    let process = Process::open().await?;
    let mut relay = process.aws.sweeper(&process.deps, &process.topology);
    if let Some(pause) = measured::pause()? {
        relay = relay.measure_every(pause);
    }
    let stop = stop_signal();
    tracing::info!(
        account = process.aws.account().id(),
        region = process.aws.account().region(),
        "ready"
    );
    relay.run(stop).await;
    tracing::info!("drained");
    Ok(())
}

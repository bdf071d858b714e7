//! When to stop.

/// Resolves when the process is told to stop: at SIGTERM, which ECS sends before it kills, or at
/// Ctrl-C. From its first poll on these signals no longer end the process by themselves.
///
/// ```no_run
/// # async fn run(worker: fanfare_worker::Worker) -> Result<(), fanfare_worker::ServeError> {
/// worker.serve(fanfare_worker::shutdown_signal()).await
/// # }
/// ```
pub async fn shutdown_signal() {
    tokio::select! {
        biased;
        () = terminate() => tracing::info!("told to stop, by SIGTERM"),
        () = interrupt() => tracing::info!("told to stop, by Ctrl-C"),
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => never(&error).await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        never(&error).await;
    }
}

async fn never(error: &std::io::Error) {
    tracing::error!(%error, "a signal to stop can't be waited for");
    std::future::pending().await
}

//! What a process measures, in its log.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, ensure};
use fanfare_lambda::Metrics;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

/// The environment variable with the seconds between two times that a process writes its metrics to standard
/// output, for CloudWatch to find them in its log; without it, it writes none. A function writes its own after
/// each invocation.
pub const METRICS: &str = "SHOP_METRICS";

/// The pause that [`METRICS`] gives.
pub(super) fn pause() -> anyhow::Result<Option<Duration>> {
    let Ok(seconds) = std::env::var(METRICS) else {
        return Ok(None);
    };
    let wrong = || format!("{METRICS}={seconds}: must be a number of seconds, such as 60");
    let number: u32 = seconds.parse().with_context(wrong)?;
    ensure!(number > 0, wrong());
    Ok(Some(Duration::from_secs(number.into())))
}

/// Serves, and writes what is measured meanwhile, if that is wanted.
///
/// # Errors
/// [`METRICS`] is set to something else than a number of seconds; and those of `serving`.
pub fn measured<'a>(
    serving: impl Future<Output = anyhow::Result<()>> + 'a,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    // What serves is large.
    let serving = serving.boxed_local();
    let measured = async {
        match pause()? {
            // Installed before anything is made that measures.
            Some(pause) => Metrics::install(crate::NAME)?.during(pause, serving).await,
            None => serving.await,
        }
    };
    measured.boxed_local()
}

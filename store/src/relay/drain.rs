//! Waiting until nothing is pending.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::run::persist;
use super::status::status;
use super::table::Table;
use super::{RelayError, Settings};

/// The first pause between two looks; it doubles up to that between sweeps.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until there is nothing left.
pub(super) async fn until_empty(
    table: Table<'_>,
    settings: Settings,
    progress: &AtomicU64,
) -> Result<(), RelayError> {
    let mut pause = PAUSE;
    let mut last = (progress.load(Ordering::Relaxed), u64::MAX);
    let mut since = Instant::now();
    loop {
        let status = persist(|| status(table)).await?;
        // The index lags behind; the table itself doesn't.
        if status.pending == 0 && !persist(|| table.is_anything_pending()).await? {
            return Ok(());
        }
        let now = (progress.load(Ordering::Relaxed), status.pending);
        if now.0 != last.0 || now.1 < last.1 {
            since = Instant::now();
        } else if since.elapsed() >= settings.patience {
            return Err(RelayError::Stalled {
                pending: status.pending,
                oldest: status.oldest_unsent.unwrap_or_default(),
                patience: settings.patience,
            });
        }
        last = now;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(settings.sweep_every);
    }
}

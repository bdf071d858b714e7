//! The metrics of a function, as lines of its log.
//!
//! A function is frozen between invocations, so that nobody can ask it for its metrics and no exporter can
//! send them in the background. CloudWatch reads them from standard output instead, in its embedded metric
//! format, and they cost no call. A task on ECS, whose log goes there too, does the same every minute.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::metric;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};

/// How many tries are measured between two lines: the collector keeps 100 values of a metric at most, and
/// CloudWatch takes no more in a line.
const TRIES: usize = 64;

/// The metrics of [`fanfare::metric`], written to standard output in CloudWatch's embedded metric format:
/// one line for each set of labels after each invocation, and within one that handles many records. In a
/// process that isn't frozen, such as a task on ECS, [`during`](Self::during) writes them every so often.
///
/// Every set of labels becomes a metric that CloudWatch charges for.
///
/// ```
/// use fanfare_lambda::Metrics;
///
/// let metrics = Metrics::install("shop")?;
/// metrics::counter!("orders.placed", "channel" => "shop").increment(1);
/// metrics.flush(); // as a function does at the end of each invocation
/// # Ok::<(), fanfare_lambda::MetricsError>(())
/// ```
#[derive(Clone)]
pub struct Metrics {
    collector: &'static Collector,
    tries: Arc<AtomicUsize>,
}

/// The metrics can't be collected.
///
/// ```
/// use fanfare_lambda::Metrics;
///
/// let _first = Metrics::install("shop").expect("there is no recorder yet");
/// let error = Metrics::install("shop").expect_err("there is one");
/// assert!(error.to_string().contains("recorder"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics can't be collected: another recorder of the crate `metrics` is installed already; install one"
)]
pub struct MetricsError {
    source: metrics_cloudwatch_embedded::Error,
}

impl Metrics {
    /// Becomes the process's recorder of the crate `metrics`, under this namespace of CloudWatch. Once a
    /// process, before the function is made.
    ///
    /// # Errors
    /// There is a recorder already.
    pub fn install(namespace: impl Into<String>) -> Result<Self, MetricsError> {
        let builder = Builder::new().cloudwatch_namespace(namespace.into());
        let collector = builder.init().map_err(|source| MetricsError { source })?;
        describe();
        Ok(Self {
            collector,
            tries: Arc::default(),
        })
    }

    /// Writes what was measured since the last time.
    pub fn flush(&self) {
        self.tries.store(0, Ordering::Relaxed);
        if let Err(error) = self.collector.flush(io::stdout().lock()) {
            tracing::warn!(%error, "the metrics could not be written to standard output");
        }
    }

    /// Writes every `pause` what was measured since the last time, while `serving` runs, and once more when
    /// it has ended: for a process that is no function. CloudWatch shows minutes, so that a minute is a good
    /// pause.
    ///
    /// Of a histogram the first 100 values of each pause are kept, counters count all. The collector logs
    /// an error for each value beyond: `metrics_cloudwatch_embedded=off` in the log's filter spares that.
    ///
    /// Dropping the future drops `serving`, and what wasn't written yet.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), fanfare_lambda::MetricsError> {
    /// use std::time::Duration;
    /// use fanfare_lambda::Metrics;
    ///
    /// let serving = async { metrics::counter!("orders.placed").increment(1) };
    /// Metrics::install("shop")?.during(Duration::from_secs(60), serving).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn during<T>(&self, pause: Duration, serving: impl Future<Output = T>) -> T {
        let mut serving = pin!(serving);
        loop {
            let ended = tokio::time::timeout(pause, &mut serving).await;
            self.flush();
            if let Ok(ended) = ended {
                return ended;
            }
        }
    }

    /// A record was tried: each is measured once.
    pub(crate) fn tried(&self) {
        if self.tries.fetch_add(1, Ordering::Relaxed) + 1 >= TRIES {
            self.flush();
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn describe() {
    for name in [metric::OPERATION_DURATION, metric::PROCESS_DURATION, metric::AGE] {
        describe_histogram!(name, Unit::Seconds, "");
    }
    for name in [metric::RECEIVE_COUNT, metric::BATCH_ENTRIES] {
        describe_histogram!(name, Unit::Count, "");
    }
    for name in [
        metric::CONSUMED,
        metric::SENT,
        metric::HANDLED,
        metric::LOST,
        metric::SETTLE_FAILURES,
        metric::PUBLISH_RETRIES,
        metric::OUTBOX_PUBLISHED,
        metric::OUTBOX_FAILURES,
    ] {
        describe_counter!(name, Unit::Count, "");
    }
    for name in [metric::IN_FLIGHT, metric::OUTBOX_PENDING, metric::OUTBOX_PARKED] {
        describe_gauge!(name, Unit::Count, "");
    }
    describe_gauge!(metric::OUTBOX_OLDEST, Unit::Seconds, "");
}

//! Where a consumer runs, and how it is set up where that is a Lambda function.

use std::time::Duration;

use serde::Serialize;

use super::{QueueSettings, ServiceSettings};
use crate::wiring::WiringError;

/// Where a consumer runs.
///
/// ```
/// use fanfare::Router;
/// use fanfare::topology::{FunctionSettings, Hosting, ServiceSettings};
/// assert_eq!(Router::new("billing").hosting(), &Hosting::Service(ServiceSettings::default()));
///
/// let billing = Router::new("billing").function(FunctionSettings::default().memory_mb(512));
/// let Hosting::Function(settings) = billing.hosting() else { panic!("a function") };
/// assert_eq!(settings.memory_mb, 512);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hosting {
    /// As a service that polls its queue, on ECS.
    Service(ServiceSettings),
    /// As a Lambda function behind an event-source mapping.
    Function(FunctionSettings),
}

impl Default for Hosting {
    fn default() -> Self {
        Self::Service(ServiceSettings::default())
    }
}

/// How many pollers Lambda keeps for a mapping (provisioned mode): each has ten invocations under way at
/// most.
///
/// ```
/// use fanfare::topology::{FunctionSettings, Pollers};
/// let settings = FunctionSettings::default().provisioned_pollers(2, 20);
/// assert_eq!(settings.provisioned_pollers.map(|Pollers { max, .. }| max), Some(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pollers {
    /// The fewest: 2 to 200.
    pub min: u32,
    /// The most: `min` to 10,000.
    pub max: u32,
}

/// How a consumer's Lambda function is set up, and the mapping from its queue to it.
///
/// An [`App`](crate::App) refuses what Lambda doesn't take, and what would lose messages by its
/// settings alone: the queue's visibility timeout must be at least six times the function's timeout
/// and the window besides, and on FIFO the queue's `max_receives` at least `batch` times `attempts`.
///
/// ```
/// use std::time::Duration;
/// use fanfare::topology::FunctionSettings;
/// let settings = FunctionSettings::default().timeout(Duration::from_secs(10)).batch(5);
/// assert_eq!((settings.batch, settings.memory_mb, settings.attempts), (5, 256, 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FunctionSettings {
    /// How long one invocation may take: 3 to 900 whole seconds, 30 s by default. Nothing is started in
    /// its last two.
    pub timeout: Duration,
    /// Its memory in MB, which its share of a CPU goes by: 128 to 10,240, 256 by default.
    pub memory_mb: u32,
    /// How many messages an invocation gets at most, 10 by default: on a standard queue 1 to 10,000
    /// (more than 10 need a window of a second), on FIFO 1 to 10.
    pub batch: usize,
    /// How long the mapping gathers messages into a batch: 0 to 300 whole seconds, none by default.
    /// Not on FIFO.
    pub window: Duration,
    /// How many invocations the mapping has under way at most: 2 to 1,000, or as many as the account
    /// has room for.
    pub maximum_concurrency: Option<u32>,
    /// How many pollers the mapping keeps, instead of a maximum concurrency; as many as Lambda sees fit by
    /// default.
    pub provisioned_pollers: Option<Pollers>,
    /// FIFO only: how often a message is tried before it becomes a dead letter; 3 by default. There
    /// receive counts say little: a message is received, and counted, with each failure of another
    /// one ahead of it in its batch.
    pub attempts: u32,
}

impl Default for FunctionSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            memory_mb: 256,
            batch: 10,
            window: Duration::ZERO,
            maximum_concurrency: None,
            provisioned_pollers: None,
            attempts: 3,
        }
    }
}

impl FunctionSettings {
    /// Sets how long one invocation may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets its memory, in MB.
    #[must_use]
    pub fn memory_mb(mut self, memory: u32) -> Self {
        self.memory_mb = memory;
        self
    }

    /// Sets how many messages an invocation gets at most.
    #[must_use]
    pub fn batch(mut self, messages: usize) -> Self {
        self.batch = messages;
        self
    }

    /// Sets how long the mapping gathers messages into a batch.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how many invocations the mapping has under way at most.
    #[must_use]
    pub fn maximum_concurrency(mut self, invocations: u32) -> Self {
        self.maximum_concurrency = Some(invocations);
        self
    }

    /// Sets how many pollers the mapping keeps, at least and at most.
    #[must_use]
    pub fn provisioned_pollers(mut self, min: u32, max: u32) -> Self {
        self.provisioned_pollers = Some(Pollers { min, max });
        self
    }

    /// Sets how often a message of a FIFO queue is tried before it becomes a dead letter.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// What is wrong with it for this consumer on such a queue.
    pub(super) fn check(&self, consumer: &str, fifo: bool, queue: &QueueSettings) -> Vec<WiringError> {
        self.ranges(consumer, fifo)
            .chain(self.beside(consumer, fifo, queue))
            .collect()
    }

    /// What Lambda wouldn't take.
    fn ranges(&self, consumer: &str, fifo: bool) -> impl Iterator<Item = WiringError> {
        let whole = |time: Duration, least, most| {
            time.subsec_nanos() == 0 && (least..=most).contains(&time.as_secs())
        };
        let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
        let invocations = self.maximum_concurrency.unwrap_or(2);
        let Pollers { min, max } = self.provisioned_pollers.unwrap_or(Pollers { min: 2, max: 2 });
        let (most, batches) = match fifo {
            true => (10, "1 to 10 from a FIFO queue"),
            false => (10_000, "1 to 10000"),
        };
        let (longest, windows) = match fifo {
            true => (0, "none on a FIFO queue, so 0 s"),
            false => (300, "0 to 300 whole seconds"),
        };
        let settings = [
            (
                "timeout",
                whole(self.timeout, 1, 900),
                seconds(self.timeout),
                "1 to 900 whole seconds",
            ),
            (
                "memory",
                (128..=10_240).contains(&self.memory_mb),
                format!("{} MB", self.memory_mb),
                "128 to 10240 MB",
            ),
            (
                "batch",
                (1..=most).contains(&self.batch),
                self.batch.to_string(),
                batches,
            ),
            (
                "window",
                whole(self.window, 0, longest),
                seconds(self.window),
                windows,
            ),
            (
                "maximum_concurrency",
                (2..=1000).contains(&invocations),
                invocations.to_string(),
                "2 to 1000",
            ),
            (
                "count of provisioned pollers",
                (2..=200).contains(&min) && (min..=10_000).contains(&max),
                format!("{min} to {max}"),
                "2 to 200 at least, and up to 10000 at most",
            ),
        ];
        let consumer = consumer.to_owned();
        settings
            .into_iter()
            .filter(|(_, fits, _, _)| !fits)
            .map(
                move |(setting, _, value, range)| WiringError::FunctionOutOfRange {
                    consumer: consumer.clone(),
                    setting,
                    value,
                    range,
                },
            )
    }

    /// What fits alone, but not beside other settings.
    fn beside(&self, consumer: &str, fifo: bool, queue: &QueueSettings) -> impl Iterator<Item = WiringError> {
        let consumer = || consumer.to_owned();
        let unwindowed = || WiringError::BatchWithoutWindow {
            consumer: consumer(),
            batch: self.batch,
            window: self.window,
        };
        let needed = self.timeout.saturating_mul(6).saturating_add(self.window);
        let hidden = || WiringError::VisibilityTooShort {
            consumer: consumer(),
            visibility_timeout: queue.visibility_timeout,
            timeout: self.timeout,
            window: self.window,
            needed,
        };
        let both = || {
            self.provisioned_pollers?;
            Some(WiringError::ConcurrencyWithPollers {
                consumer: consumer(),
                maximum_concurrency: self.maximum_concurrency?,
            })
        };
        let short = || WiringError::TimeoutTooShort {
            consumer: consumer(),
            timeout: self.timeout,
        };
        let untried = || WiringError::NoAttempts { consumer: consumer() };
        // Saturated, it is more than any queue takes, and refused as such.
        let batch = u32::try_from(self.batch).unwrap_or(u32::MAX);
        let receives = batch.saturating_mul(self.attempts);
        let few = || WiringError::TooFewReceives {
            consumer: consumer(),
            max_receives: queue.max_receives,
            batch: self.batch,
            attempts: self.attempts,
            needed: receives,
        };
        let second = Duration::from_secs(1);
        [
            // What is under a second, Lambda refuses.
            (second..3 * second).contains(&self.timeout).then(short),
            (!fifo && self.batch > 10 && self.window < second).then(unwindowed),
            (queue.visibility_timeout < needed).then(hidden),
            both(),
            (fifo && self.attempts == 0).then(untried),
            (fifo && queue.max_receives < receives).then(few),
        ]
        .into_iter()
        .flatten()
    }
}

//! How topics, queues and subscriptions are set up, within AWS's limits.

use std::time::Duration;

use super::BrokerError;
use crate::memory::FilterPolicy;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time that a message stays invisible after a receive.
pub(super) const VISIBILITY_LIMIT: Duration = Duration::from_secs(12 * 60 * 60);
/// The longest wait of a receive.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(20);
/// The longest delay of a message.
pub(super) const DELAY_LIMIT: Duration = Duration::from_secs(15 * 60);
/// The most bytes that a topic or queue can take at once, and what a queue takes by default.
pub(super) const SIZE_LIMIT: usize = 1024 * 1024;

/// How a queue is set up; the defaults are those of SQS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a received message is hidden, unless the receive says otherwise: 0 s to 12 h, 30 s
    /// by default.
    pub visibility_timeout: Duration,
    /// How long a message is kept: 60 s to 14 days, 4 days by default.
    pub retention: Duration,
    /// How long a new message is hidden, unless it says otherwise: 0 s to 15 min, 0 by default.
    pub delay: Duration,
    /// How long a receive waits, unless it says otherwise: 0 to 20 s, 0 by default.
    pub receive_wait: Duration,
    /// The most bytes of body and attributes: 1 KiB to 1 MiB, 1 MiB by default.
    pub maximum_size: usize,
    /// Where messages go that are received too often.
    pub redrive: Option<Redrive>,
    /// Which queues may have this one as their dead-letter queue; all by default.
    pub redrive_allow: RedriveAllow,
    /// FIFO: whether a message without a deduplication id is deduplicated by its body.
    pub content_based_deduplication: bool,
    /// FIFO: whether a deduplication id counts within its group rather than the queue.
    pub deduplicate_by_group: bool,
}

/// When a queue gives a message up, and where it goes then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's name; it must exist, and be FIFO if the queue is.
    pub dead_letter_queue: String,
    /// How often a message can be received, 1 to 1000; the receive after that moves it.
    pub max_receive_count: u32,
}

/// Which queues may have a queue as their dead-letter queue. (A subscription's dead letters are not
/// asked about.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedriveAllow {
    /// All.
    #[default]
    All,
    /// None.
    Nobody,
    /// Those of these names, 1 to 10.
    Queues(Vec<String>),
}

/// How a topic is set up; the defaults are those of SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// The most bytes of body and attributes: 1 KiB to 1 MiB, 256 KiB by default.
    pub maximum_size: usize,
    /// FIFO: whether a message without a deduplication id is deduplicated by its body.
    pub content_based_deduplication: bool,
    /// FIFO: whether a deduplication id counts within its group rather than the topic.
    pub deduplicate_by_group: bool,
}

/// What of a topic's messages comes to a queue, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionSettings {
    /// Which messages; all without one.
    pub filter: Option<FilterPolicy>,
    /// Whether the body and attributes come as they were published (by default, other than in SNS)
    /// rather than within SNS's notification JSON.
    pub raw: bool,
    /// The queue for messages that can't be delivered; without one they are dropped and counted.
    pub dead_letter_queue: Option<String>,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            visibility_timeout: Duration::from_secs(30),
            retention: 4 * DAY,
            delay: Duration::ZERO,
            receive_wait: Duration::ZERO,
            maximum_size: SIZE_LIMIT,
            redrive: None,
            redrive_allow: RedriveAllow::default(),
            content_based_deduplication: false,
            deduplicate_by_group: false,
        }
    }
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            maximum_size: 256 * 1024,
            content_based_deduplication: false,
            deduplicate_by_group: false,
        }
    }
}

impl Default for SubscriptionSettings {
    fn default() -> Self {
        Self {
            filter: None,
            raw: true,
            dead_letter_queue: None,
        }
    }
}

impl QueueSettings {
    pub(super) fn check(&self, queue: &str) -> Result<(), BrokerError> {
        let setting = |setting, value: String, expected, fits: bool| match fits {
            true => Ok(()),
            false => Err(BrokerError::Setting {
                of: queue.to_owned(),
                setting,
                value,
                expected,
            }),
        };
        let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
        let Self {
            visibility_timeout,
            retention,
            delay,
            receive_wait,
            ..
        } = *self;
        setting(
            "visibility timeout",
            seconds(visibility_timeout),
            "0 s to 12 h",
            visibility_timeout <= VISIBILITY_LIMIT,
        )?;
        setting(
            "retention",
            seconds(retention),
            "60 s to 14 days",
            (Duration::from_secs(60)..=14 * DAY).contains(&retention),
        )?;
        setting("delay", seconds(delay), "0 s to 15 min", delay <= DELAY_LIMIT)?;
        setting(
            "receive wait",
            seconds(receive_wait),
            "0 s to 20 s",
            receive_wait <= WAIT_LIMIT,
        )?;
        size(queue, self.maximum_size)?;
        if let RedriveAllow::Queues(sources) = &self.redrive_allow {
            setting(
                "number of source queues",
                sources.len().to_string(),
                "1 to 10",
                (1..=10).contains(&sources.len()),
            )?;
        }
        match &self.redrive {
            Some(redrive) => setting(
                "maximum receive count",
                redrive.max_receive_count.to_string(),
                "1 to 1000",
                (1..=1000).contains(&redrive.max_receive_count),
            ),
            None => Ok(()),
        }
    }
}

impl TopicSettings {
    pub(super) fn check(&self, topic: &str) -> Result<(), BrokerError> {
        size(topic, self.maximum_size)
    }
}

fn size(of: &str, size: usize) -> Result<(), BrokerError> {
    if (1024..=SIZE_LIMIT).contains(&size) {
        return Ok(());
    }
    let value = format!("{size} bytes");
    let expected = "1 KiB to 1 MiB";
    Err(BrokerError::Setting {
        of: of.to_owned(),
        setting: "maximum size",
        value,
        expected,
    })
}

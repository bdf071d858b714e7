//! What is sent, and what comes out.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::BrokerError;
use crate::Attributes;

/// A message to be published or sent.
///
/// ```
/// use fanfare::memory::Entry;
/// let entry = Entry { group: Some("account-1".into()), ..Entry::new("{}") };
/// assert_eq!(entry.body, "{}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The body.
    pub body: String,
    /// The attributes; at most 10 reach a queue.
    pub attributes: Attributes,
    /// The message group: needed on FIFO, the tenant on standard.
    pub group: Option<String>,
    /// FIFO: messages with the same id within 5 minutes are one.
    pub deduplication_id: Option<String>,
    /// To a queue: how long the message is hidden at first, 0 s to 15 min; not on FIFO.
    pub delay: Option<Duration>,
    /// To a topic: the notification's subject; raw delivery drops it.
    pub subject: Option<String>,
    /// The X-Ray trace header, which counts for no limit.
    pub trace_header: Option<String>,
}

impl Entry {
    /// A message with this body and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }
}

/// What became of an entry that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The message's id; the first one's for a duplicate.
    pub message_id: String,
    /// FIFO: its place in the order, growing and with gaps.
    pub sequence_number: Option<u64>,
    /// FIFO: whether it is a duplicate, so that nothing was added.
    pub duplicate: bool,
}

/// What to receive, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receive {
    /// The most messages, 1 to 10.
    pub max: usize,
    /// How long to wait for the first one, up to 20 s; the queue's setting without one.
    pub wait: Option<Duration>,
    /// How long they are hidden, up to 12 h; the queue's setting without one.
    pub visibility_timeout: Option<Duration>,
}

impl Default for Receive {
    /// One message, with the queue's settings.
    fn default() -> Self {
        Self {
            max: 1,
            wait: None,
            visibility_timeout: None,
        }
    }
}

/// What one receive of a message is deleted or released by. Good until the next receive of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(super) message: u64,
    pub(super) receive: u64,
}

impl fmt::Display for Receipt {
    /// The receipt as text; [`FromStr`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.message, self.receive)
    }
}

impl FromStr for Receipt {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        let part = |range| {
            text.get(range)
                .and_then(|part| u64::from_str_radix(part, 16).ok())
        };
        match (text.len(), part(0..16), part(16..32)) {
            (32, Some(message), Some(receive)) => Ok(Self { message, receive }),
            _ => Err(BrokerError::Name {
                what: "a receive",
                name: text.to_owned(),
                expected: "a receipt as the queue gave it",
            }),
        }
    }
}

/// A message as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedMessage {
    /// Its id.
    pub id: String,
    /// The receipt of this receive.
    pub receipt: Receipt,
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: Attributes,
    /// How often it was received, in all queues it was in.
    pub receive_count: u32,
    /// When it was sent; a standard queue's dead letters keep it.
    pub sent_at: SystemTime,
    /// When it was received first.
    pub first_received_at: SystemTime,
    /// Its message group.
    pub group: Option<String>,
    /// FIFO: what it is deduplicated by.
    pub deduplication_id: Option<String>,
    /// FIFO: its place in the order.
    pub sequence_number: Option<u64>,
    /// In a dead-letter queue: the queue that gave it up.
    pub dead_letter_source: Option<String>,
    /// The X-Ray trace header.
    pub trace_header: Option<String>,
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Ready to be received; on FIFO also those behind another one of their group.
    pub visible: usize,
    /// Received and not settled.
    pub in_flight: usize,
    /// Not yet shown.
    pub delayed: usize,
    /// In its dead-letter queue, in whatever state.
    pub dead: usize,
    /// Dropped so far because their retention was over.
    pub expired: u64,
}

impl Counts {
    /// All that are in the queue itself.
    pub fn total(&self) -> usize {
        self.visible + self.in_flight + self.delayed
    }
}

//! A message as it lies in a queue, before anything is known of what is in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Envelope, Lost};

/// The value of a message attribute, of one of the types that SNS and SQS carry.
///
/// ```
/// use fanfare::Attribute;
///
/// let attribute = Attribute::string("order.placed");
/// assert_eq!(attribute.text(), Some("order.placed"));
/// assert_eq!(attribute.data_type(), "String");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Data type `String`, or an application's own such as `String.Array`.
    Text {
        /// The data type on the wire: `String`, `Number`, `String.Array`, ...
        data_type: String,
        /// The value, never empty on AWS.
        value: String,
    },
    /// Data type `Binary`.
    Binary {
        /// The value as bytes; it travels as base64.
        value: Vec<u8>,
    },
}

impl Attribute {
    /// An attribute of type `String`.
    pub fn string(value: impl Into<String>) -> Self {
        Self::Text {
            data_type: "String".into(),
            value: value.into(),
        }
    }

    /// An attribute of type `Number`; SNS compares it as a number.
    pub fn number(value: impl std::fmt::Display) -> Self {
        Self::Text {
            data_type: "Number".into(),
            value: value.to_string(),
        }
    }

    /// An attribute of type `String.Array`: a JSON array of strings, numbers, booleans and nulls.
    pub fn array(json: impl Into<String>) -> Self {
        Self::Text {
            data_type: "String.Array".into(),
            value: json.into(),
        }
    }

    /// The data type as it is written on the wire.
    pub fn data_type(&self) -> &str {
        match self {
            Self::Text { data_type, .. } => data_type,
            Self::Binary { .. } => "Binary",
        }
    }

    /// The value as text, or nothing when it is binary.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { value, .. } => Some(value),
            Self::Binary { .. } => None,
        }
    }

    /// Bytes that the attribute counts for in SNS's and SQS's size limits, without its name: the
    /// data type and the value (for binary the raw bytes).
    pub fn size(&self) -> usize {
        match self {
            Self::Text { data_type, value } => data_type.len() + value.len(),
            Self::Binary { value } => "Binary".len() + value.len(),
        }
    }
}

/// The attributes of a message, by name. Sorted, so that what is made from them is repeatable.
///
/// ```
/// use fanfare::{Attribute, Attributes};
/// let attributes = Attributes::from([("type".to_owned(), Attribute::string("order.placed"))]);
/// assert_eq!(attributes["type"].text(), Some("order.placed"));
/// ```
pub type Attributes = BTreeMap<String, Attribute>;

/// Bytes that count against a topic's or queue's limit: the body and every attribute's name, type
/// and value, in UTF-8 (SQS `SendMessage`, SNS `Publish`).
///
/// ```
/// use fanfare::{Attribute, Attributes, wire_size};
///
/// let attributes = Attributes::from([("type".to_owned(), Attribute::string("a.b"))]);
/// assert_eq!(wire_size("né", &attributes), 3 + 4 + 6 + 3); // é is two bytes
/// ```
pub fn wire_size(body: &str, attributes: &Attributes) -> usize {
    body.len()
        + attributes
            .iter()
            .map(|(name, value)| name.len() + value.size())
            .sum::<usize>()
}

/// A message that a host received from a queue.
///
/// It is what a host gives to a [`RouterService`](crate::RouterService), which alone looks into the
/// body.
///
/// ```
/// use fanfare::Message;
/// let third_time = Message { receive_count: 3, ..Message::new("{}") };
/// assert_eq!(third_time.attributes.len(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Message {
    /// The queue's own id of the message. It changes with a redrive and differs between two copies
    /// of one event: never a key to deduplicate by.
    pub id: String,
    /// The body as sent; never in a log at the default level.
    pub body: String,
    /// The message's attributes.
    pub attributes: Attributes,
    /// How often the message was received, this time included; 1 at first.
    pub receive_count: u32,
    /// When it was sent to this queue. A redrive starts it anew.
    pub sent_at: SystemTime,
    /// The message group: its order on FIFO, its tenant on a standard queue.
    pub group: Option<String>,
    /// The name of the queue it came from, for spans and reasons.
    pub queue: Arc<str>,
    /// Resolves when the host lost its hold on the message.
    pub lost: Lost,
    /// What the body holds, once a router has read it; a host leaves it out. For tower layers.
    pub envelope: Option<Envelope>,
}

impl Message {
    /// A message with this body, as if received for the first time just now: for tests of a router
    /// without a host.
    ///
    /// ```
    /// let message = fanfare::Message::new("{}");
    /// assert_eq!(message.receive_count, 1);
    /// ```
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            id: uuid::Uuid::nil().to_string(),
            body: body.into(),
            attributes: Attributes::new(),
            receive_count: 1,
            sent_at: SystemTime::now(),
            group: None,
            queue: "test".into(),
            lost: Lost::never(),
            envelope: None,
        }
    }
}

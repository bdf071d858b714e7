//! Messages and attributes between the SDK and fanfare.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName};
use fanfare::port::Received;
use fanfare::{Attribute, Attributes, Lost, Message};

/// What identifies one receive of one message on SQS, and what its copy has to carry besides.
#[derive(Clone, Debug)]
pub struct SqsReceipt {
    pub(crate) handle: Arc<str>,
    pub(crate) carried: Option<Arc<Carried>>,
}

/// What a dead letter keeps of a message beyond what handlers see.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// The X-Ray trace header.
    pub(crate) trace: Option<String>,
    /// The ARN of the queue that a dead letter was moved from.
    pub(crate) source: Option<String>,
    /// Data types such as `Binary.gif`, by attribute.
    pub(crate) types: BTreeMap<String, String>,
}

impl SqsReceipt {
    /// SQS's receipt handle.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// The ARN of the queue that moved this message to its dead letters, if it is such a one and SQS
    /// itself moved it.
    pub fn dead_letter_source(&self) -> Option<&str> {
        self.carried.as_ref()?.source.as_deref()
    }
}

/// The system attributes that a receive asks for.
pub(crate) fn asked() -> Vec<MessageSystemAttributeName> {
    vec![
        MessageSystemAttributeName::ApproximateReceiveCount,
        MessageSystemAttributeName::SentTimestamp,
        MessageSystemAttributeName::MessageGroupId,
        MessageSystemAttributeName::MessageDeduplicationId,
        MessageSystemAttributeName::AwsTraceHeader,
        MessageSystemAttributeName::DeadLetterQueueSourceArn,
    ]
}

/// A message that was received from the queue of this name; nothing without its id or receipt, which SQS
/// never leaves out. For those that somebody else has received, such as a mapping of Lambda.
///
/// ```
/// use aws_sdk_sqs::types::Message;
///
/// let message = Message::builder().message_id("1").receipt_handle("AQEB").body("order 17").build();
/// let received = fanfare_worker::received(message, &"shop-billing".into()).expect("it has both");
/// assert_eq!(received.message.body, "order 17");
/// assert_eq!(received.receipt.handle(), "AQEB");
/// ```
pub fn received(message: SqsMessage, queue: &Arc<str>) -> Option<Received<SqsReceipt>> {
    let mut system = message.attributes.unwrap_or_default();
    let number = |value: Option<String>| value.and_then(|value| value.parse::<u64>().ok());
    let count = number(system.remove(&MessageSystemAttributeName::ApproximateReceiveCount));
    let sent = number(system.remove(&MessageSystemAttributeName::SentTimestamp));
    let sent = sent.and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    let (attributes, types) = attributes(message.message_attributes.unwrap_or_default());
    let carried = Carried {
        trace: system.remove(&MessageSystemAttributeName::AwsTraceHeader),
        source: system.remove(&MessageSystemAttributeName::DeadLetterQueueSourceArn),
        types,
    };
    let any = carried.trace.is_some() || carried.source.is_some() || !carried.types.is_empty();
    Some(Received {
        message: Message {
            id: message.message_id?,
            body: message.body.unwrap_or_default(),
            attributes,
            receive_count: u32::try_from(count.unwrap_or(1)).unwrap_or(u32::MAX).max(1),
            sent_at: sent.unwrap_or(SystemTime::UNIX_EPOCH),
            group: system.remove(&MessageSystemAttributeName::MessageGroupId),
            queue: Arc::clone(queue),
            lost: Lost::never(),
            envelope: None,
        },
        receipt: SqsReceipt {
            handle: message.receipt_handle?.into(),
            carried: any.then(|| Arc::new(carried)),
        },
    })
}

fn attributes(values: HashMap<String, MessageAttributeValue>) -> (Attributes, BTreeMap<String, String>) {
    let mut types = BTreeMap::new();
    let attribute = |(name, value): (String, MessageAttributeValue)| {
        let attribute = match value.binary_value {
            Some(blob) => {
                if value.data_type != "Binary" {
                    types.insert(name.clone(), value.data_type);
                }
                Attribute::Binary {
                    value: blob.into_inner(),
                }
            }
            None => Attribute::Text {
                data_type: value.data_type,
                value: value.string_value.unwrap_or_default(),
            },
        };
        (name, attribute)
    };
    let attributes = values.into_iter().map(attribute).collect();
    (attributes, types)
}

/// Attributes for a copy, with the data types that the original has.
pub(crate) fn values(
    attributes: Attributes,
    carried: Option<&Carried>,
) -> HashMap<String, MessageAttributeValue> {
    let value = |(name, attribute): (String, Attribute)| {
        let own = carried.and_then(|carried| carried.types.get(&name));
        let builder = match attribute {
            Attribute::Text { data_type, value } => MessageAttributeValue::builder()
                .data_type(data_type)
                .string_value(value),
            Attribute::Binary { value } => MessageAttributeValue::builder()
                .data_type(own.map_or("Binary", String::as_str))
                .binary_value(Blob::new(value)),
        };
        // The one field it needs is set.
        Some((name, builder.build().ok()?))
    };
    attributes.into_iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_copy_has_the_attributes_and_data_types_of_its_message() {
        let text = |ty: &str, value: &str| {
            let value = MessageAttributeValue::builder().data_type(ty).string_value(value);
            value.build().unwrap()
        };
        let binary = |ty: &str| {
            let value = MessageAttributeValue::builder()
                .data_type(ty)
                .binary_value(Blob::new([0, 255]));
            value.build().unwrap()
        };
        let values = HashMap::from([
            ("type".to_owned(), text("String", "order.placed")),
            ("version".to_owned(), text("Number.int", "2")),
            ("raw".to_owned(), binary("Binary")),
            ("picture".to_owned(), binary("Binary.gif")),
        ]);
        let message = SqsMessage::builder()
            .message_id("1")
            .receipt_handle("AQEB")
            .body("{}")
            .set_message_attributes(Some(values.clone()))
            .build();
        let received = received(message, &"q".into()).unwrap();
        let carried = received.receipt.carried.as_deref();
        assert_eq!(super::values(received.message.attributes, carried), values);
    }

    #[test]
    fn an_answer_that_says_little_is_read_all_the_same() {
        let message = SqsMessage::builder()
            .message_id("1")
            .receipt_handle("AQEB")
            .build();
        let received = received(message, &"q".into()).unwrap();
        assert_eq!((received.message.receive_count, &*received.message.body), (1, ""));
        assert!(received.receipt.dead_letter_source().is_none());
    }
}

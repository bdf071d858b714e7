//! A record of an event as a message.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use fanfare::port::Received;
use fanfare_worker::SqsReceipt;

/// The message that this record of the queue's is, as a receive would have brought it.
///
/// # Errors
/// What it lacks.
pub(crate) fn received(record: SqsMessage, queue: &Arc<str>) -> Result<Received<SqsReceipt>, &'static str> {
    let body = record.body.ok_or("it has no body")?;
    let system = record.attributes.into_iter();
    let system = system.map(|(name, value)| (MessageSystemAttributeName::from(name.as_str()), value));
    let mut message = Message::builder()
        .set_message_id(record.message_id)
        .set_receipt_handle(record.receipt_handle)
        .body(body)
        .set_attributes(Some(system.collect()));
    for (name, attribute) in record.message_attributes {
        message = message.message_attributes(name, value(attribute)?);
    }
    fanfare_worker::received(message.build(), queue).ok_or("it has no message id or no receipt handle")
}

fn value(attribute: SqsMessageAttribute) -> Result<MessageAttributeValue, &'static str> {
    let binary = attribute.binary_value.map(|binary| Blob::new(binary.0));
    MessageAttributeValue::builder()
        .set_data_type(attribute.data_type)
        .set_string_value(attribute.string_value)
        .set_binary_value(binary)
        .build()
        .map_err(|_| "an attribute has no data type")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::{Duration, UNIX_EPOCH};

    use aws_lambda_events::sqs::SqsEvent;
    use fanfare::{Attribute, Attributes};

    use super::*;

    fn all(event: &str) -> Vec<Received<SqsReceipt>> {
        let event: SqsEvent = serde_json::from_str(event).unwrap();
        let records = event.records.into_iter();
        records
            .map(|record| received(record, &"my-queue".into()).unwrap())
            .collect()
    }

    fn millis(millis: u64) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn awss_event_of_a_standard_queue_is_read() {
        let all = all(include_str!("../tests/data/sqs-standard.json"));
        let [first, second] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(first.message.id, "059f36b4-87a3-44ab-83d2-661975830a7d");
        assert_eq!(first.message.body, "Test message.");
        assert_eq!(first.message.receive_count, 1);
        assert_eq!(first.message.sent_at, millis(1_545_082_649_183));
        assert_eq!(first.message.group, None);
        assert_eq!(&*first.message.queue, "my-queue");
        let attributes = Attributes::from([("myAttribute".to_owned(), Attribute::string("myValue"))]);
        assert_eq!(first.message.attributes, attributes);
        assert_eq!(first.receipt.handle(), "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...");
        assert_eq!(second.message.id, "2e1424d4-f796-459a-8184-9c92662be6da");
        assert_eq!(second.message.attributes, Attributes::new());
    }

    #[test]
    fn awss_event_of_a_fifo_queue_is_read() {
        let all = all(include_str!("../tests/data/sqs-fifo.json"));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].message.group.as_deref(), Some("1"));
        assert_eq!(all[0].message.sent_at, millis(1_573_251_510_774));
    }

    #[test]
    fn attributes_of_all_types_are_read() {
        let all = all(include_str!("../tests/data/sqs-attributes.json"));
        let expected = Attributes::from([
            ("Attribute1".to_owned(), Attribute::string("AttributeValue1")),
            ("Attribute2".to_owned(), Attribute::number(123)),
            (
                "Attribute3".to_owned(),
                Attribute::Binary {
                    value: b"1100".to_vec(),
                },
            ),
        ]);
        assert_eq!(all[0].message.attributes, expected);
        assert_eq!(all[0].message.receive_count, 2);
    }

    #[test]
    fn what_a_record_lacks_is_told() {
        let lacking = |change: fn(&mut SqsMessage)| {
            let event: SqsEvent =
                serde_json::from_str(include_str!("../tests/data/sqs-standard.json")).unwrap();
            let mut record = event.records[0].clone();
            change(&mut record);
            received(record, &"my-queue".into()).map(|received| received.message.id)
        };
        assert!(lacking(|_| ()).is_ok());
        assert_eq!(lacking(|record| record.body = None), Err("it has no body"));
        let no_receipt = Err("it has no message id or no receipt handle");
        assert_eq!(lacking(|record| record.receipt_handle = None), no_receipt);
        assert_eq!(lacking(|record| record.message_id = None), no_receipt);
        let untyped = lacking(|record| {
            for attribute in record.message_attributes.values_mut() {
                attribute.data_type = None;
            }
        });
        assert_eq!(untyped, Err("an attribute has no data type"));
    }
}

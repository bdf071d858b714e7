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

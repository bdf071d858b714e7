//! A message as a function sees it.

use std::collections::BTreeMap;

use fanfare::Attribute;
use fanfare::memory::{Receipt, ReceivedMessage};
use serde::Serialize;
use serde_json::Value;

use crate::messaging::REGION;
use crate::sqs;

/// A received message on its way to the function.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) receipt: Receipt,
    /// As the event has it.
    pub(super) json: Value,
    /// Its bytes in the event.
    pub(super) bytes: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    message_id: &'a str,
    receipt_handle: String,
    body: &'a str,
    attributes: BTreeMap<&'static str, String>,
    message_attributes: BTreeMap<&'a str, MessageAttribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    md5_of_body: String,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    aws_region: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageAttribute {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    /// Always empty: SQS doesn't implement lists.
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: String,
}

impl From<&Attribute> for MessageAttribute {
    fn from(attribute: &Attribute) -> Self {
        let value = sqs::Value::from(attribute);
        Self {
            string_value: value.string_value,
            binary_value: value.binary_value,
            string_list_values: [],
            binary_list_values: [],
            data_type: value.data_type,
        }
    }
}

impl Record {
    pub(super) fn new(queue: &str, message: ReceivedMessage) -> Self {
        let attributes = message.attributes.iter();
        let json = serde_json::json!(Message {
            message_id: &message.id,
            receipt_handle: sqs::handle(queue, message.receipt),
            body: &message.body,
            attributes: sqs::system_attributes(&message, &["All".to_owned()]),
            message_attributes: attributes
                .map(|(name, value)| (name.as_str(), value.into()))
                .collect(),
            md5_of_message_attributes: sqs::md5_of_attributes(&message.attributes),
            md5_of_body: sqs::md5_of_body(&message.body),
            event_source: "aws:sqs",
            event_source_arn: sqs::arn(queue),
            aws_region: REGION,
        });
        Self {
            bytes: json.to_string().len(),
            json,
            receipt: message.receipt,
            id: message.id,
        }
    }
}

//! Receiving messages.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare::memory::{Receipt, Receive, ReceivedMessage};
use fanfare::{Attributes, BATCH_ENTRIES, is_fifo};
use serde::{Deserialize, Serialize};

use super::checksum::{md5_of_attributes, md5_of_body};
use super::message::{Value, is_asked_for};
use super::operation::Context;
use super::{Code, Error, arn, name, settle};
use crate::messaging::{ACCOUNT, epoch_millis};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: String,
    /// The former name of the next.
    attribute_names: Option<Vec<String>>,
    message_system_attribute_names: Option<Vec<String>>,
    message_attribute_names: Option<Vec<String>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    receive_request_attempt_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, Value>,
}

/// Waits as long as it takes; may be dropped at any time, and has taken nothing then.
pub(super) async fn receive(context: &Context<'_>, request: ReceiveMessage) -> Result<Answer, Error> {
    let queue = name(&request.queue_url);
    let receive = Receive {
        max: max(request.max_number_of_messages)?,
        wait: request.wait_time_seconds.map(wait).transpose()?,
        visibility_timeout: request
            .visibility_timeout
            .map(settle::visibility_timeout)
            .transpose()?,
    };
    let mut system = request.message_system_attribute_names.unwrap_or_default();
    system.extend(request.attribute_names.unwrap_or_default());
    if let Some(unknown) = system.iter().find(|name| !is_known(name)) {
        let message = format!("Unknown Attribute {unknown}.");
        return Err(Error::new(Code::InvalidAttributeName, message));
    }
    let wanted = request.message_attribute_names.unwrap_or_default();
    let broker = &context.messaging.broker;
    let received = match request.receive_request_attempt_id {
        Some(attempt) => {
            check_attempt(queue, &attempt)?;
            broker.receive_attempt(queue, receive, &attempt).await?
        }
        None => broker.receive(queue, receive).await?,
    };
    let messages = received.into_iter();
    Ok(Answer {
        messages: messages
            .map(|message| Message::new(queue, message, &system, &wanted))
            .collect(),
    })
}

impl Message {
    fn new(queue: &str, message: ReceivedMessage, system: &[String], wanted: &[String]) -> Self {
        let attributes = system_attributes(&message, system);
        let mut sent = message.attributes;
        // Also the digest is of those that are asked for.
        sent.retain(|name, _| is_asked_for(wanted, name));
        Self {
            message_id: message.id,
            receipt_handle: handle(queue, message.receipt),
            md5_of_body: md5_of_body(&message.body),
            body: message.body,
            attributes,
            md5_of_message_attributes: md5_of_attributes(&sent),
            message_attributes: values(&sent),
        }
    }
}

fn values(attributes: &Attributes) -> BTreeMap<String, Value> {
    let values = attributes.iter();
    values.map(|(name, value)| (name.clone(), value.into())).collect()
}

const SYSTEM: [&str; 9] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

fn is_known(name: &str) -> bool {
    name == "All" || SYSTEM.contains(&name)
}

/// A message's system attributes, those of them that are asked for.
pub(crate) fn system_attributes(
    message: &ReceivedMessage,
    asked: &[String],
) -> BTreeMap<&'static str, String> {
    if asked.is_empty() {
        return BTreeMap::new();
    }
    let value = |name: &str| match name {
        "SenderId" => Some(ACCOUNT.to_owned()),
        "SentTimestamp" => Some(epoch_millis(message.sent_at).to_string()),
        "ApproximateReceiveCount" => Some(message.receive_count.to_string()),
        "ApproximateFirstReceiveTimestamp" => Some(epoch_millis(message.first_received_at).to_string()),
        "SequenceNumber" => message.sequence_number.map(super::sequence_number),
        "MessageDeduplicationId" => message.deduplication_id.clone(),
        "MessageGroupId" => message.group.clone(),
        "AWSTraceHeader" => message.trace_header.clone(),
        "DeadLetterQueueSourceArn" => message.dead_letter_source.as_deref().map(arn),
        _ => None,
    };
    let asked_for = |name: &&str| asked.iter().any(|asked| asked == name || asked == "All");
    let names = SYSTEM.into_iter().filter(asked_for);
    names
        .filter_map(|name| value(name).map(|value| (name, value)))
        .collect()
}

fn max(number: Option<i64>) -> Result<usize, Error> {
    let number = number.unwrap_or(1);
    match usize::try_from(number) {
        Ok(max @ 1..=BATCH_ENTRIES) => Ok(max),
        _ => Err(Error::value(
            "MaxNumberOfMessages",
            number,
            "Must be between 1 and 10, if provided.",
        )),
    }
}

fn wait(seconds: i64) -> Result<Duration, Error> {
    match u64::try_from(seconds) {
        Ok(seconds @ 0..=20) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::value(
            "WaitTimeSeconds",
            seconds,
            "Must be >= 0 and <= 20, if provided.",
        )),
    }
}

fn check_attempt(queue: &str, attempt: &str) -> Result<(), Error> {
    if !is_fifo(queue) {
        let reason = "The request includes a parameter that is not valid for this queue type.";
        return Err(Error::value("ReceiveRequestAttemptId", attempt, reason));
    }
    match (1..=128).contains(&attempt.len()) && attempt.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(Error::value(
            "ReceiveRequestAttemptId",
            attempt,
            "Can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        )),
    }
}

/// A receipt on the wire: the broker's, and which queue it is of.
pub(crate) fn handle(queue: &str, receipt: Receipt) -> String {
    format!("{receipt}{:08x}", mark(queue))
}

/// The receipt in a handle that [`handle`] wrote for this queue.
pub(super) fn receipt(queue: &str, handle: &str) -> Result<Receipt, Error> {
    let parts = handle.split_at_checked(32);
    let receipt = parts.filter(|(_, of)| u32::from_str_radix(of, 16) == Ok(mark(queue)));
    let receipt = receipt.and_then(|(receipt, _)| receipt.parse().ok());
    receipt.ok_or_else(|| {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Error::new(Code::ReceiptHandleIsInvalid, message)
    })
}

/// FNV-1a.
fn mark(queue: &str) -> u32 {
    let step = |mark: u32, byte: u8| (mark ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    queue.bytes().fold(0x811c_9dc5, step)
}

//! Sending messages.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare::memory::{BrokerError, Entry, Sent};
use fanfare::{Attribute, Attributes, is_fifo, message_group};
use serde::{Deserialize, Serialize};

use super::batch::{self, Results};
use super::checksum::{md5_of_attributes, md5_of_body, sha256};
use super::message::{self, Value};
use super::operation::Context;
use super::{Code, Error, name};

/// The one system attribute that can be sent.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// A message to be sent: alone, with the queue's URL, or in a batch, with an id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    queue_url: Option<String>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    message_attributes: Option<BTreeMap<String, Value>>,
    message_system_attributes: Option<BTreeMap<String, Value>>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<Message>,
}

/// What became of a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(
        rename = "MD5OfMessageSystemAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    md5_of_message_system_attributes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

/// The digests of a message, taken before it is sent.
struct Digests {
    body: String,
    attributes: Option<String>,
    system_attributes: Option<String>,
}

pub(super) fn send(context: &Context<'_>, mut message: Message) -> Result<Answer, Error> {
    let url = message
        .queue_url
        .take()
        .ok_or_else(|| Error::missing("QueueUrl"))?;
    let queue = Queue::of(context, name(&url))?;
    let (entry, digests) = queue.entry(message, context.request.trace_header)?;
    let sent = context.messaging.broker.send(queue.name, entry)?;
    Ok(digests.answer(None, sent))
}

pub(super) fn send_batch(context: &Context<'_>, batch: Batch) -> Result<Results<Answer>, Error> {
    let queue = Queue::of(context, name(&batch.queue_url))?;
    for message in &batch.entries {
        // One that has no place in the order is no failure of an entry.
        queue.check_order(message).map_err(|error| Error {
            code: Code::InvalidParameterValue,
            ..error
        })?;
    }
    batch::run(
        batch.entries,
        context.faults,
        |messages| {
            let mut entries = Vec::with_capacity(messages.len());
            let read = messages.into_iter().map(|message| {
                let (entry, digests) = queue.entry(message, context.request.trace_header)?;
                entries.push(entry);
                Ok(digests)
            });
            let read: Vec<Result<Digests, Error>> = read.collect();
            let mut sent = match entries.is_empty() {
                true => Vec::new(),
                false => context
                    .messaging
                    .broker
                    .send_batch(queue.name, entries)
                    .map_err(of_batch)?,
            }
            .into_iter();
            let results = read.into_iter().map(|read| {
                let digests = read?;
                match sent.next() {
                    Some(sent) => Ok((digests, sent.map_err(of_entry)?)),
                    None => Err(Error::new(Code::InternalError, "a message was left out")),
                }
            });
            Ok(results.collect())
        },
        |id, (digests, sent)| digests.answer(Some(id), sent),
    )
}

/// Of an entry alone SQS says it with another word than of a message.
fn of_entry(error: BrokerError) -> Error {
    match error {
        BrokerError::TooLarge { limit, .. } => Error::new(
            Code::InvalidParameterValue,
            format!(
                "One or more parameters cannot be validated. Reason: Message must be shorter than {limit} bytes."
            ),
        ),
        error => error.into(),
    }
}

/// A batch that is too long is told as one, also when it is of one message.
fn of_batch(error: BrokerError) -> BrokerError {
    match error {
        BrokerError::TooLarge {
            destination,
            size,
            limit,
        } => BrokerError::BatchTooLarge {
            destination,
            size,
            limit,
        },
        error => error,
    }
}

/// Where messages go, and what they need there.
struct Queue<'a> {
    name: &'a str,
    fifo: bool,
    by_content: bool,
}

impl<'a> Queue<'a> {
    fn of(context: &Context<'_>, name: &'a str) -> Result<Self, Error> {
        let fifo = is_fifo(name);
        // A standard queue's settings don't matter here.
        let by_content = fifo && {
            let settings = context.messaging.broker.queue_settings(name)?;
            settings.content_based_deduplication
        };
        Ok(Self {
            name,
            fifo,
            by_content,
        })
    }

    /// Whether the message says what a FIFO queue needs to know, and nothing that isn't for it.
    fn check_order(&self, message: &Message) -> Result<(), Error> {
        for (parameter, id) in [
            ("MessageGroupId", &message.message_group_id),
            ("MessageDeduplicationId", &message.message_deduplication_id),
        ] {
            if let Some(id) = id
                && message_group(id) != *id
            {
                let alphabet =
                    "can only include alphanumeric and punctuation characters. 1 to 128 in length.";
                return Err(Error::value(parameter, id, &format!("{parameter} {alphabet}")));
            }
        }
        if !self.fifo {
            return Ok(());
        }
        if message.message_group_id.is_none() {
            return Err(Error::missing("MessageGroupId"));
        }
        if message.message_deduplication_id.is_none() && !self.by_content {
            return Err(Error::new(
                Code::InvalidParameterValue,
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId \
                 provided explicitly",
            ));
        }
        match message.delay_seconds {
            None | Some(0) => Ok(()),
            Some(seconds) => Err(Error::value(
                "DelaySeconds",
                seconds,
                "The request include parameter that is not valid for this queue type.",
            )),
        }
    }

    /// The message as the broker takes it, and its digests.
    fn entry(&self, message: Message, trace_header: Option<&str>) -> Result<(Entry, Digests), Error> {
        self.check_order(&message)?;
        let attributes = message::read(message.message_attributes)?;
        let system_attributes = message::read(message.message_system_attributes)?;
        let sent_header = trace_of(&system_attributes)?;
        let delay = message.delay_seconds.map(delay).transpose()?;
        let mut deduplication_id = message.message_deduplication_id;
        if self.fifo {
            deduplication_id.get_or_insert_with(|| sha256(&message.message_body));
        }
        let digests = Digests {
            body: md5_of_body(&message.message_body),
            attributes: md5_of_attributes(&attributes),
            system_attributes: md5_of_attributes(&system_attributes),
        };
        let entry = Entry {
            body: message.message_body,
            attributes,
            group: message.message_group_id,
            deduplication_id,
            delay,
            subject: None,
            trace_header: sent_header.or_else(|| trace_header.map(str::to_owned)),
        };
        Ok((entry, digests))
    }
}

impl Digests {
    fn answer(self, id: Option<String>, sent: Sent) -> Answer {
        Answer {
            id,
            message_id: sent.message_id,
            md5_of_message_body: self.body,
            md5_of_message_attributes: self.attributes,
            md5_of_message_system_attributes: self.system_attributes,
            sequence_number: sent.sequence_number.map(super::sequence_number),
        }
    }
}

impl batch::Entry for Message {
    const KIND: &'static str = "SendMessageBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

fn trace_of(system_attributes: &Attributes) -> Result<Option<String>, Error> {
    let Some((name, value)) = system_attributes.first_key_value() else {
        return Ok(None);
    };
    match value {
        Attribute::Text { data_type, value }
            if name == TRACE_HEADER && data_type == "String" && system_attributes.len() == 1 =>
        {
            Ok(Some(value.clone()))
        }
        _ => Err(Error::new(
            Code::InvalidParameterValue,
            format!("The only message system attribute is {TRACE_HEADER}, of the type String."),
        )),
    }
}

fn delay(seconds: i64) -> Result<Duration, Error> {
    match u64::try_from(seconds) {
        Ok(seconds @ 0..=900) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::value(
            "DelaySeconds",
            seconds,
            "Must be >= 0 and <= 900, if provided.",
        )),
    }
}

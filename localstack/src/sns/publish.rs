//! Publishing messages, alone and in batches.

use std::collections::BTreeSet;

use fanfare::memory::{BrokerError, Entry, Sent};
use fanfare::{Attributes, BATCH_ENTRIES, is_fifo};
use serde_json::Value;

use super::error::INTERNAL;
use super::operation::Context;
use super::{Error, topic_of};
use crate::query::Xml;
use crate::sqs;

/// The longest subject, in characters.
const SUBJECT: usize = 100;

pub(super) fn publish(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let form = context.form;
    if form.get("PhoneNumber").is_some() {
        return Err(Error::invalid(
            "PhoneNumber Reason: the local SNS publishes to topics only",
        ));
    }
    let arn = form.get("TopicArn").or_else(|| form.get("TargetArn"));
    let topic = Topic::of(context, topic_of(arn, "TopicArn or TargetArn")?)?;
    let entry = topic.entry("")?;
    let sent = context.messaging.broker.publish(topic.name, entry)?;
    let mut xml = Xml::default();
    write(&mut xml, &sent);
    Ok(Some(xml))
}

pub(super) fn publish_batch(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let form = context.form;
    let topic = Topic::of(context, topic_of(form.get("TopicArn"), "TopicArn")?)?;
    let members = form.members("PublishBatchRequestEntries", "member");
    let id = |member: &String| form.get(&format!("{member}.Id")).unwrap_or_default();
    let ids: Vec<&str> = members.iter().map(id).collect();
    check(&ids)?;
    // One that can't be read is no failure of an entry.
    let entries = members.iter().map(|member| topic.entry(&format!("{member}.")));
    let entries = entries.collect::<Result<Vec<Entry>, Error>>()?;
    let fates = context.faults.fates(members.len());
    let let_through = entries.into_iter().zip(&fates);
    let entries: Vec<Entry> = let_through
        .filter_map(|(entry, fate)| fate.done.then_some(entry))
        .collect();
    let mut sent = match entries.is_empty() {
        true => Vec::new(),
        false => {
            let sent = context.messaging.broker.publish_batch(topic.name, entries);
            sent.map_err(|error| match error {
                // Of a batch of one the broker speaks as of a message.
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
            })?
        }
    }
    .into_iter();
    let mut successful = Xml::default();
    let mut failed = Xml::default();
    for (id, fate) in ids.iter().zip(fates) {
        let result = match fate.done {
            false => Err(Error::new(
                INTERNAL,
                "An internal error occurred. Please try again.",
            )),
            true => match sent.next() {
                Some(sent) => sent.map_err(Error::from),
                None => Err(Error::new(INTERNAL, "a message was left out")),
            },
        };
        match result {
            _ if !fate.answered => {}
            Ok(sent) => {
                successful.element("member", |xml| {
                    xml.text("Id", id);
                    write(xml, &sent);
                });
            }
            Err(error) => {
                failed.element("member", |xml| {
                    let sender_fault = (error.code != INTERNAL).to_string();
                    xml.text("Id", id)
                        .text("Code", error.code)
                        .text("Message", &error.message)
                        .text("SenderFault", &sender_fault);
                });
            }
        }
    }
    let mut xml = Xml::default();
    xml.within("Failed", failed).within("Successful", successful);
    Ok(Some(xml))
}

fn write(xml: &mut Xml, sent: &Sent) {
    xml.text("MessageId", &sent.message_id);
    if let Some(number) = sent.sequence_number {
        xml.text("SequenceNumber", &format!("{number:020}"));
    }
}

/// The rules of a batch.
fn check(ids: &[&str]) -> Result<(), Error> {
    match ids.len() {
        0 => {
            return Err(Error::new(
                "EmptyBatchRequest",
                "The batch request doesn't contain any entries.",
            ));
        }
        1..=BATCH_ENTRIES => {}
        _ => {
            return Err(Error::new(
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.",
            ));
        }
    }
    let of_the_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    for id in ids {
        let wrong = match (id.len(), id.bytes().all(of_the_alphabet)) {
            (1..=80, true) => continue,
            (81.., _) => "is too long",
            _ => "contains an impermissible character",
        };
        return Err(Error::new(
            "InvalidBatchEntryId",
            format!("The Id of a batch entry in the batch request {wrong}: {id}"),
        ));
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    match distinct.len() == ids.len() {
        true => Ok(()),
        false => Err(Error::new(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        )),
    }
}

/// Where messages go, and what they need there.
struct Topic<'a> {
    context: &'a Context<'a>,
    name: &'a str,
    fifo: bool,
    by_content: bool,
}

impl<'a> Topic<'a> {
    fn of(context: &'a Context<'a>, name: &'a str) -> Result<Self, Error> {
        let settings = context.messaging.broker.topic_settings(name)?;
        Ok(Self {
            context,
            name,
            fifo: is_fifo(name),
            by_content: settings.content_based_deduplication,
        })
    }

    /// The message whose members have this prefix.
    fn entry(&self, prefix: &str) -> Result<Entry, Error> {
        let form = self.context.form;
        let member = |name: &str| form.get(&format!("{prefix}{name}")).map(str::to_owned);
        let body = member("Message").ok_or_else(|| Error::missing("Message"))?;
        let body = match member("MessageStructure").as_deref() {
            None | Some("") => body,
            Some("json") => of_structure(&body)?,
            Some(_) => return Err(Error::invalid("MessageStructure")),
        };
        let subject = member("Subject");
        if subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
            return Err(Error::invalid("Subject"));
        }
        let group = member("MessageGroupId");
        let mut deduplication_id = member("MessageDeduplicationId");
        if self.fifo {
            if group.is_none() {
                let message = "The MessageGroupId parameter is required for FIFO topics";
                return Err(Error::invalid(message));
            }
            if deduplication_id.is_none() && !self.by_content {
                return Err(Error::invalid(
                    "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                     explicitly",
                ));
            }
            deduplication_id.get_or_insert_with(|| sqs::sha256(&body));
        }
        Ok(Entry {
            attributes: self.attributes(prefix)?,
            body,
            group,
            deduplication_id,
            delay: None,
            subject,
            trace_header: self.context.request.trace_header.map(str::to_owned),
        })
    }

    fn attributes(&self, prefix: &str) -> Result<Attributes, Error> {
        let form = self.context.form;
        let entries = form.members(&format!("{prefix}MessageAttributes"), "entry");
        let attribute = |entry: String| {
            let member = |name: &str| form.get(&format!("{entry}.{name}")).map(str::to_owned);
            let name = member("Name").unwrap_or_default();
            let value = sqs::Value {
                string_value: member("Value.StringValue"),
                binary_value: member("Value.BinaryValue"),
                data_type: member("Value.DataType").unwrap_or_default(),
            };
            match value.read() {
                Ok(value) => Ok((name, value)),
                Err(reason) => Err(Error::new(
                    "ParameterValueInvalid",
                    format!("The message attribute '{name}' is refused: {reason}."),
                )),
            }
        };
        entries.into_iter().map(attribute).collect()
    }
}

/// What queues get of a message that has a text for each protocol.
fn of_structure(body: &str) -> Result<String, Error> {
    let of = "Message Structure";
    let texts: Value = serde_json::from_str(body)
        .map_err(|_| Error::invalid(format!("{of} - JSON message body failed to parse")))?;
    let default = texts["default"]
        .as_str()
        .ok_or_else(|| Error::invalid(format!("{of} - No default entry in JSON message body")))?;
    Ok(texts["sqs"].as_str().unwrap_or(default).to_owned())
}

fn is_subject(subject: &str) -> bool {
    let first = subject.bytes().next();
    (1..=SUBJECT).contains(&subject.len())
        && subject.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && first.is_some_and(|first| first != b' ')
}

//! A topic or a queue to send to.

use std::collections::HashMap;

use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::types::{
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use aws_smithy_types::Blob;
use fanfare::{Attribute, BatchEntry, semconv};

use crate::client::{CALL, bounded};
use crate::failed::Failed;
use crate::limit::{self, TopicLimit};
use crate::trace::{self, Trace};

/// What is sent for one envelope, with every try.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) entry: BatchEntry,
    pub(crate) trace: Option<Trace>,
}

/// What became of each entry of a call, in their order.
pub(crate) type Answers = Vec<Result<(), Failed>>;

/// Where one destination's envelopes are sent.
#[derive(Debug)]
pub(crate) struct Target {
    /// As the application calls it, for errors.
    pub(crate) destination: String,
    pub(crate) fifo: bool,
    name: String,
    service: Service,
}

#[derive(Debug)]
enum Service {
    Topic {
        client: aws_sdk_sns::Client,
        arn: String,
        limit: TopicLimit,
    },
    Queue {
        client: aws_sdk_sqs::Client,
        url: String,
    },
}

impl Target {
    pub(crate) fn topic(
        destination: String,
        name: String,
        fifo: bool,
        client: aws_sdk_sns::Client,
        arn: String,
    ) -> Self {
        let service = Service::Topic {
            client,
            arn,
            limit: TopicLimit::default(),
        };
        Self {
            destination,
            fifo,
            name,
            service,
        }
    }

    pub(crate) fn queue(
        destination: String,
        name: String,
        fifo: bool,
        client: aws_sdk_sqs::Client,
        url: String,
    ) -> Self {
        Self {
            destination,
            fifo,
            name,
            service: Service::Queue { client, url },
        }
    }

    /// Its name in the account.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `messaging.system` and `messaging.operation.name`.
    pub(crate) fn kind(&self) -> (&'static str, &'static str) {
        match self.service {
            Service::Topic { .. } => (semconv::SYSTEM_SNS, "publish"),
            Service::Queue { .. } => (semconv::SYSTEM_SQS, "send"),
        }
    }

    /// How many bytes it takes in one call, as far as that is known.
    pub(crate) fn budget(&self) -> usize {
        match &self.service {
            Service::Topic { limit, .. } => limit.known(),
            Service::Queue { .. } => limit::QUEUE,
        }
    }

    /// How many bytes a message of this size may have.
    ///
    /// # Errors
    /// It is larger than the default, and what the topic takes can't be read just now.
    pub(crate) async fn limit(&self, size: usize) -> Result<usize, Failed> {
        match &self.service {
            Service::Topic { client, arn, limit } => limit.of(client, arn, size).await,
            Service::Queue { .. } => Ok(limit::QUEUE),
        }
    }

    /// Finds out how many bytes it takes, after less than is usual was too much for it. When that can't
    /// be read, the limit stays as it was known.
    pub(crate) async fn find_limit(&self) {
        // Why it can't be read is logged there, and changes nothing for what was refused already.
        let _ = self.limit(usize::MAX).await;
    }

    /// Sends these, at most ten, in one call.
    ///
    /// # Errors
    /// The call failed as a whole; some may have arrived all the same.
    pub(crate) async fn send(&self, parcels: &[&Parcel]) -> Result<Answers, Failed> {
        match &self.service {
            Service::Topic { client, arn, .. } => publish(client, arn, parcels).await,
            Service::Queue { client, url } => send(client, url, parcels).await,
        }
    }
}

async fn publish(client: &aws_sdk_sns::Client, arn: &str, parcels: &[&Parcel]) -> Result<Answers, Failed> {
    let entries = parcels.iter().enumerate().map(|(id, Parcel { entry, .. })| {
        PublishBatchRequestEntry::builder()
            .id(id.to_string())
            .message(&entry.body)
            .set_message_attributes(Some(attributes(entry, of_topic)?))
            .set_message_group_id(entry.group.clone())
            .set_message_deduplication_id(entry.deduplication_id.clone())
            .build()
            .map_err(|error| Failed::entry(error.to_string()))
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let mut call = client
        .publish_batch()
        .topic_arn(arn)
        .set_publish_batch_request_entries(Some(entries))
        .customize();
    // SNS takes no system attributes: it passes on the header of the request.
    if let Some(header) = trace::shared(parcels.iter().map(|parcel| parcel.trace.as_ref())) {
        call = call.mutate_request(move |request| {
            request.headers_mut().insert(trace::HEADER, header.clone());
        });
    }
    let answer = bounded(CALL, call.send()).await?;
    let confirmed = answer.successful().iter().filter_map(|entry| entry.id());
    let failed = answer.failed().iter();
    let failed = failed.map(|entry| {
        let failed = Failed::of_entry(entry.sender_fault(), entry.code(), entry.message());
        (entry.id(), failed)
    });
    Ok(answers(parcels.len(), confirmed, failed))
}

async fn send(client: &aws_sdk_sqs::Client, url: &str, parcels: &[&Parcel]) -> Result<Answers, Failed> {
    let entries = parcels.iter().enumerate().map(|(id, Parcel { entry, trace })| {
        let mut built = SendMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .message_body(&entry.body)
            .set_message_attributes(Some(attributes(entry, of_queue)?))
            .set_message_group_id(entry.group.clone())
            .set_message_deduplication_id(entry.deduplication_id.clone());
        if let Some(trace) = trace {
            let header = MessageSystemAttributeValue::builder()
                .data_type("String")
                .string_value(trace.header())
                .build()
                .map_err(|error| Failed::entry(error.to_string()))?;
            let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
            built = built.message_system_attributes(name, header);
        }
        built.build().map_err(|error| Failed::entry(error.to_string()))
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let call = client
        .send_message_batch()
        .queue_url(url)
        .set_entries(Some(entries));
    let answer = bounded(CALL, call.send()).await?;
    let confirmed = answer.successful().iter().map(|entry| entry.id());
    let failed = answer.failed().iter();
    let failed = failed.map(|entry| {
        let failed = Failed::of_entry(entry.sender_fault(), entry.code(), entry.message());
        (entry.id(), failed)
    });
    Ok(answers(parcels.len(), confirmed, failed))
}

/// One answer per entry, by the ids `0`, `1`, ... An entry that is in neither list is not confirmed,
/// and one that is in both isn't either.
fn answers<'a>(
    entries: usize,
    confirmed: impl Iterator<Item = &'a str>,
    failed: impl Iterator<Item = (&'a str, Failed)>,
) -> Answers {
    let missing = || Err(Failed::no_answer("the answer leaves this entry out"));
    let mut answers: Answers = std::iter::repeat_with(missing).take(entries).collect();
    let confirmed = confirmed.map(|id| (id, Ok(())));
    for (id, told) in confirmed.chain(failed.map(|(id, failed)| (id, Err(failed)))) {
        let entry = id.parse::<usize>().ok();
        if let Some(answer) = entry.and_then(|entry| answers.get_mut(entry)) {
            *answer = told;
        }
    }
    answers
}

fn attributes<T>(
    entry: &BatchEntry,
    value: impl Fn(&Attribute) -> Result<T, aws_smithy_types::error::operation::BuildError>,
) -> Result<HashMap<String, T>, Failed> {
    let attributes = entry.attributes.iter();
    attributes
        .map(|(name, attribute)| Ok((name.clone(), value(attribute)?)))
        .collect::<Result<_, _>>()
        .map_err(|error: aws_smithy_types::error::operation::BuildError| Failed::entry(error.to_string()))
}

fn of_topic(
    attribute: &Attribute,
) -> Result<aws_sdk_sns::types::MessageAttributeValue, aws_smithy_types::error::operation::BuildError> {
    let value = aws_sdk_sns::types::MessageAttributeValue::builder().data_type(attribute.data_type());
    match attribute {
        Attribute::Text { value: text, .. } => value.string_value(text),
        Attribute::Binary { value: bytes } => value.binary_value(Blob::new(bytes.clone())),
    }
    .build()
}

fn of_queue(
    attribute: &Attribute,
) -> Result<aws_sdk_sqs::types::MessageAttributeValue, aws_smithy_types::error::operation::BuildError> {
    let value = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type(attribute.data_type());
    match attribute {
        Attribute::Text { value: text, .. } => value.string_value(text),
        Attribute::Binary { value: bytes } => value.binary_value(Blob::new(bytes.clone())),
    }
    .build()
}

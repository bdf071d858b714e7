//! Deleting messages, and changing how long they stay invisible.

use std::time::Duration;

use fanfare::memory::BrokerError;
use serde::{Deserialize, Serialize};

use super::batch::{self, Results};
use super::operation::{Context, Nothing};
use super::receive::receipt;
use super::{Code, Error, name};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<DeleteEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteEntry {
    #[serde(default)]
    id: String,
    receipt_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Change {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<ChangeEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeEntry {
    #[serde(default)]
    id: String,
    receipt_handle: String,
    /// That of the queue without one.
    visibility_timeout: Option<i64>,
}

/// A success in a batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done {
    id: String,
}

pub(super) fn delete(context: &Context<'_>, request: Delete) -> Result<Nothing, Error> {
    let queue = name(&request.queue_url);
    context.must_have(queue)?;
    delete_one(context, queue, &request.receipt_handle)?;
    Ok(Nothing {})
}

pub(super) fn delete_batch(context: &Context<'_>, batch: DeleteBatch) -> Result<Results<Done>, Error> {
    let queue = name(&batch.queue_url);
    context.must_have(queue)?;
    let all = |entries: Vec<DeleteEntry>| {
        let results = entries.iter().map(|entry| {
            let deleted = delete_one(context, queue, &entry.receipt_handle);
            deleted.map(|()| Nothing {})
        });
        Ok(results.collect())
    };
    batch::run(batch.entries, context.faults, all, |id, _| Done { id })
}

pub(super) fn change_visibility(context: &Context<'_>, request: Change) -> Result<Nothing, Error> {
    let queue = name(&request.queue_url);
    context.must_have(queue)?;
    change_one(
        context,
        queue,
        &request.receipt_handle,
        request.visibility_timeout,
    )?;
    Ok(Nothing {})
}

pub(super) fn change_visibility_batch(
    context: &Context<'_>,
    batch: ChangeBatch,
) -> Result<Results<Done>, Error> {
    let queue = name(&batch.queue_url);
    context.must_have(queue)?;
    let all = |entries: Vec<ChangeEntry>| {
        let results = entries.iter().map(|entry| {
            let timeout = entry
                .visibility_timeout
                .ok_or_else(|| Error::missing("VisibilityTimeout"))?;
            change_one(context, queue, &entry.receipt_handle, timeout).map(|()| Nothing {})
        });
        Ok(results.collect())
    };
    batch::run(batch.entries, context.faults, all, |id, _| Done { id })
}

fn delete_one(context: &Context<'_>, queue: &str, handle: &str) -> Result<(), Error> {
    let deleted = context.messaging.broker.delete(queue, receipt(queue, handle)?);
    deleted.map_err(|error| match error {
        BrokerError::NotHeld(_) => Error::value("ReceiptHandle", handle, "The receipt handle has expired."),
        error => error.into(),
    })
}

fn change_one(context: &Context<'_>, queue: &str, handle: &str, seconds: i64) -> Result<(), Error> {
    let timeout = visibility_timeout(seconds)?;
    let receipt = receipt(queue, handle)?;
    let changed = context
        .messaging
        .broker
        .change_visibility(queue, receipt, timeout);
    changed.map_err(|error| match error {
        BrokerError::NotInFlight(_) => {
            Error::new(Code::MessageNotInflight, "The specified message isn't in flight.")
        }
        BrokerError::NotHeld(_) => Error::value(
            "ReceiptHandle",
            handle,
            "Message does not exist or is not available for visibility timeout change.",
        ),
        BrokerError::TooLong { .. } => Error::value(
            "VisibilityTimeout",
            seconds,
            "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
        ),
        error => error.into(),
    })
}

/// A visibility timeout in seconds.
pub(super) fn visibility_timeout(seconds: i64) -> Result<Duration, Error> {
    match u64::try_from(seconds) {
        Ok(seconds @ 0..=43_200) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::value(
            "VisibilityTimeout",
            seconds,
            "VisibilityTimeout must be an integer between 0 and 43200",
        )),
    }
}

impl batch::Entry for DeleteEntry {
    const KIND: &'static str = "DeleteMessageBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

impl batch::Entry for ChangeEntry {
    const KIND: &'static str = "ChangeMessageVisibilityBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

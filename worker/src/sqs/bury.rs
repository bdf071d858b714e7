//! Into the dead-letter queue: the copy first, and then the deletion of what was copied.

use aws_sdk_sqs::types::{
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use fanfare::port::{DeadLetter, Queue, QueueError, Received};
use fanfare::{Attributes, batches, wire_size};

use super::error::Failed;
use super::message::{SqsReceipt, values};
use super::{DeadLetters, SqsQueue};
use crate::mutation::Mutation;

/// Bytes left free of what SQS takes: how it counts an attribute's name, type and value is described
/// and not specified, and a dead letter that is refused for a few bytes is refused for ever.
const SLACK: usize = 1024;
/// Bytes of all messages of one call.
const BATCH_BYTES: usize = 1024 * 1024 - SLACK;

type Letter = (Received<SqsReceipt>, DeadLetter);

/// A letter on its way.
struct Copy<'a> {
    /// Which one of all letters.
    index: usize,
    received: &'a Received<SqsReceipt>,
    attributes: Attributes,
}

impl SqsQueue {
    /// One result per letter. Batch after batch, each copied and then deleted, so that giving up in
    /// between leaves few with two copies.
    pub(super) async fn bury(&self, letters: &[Letter]) -> Vec<Result<(), QueueError>> {
        let failed = self.failed("dead_letter");
        let Some(dead) = &self.inner.dead_letters else {
            let reason = "it has no dead-letter queue; the message comes again until its retention is over";
            return letters.iter().map(|_| Err(failed.rejected(reason))).collect();
        };
        let mut results: Vec<_> = letters.iter().map(|_| Err(failed.missing())).collect();
        let mut copies = Vec::new();
        let mut copied = Vec::new();
        for (index, (received, letter)) in letters.iter().enumerate() {
            if self.inner.copied.contains(&received.message.id) {
                copied.push(index);
                continue;
            }
            match self.attributes(received, letter, dead) {
                Ok(attributes) => copies.push(Copy {
                    index,
                    received,
                    attributes,
                }),
                Err(error) => results[index] = Err(error),
            }
        }
        self.delete_copied(letters, &copied, &mut results).await;
        let size = |copy: &Copy<'_>| wire_size(&copy.received.message.body, &copy.attributes);
        let batches: Vec<_> = batches(copies.iter().map(size), BATCH_BYTES).collect();
        let mut copies = copies.into_iter();
        for batch in batches {
            let batch: Vec<_> = copies.by_ref().take(batch.len()).collect();
            if self.is(Mutation::DeleteBeforeCopy) {
                let receipts = batch.iter().map(|copy| copy.received.receipt.clone()).collect();
                self.delete(receipts).await;
            }
            let indexes: Vec<_> = batch.iter().map(|copy| copy.index).collect();
            let mut copied = Vec::new();
            for (index, sent) in indexes.iter().zip(self.send(batch, dead).await) {
                match sent {
                    Ok(()) => {
                        self.inner.copied.add(&letters[*index].0.message.id);
                        copied.push(*index);
                    }
                    Err(error) => results[*index] = Err(error),
                }
            }
            self.delete_copied(letters, &copied, &mut results).await;
        }
        results
    }

    /// What the copy has: with the reason, or on FIFO without it where there is no room.
    fn attributes(
        &self,
        received: &Received<SqsReceipt>,
        letter: &DeadLetter,
        dead: &DeadLetters,
    ) -> Result<Attributes, QueueError> {
        let message = &received.message;
        let now = self.inner.time.now();
        // Of a queue for small messages the slack is a smaller part.
        let limit = dead.maximum_size - SLACK.min(dead.maximum_size / 4);
        match letter.attributes(message, now, limit) {
            Some(attributes) => Ok(attributes),
            None if self.inner.fifo => {
                tracing::warn!(
                    queue = &*self.inner.name,
                    consumer = letter.consumer,
                    message = message.id,
                    attempts = letter.attempts,
                    reason = letter.summary(),
                    "a dead letter has no room for its reason, and goes without"
                );
                Ok(message.attributes.clone())
            }
            None => Err(QueueError::NoRoom {
                queue: self.inner.name.to_string(),
            }),
        }
    }

    /// Sends up to ten copies, with one result each.
    async fn send(&self, batch: Vec<Copy<'_>>, dead: &DeadLetters) -> Vec<Result<(), QueueError>> {
        let failed = Failed {
            call: "dead_letter",
            queue: &dead.name,
        };
        let count = batch.len();
        let mut entries = Vec::with_capacity(count);
        for (id, copy) in batch.into_iter().enumerate() {
            match self.entry(id, copy) {
                Ok(entry) => entries.push(entry),
                Err(error) => return (0..count).map(|_| Err(failed.rejected(&error))).collect(),
            }
        }
        let call = self.inner.settle.send_message_batch().queue_url(&dead.url);
        match call.set_entries(Some(entries)).send().await {
            Ok(output) => {
                let successful = output.successful.iter().map(|entry| entry.id.as_str());
                self.entries(failed, count, successful, &output.failed)
            }
            Err(error) => (0..count).map(|_| Err(failed.call(&error))).collect(),
        }
    }

    fn entry(&self, id: usize, copy: Copy<'_>) -> Result<SendMessageBatchRequestEntry, String> {
        let (message, receipt) = (&copy.received.message, &copy.received.receipt);
        let carried = receipt.carried.as_deref();
        let values = values(copy.attributes, carried);
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .message_body(&message.body)
            .set_message_attributes((!values.is_empty()).then_some(values))
            .set_message_group_id(message.group.clone());
        if self.inner.fifo {
            // An event's own id would be swallowed within five minutes of an earlier copy of it.
            entry = entry.message_deduplication_id(&message.id);
        }
        if let Some(trace) = carried.and_then(|carried| carried.trace.as_deref()) {
            let value = MessageSystemAttributeValue::builder()
                .data_type("String")
                .string_value(trace)
                .build();
            let value = value.map_err(|error| error.to_string())?;
            entry =
                entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
        }
        entry.build().map_err(|error| error.to_string())
    }

    /// Deletes the originals of confirmed copies.
    async fn delete_copied(
        &self,
        letters: &[Letter],
        copied: &[usize],
        results: &mut [Result<(), QueueError>],
    ) {
        if copied.is_empty() {
            return;
        }
        let receipts = copied.iter().map(|index| letters[*index].0.receipt.clone());
        let deleted = self.delete(receipts.collect()).await;
        for (index, deleted) in copied.iter().zip(deleted) {
            results[*index] = deleted;
        }
    }
}

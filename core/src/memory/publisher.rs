//! Publishing to the broker's topics and queues.

use super::{Broker, BrokerError, Entry};
use crate::port::{BoxFuture, Publish, PublishError};
use crate::{BatchEntry, Destination, Outgoing, batches, is_fifo, queue_name, topic_name};

/// The most bytes of one call to a queue.
const QUEUE_BATCH: usize = 1024 * 1024;

/// Takes envelopes to a [`Broker`]'s topics and consumers' queues, in batches of up to 10 that the
/// destination takes at once ([`Outgoing::batch_entry`]).
#[derive(Clone, Debug)]
pub struct MemoryPublisher {
    broker: Broker,
    app: String,
}

impl MemoryPublisher {
    /// A publisher for the topics and queues of this application.
    pub fn new(broker: Broker, app: impl Into<String>) -> Self {
        Self {
            broker,
            app: app.into(),
        }
    }

    /// The name in the broker: for a consumer, that of its FIFO queue if there is one.
    fn target(&self, destination: &Destination) -> Target {
        match destination {
            Destination::Topic(topic) => Target::Topic(topic_name(&self.app, topic)),
            Destination::Consumer(consumer) => {
                let fifo = queue_name(&self.app, consumer, true);
                match self.broker.queue_settings(&fifo) {
                    Ok(_) => Target::Queue(fifo),
                    Err(_) => Target::Queue(queue_name(&self.app, consumer, false)),
                }
            }
        }
    }

    /// Publishes what goes to one destination.
    fn publish_to(&self, target: &Target, outgoing: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        let fifo = is_fifo(target.name());
        let entries = outgoing.iter().map(|outgoing| outgoing.batch_entry(fifo));
        let entries: Vec<BatchEntry> = entries.collect();
        let limit = match target {
            Target::Topic(topic) => self
                .broker
                .topic_settings(topic)
                .map_or(QUEUE_BATCH, |settings| settings.maximum_size),
            Target::Queue(_) => QUEUE_BATCH,
        };
        let sizes: Vec<usize> = entries.iter().map(BatchEntry::size).collect();
        let mut results = Vec::with_capacity(entries.len());
        let mut entries = entries.into_iter().map(Entry::from);
        for batch in batches(sizes, limit) {
            let batch: Vec<Entry> = entries.by_ref().take(batch.len()).collect();
            let count = batch.len();
            let sent = match target {
                Target::Topic(topic) => self.broker.publish_batch(topic, batch),
                Target::Queue(queue) => self.broker.send_batch(queue, batch),
            };
            let sent = sent.unwrap_or_else(|error| vec![Err(error); count]);
            results.extend(sent.into_iter().map(|sent| match sent {
                Ok(_) => Ok(()),
                Err(error) => Err(refused(target.name(), error)),
            }));
        }
        results
    }
}

impl Publish for MemoryPublisher {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            // One call after the other for each run of one destination, so that the order is kept.
            let runs = outgoing.chunk_by(|one, next| one.destination == next.destination);
            runs.flat_map(|run| match run.first() {
                Some(first) => self.publish_to(&self.target(&first.destination), run),
                None => Vec::new(),
            })
            .collect()
        })
    }
}

enum Target {
    Topic(String),
    Queue(String),
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Topic(name) | Self::Queue(name) => name,
        }
    }
}

impl From<BatchEntry> for Entry {
    fn from(entry: BatchEntry) -> Self {
        Self {
            body: entry.body,
            attributes: entry.attributes,
            group: entry.group,
            deduplication_id: entry.deduplication_id,
            ..Self::default()
        }
    }
}

fn refused(destination: &str, error: BrokerError) -> PublishError {
    let destination = destination.to_owned();
    match error {
        BrokerError::TooLarge { size, limit, .. } => PublishError::TooLarge {
            destination,
            size,
            limit,
        },
        error => PublishError::Rejected {
            destination,
            reason: error.to_string(),
        },
    }
}

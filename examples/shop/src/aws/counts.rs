//! How many messages the queues have.

use anyhow::Context;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use fanfare::{Topology, dead_letter_name, queue_name};
use futures_util::future::try_join_all;

use super::Aws;

/// What a consumer's queues have, as far as SQS knows: its counts are approximate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The consumer.
    pub consumer: String,
    /// Messages in its queue that wait or are delayed.
    pub waiting: u64,
    /// Messages in its queue that were received and neither deleted nor given back.
    pub in_flight: u64,
    /// Messages in its dead-letter queue.
    pub dead: u64,
}

impl Aws {
    /// What each consumer's queues have.
    ///
    /// # Errors
    /// SQS doesn't answer, or one of them isn't there.
    pub async fn counts(&self, topology: &Topology) -> anyhow::Result<Vec<Counts>> {
        let sqs = Client::new(&self.config);
        let counts = topology.consumers.iter().map(|consumer| {
            let queue = queue_name(&topology.app, &consumer.name, consumer.fifo);
            let sqs = &sqs;
            async move {
                let (waiting, in_flight) = self.count(sqs, &queue).await?;
                let (dead, moving) = self.count(sqs, &dead_letter_name(&queue)).await?;
                anyhow::Ok(Counts {
                    consumer: consumer.name.clone(),
                    waiting,
                    in_flight,
                    dead: dead + moving,
                })
            }
        });
        try_join_all(counts).await
    }

    /// Messages that wait or are delayed, and messages in flight.
    async fn count(&self, sqs: &Client, queue: &str) -> anyhow::Result<(u64, u64)> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let call = sqs
            .get_queue_attributes()
            .queue_url(self.account().queue_url(queue))
            .set_attribute_names(Some(names.to_vec()));
        // The SDK's futures are large.
        let answer = Box::pin(call.send()).await.with_context(|| {
            format!("can't count the messages in the queue {queue}: run `shop provision` if it isn't there")
        })?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name: &QueueAttributeName| {
            let count = attributes.get(name).and_then(|count| count.parse::<u64>().ok());
            count.with_context(|| format!("the queue {queue} doesn't tell its {name}"))
        };
        let [waiting, delayed, in_flight] = &names;
        Ok((count(waiting)? + count(delayed)?, count(in_flight)?))
    }
}

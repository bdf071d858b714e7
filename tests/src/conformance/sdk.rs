//! Topics and queues through publisher, worker and the SDK's clients, wherever these go to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{
    BehaviorVersion, Credentials, Region, SharedAsyncSleep, SharedCredentialsProvider,
};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use fanfare::port::{BoxFuture, Completed, Publish};
use fanfare::{Account, Attribute, Attributes, Clock, RouterService, Topology, dead_letter_name, queue_name};
use fanfare_publisher::Publisher;
use fanfare_worker::{SqsQueue, Worker};
use tokio::task::JoinSet;

use super::World;

/// Within this time a redrive is over.
const PATIENCE: Duration = Duration::from_secs(10);

/// Topics and queues as the SDK's clients reach them.
#[derive(Debug)]
pub struct Sdk {
    clock: Clock,
    topology: Topology,
    publisher: Publisher,
    account: Account,
    sqs: Client,
    queues: BTreeMap<String, SqsQueue>,
    /// Ends with the world.
    _server: JoinSet<()>,
}

/// The SDK's own HTTP client, to this endpoint and with this access key.
pub(super) fn over_http(endpoint: impl Into<String>, key: &str) -> SdkConfig {
    let credentials = Credentials::new(key, "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}

impl Sdk {
    pub(super) async fn connect(
        config: SdkConfig,
        account: Account,
        clock: Clock,
        topology: &Topology,
        server: JoinSet<()>,
    ) -> anyhow::Result<Self> {
        let mut queues = BTreeMap::new();
        for consumer in &topology.consumers {
            let queue = queue_name(&topology.app, &consumer.name, consumer.fifo);
            for name in [dead_letter_name(&queue), queue] {
                queues.insert(name.clone(), SqsQueue::connect(&config, &name).await?);
            }
        }
        Ok(Self {
            publisher: Publisher::new(&config, &account, topology),
            sqs: Client::new(&config),
            clock,
            topology: topology.clone(),
            account,
            queues,
            _server: server,
        })
    }

    pub(super) fn queue_of(&self, consumer: &str) -> String {
        let fifo = self
            .topology
            .consumer(consumer)
            .is_some_and(|consumer| consumer.fifo);
        queue_name(&self.topology.app, consumer, fifo)
    }

    fn queue_arn(&self, name: &str) -> String {
        format!(
            "arn:aws:sqs:{}:{}:{name}",
            self.account.region(),
            self.account.id()
        )
    }
}

impl World for Sdk {
    type Queue = SqsQueue;

    fn publisher(&self) -> Arc<dyn Publish> {
        Arc::new(self.publisher.clone())
    }

    fn queue(&self, consumer: &str) -> SqsQueue {
        self.queues[&self.queue_of(consumer)].clone()
    }

    fn dead_letters(&self, consumer: &str) -> SqsQueue {
        self.queues[&dead_letter_name(&self.queue_of(consumer))].clone()
    }

    async fn redrive(&self, consumer: &str) -> anyhow::Result<()> {
        let queue = self.queue_of(consumer);
        let source = self.queue_arn(&dead_letter_name(&queue));
        let start = self.sqs.start_message_move_task().source_arn(&source);
        // Named, because SQS refuses to guess it for messages that were sent to the dead letters.
        start.destination_arn(self.queue_arn(&queue)).send().await?;
        let moved = async {
            loop {
                let tasks = self
                    .sqs
                    .list_message_move_tasks()
                    .source_arn(&source)
                    .send()
                    .await?;
                let status = tasks.results().first().and_then(|task| task.status());
                match status {
                    Some("RUNNING") => tokio::time::sleep(Duration::from_millis(50)).await,
                    Some("COMPLETED") => return Ok(()),
                    other => anyhow::bail!("the redrive is {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, moved)
            .await
            .context("the redrive goes on and on")?
    }

    async fn send(&self, consumer: &str, body: &str, attributes: Attributes) -> anyhow::Result<()> {
        let queue = self.queue_of(consumer);
        ensure!(!queue.ends_with(".fifo"), "{queue} is no standard queue");
        let url = self.account.queue_url(&queue);
        let mut send = self.sqs.send_message().queue_url(url).message_body(body);
        for (name, attribute) in attributes {
            send = send.message_attributes(name, value(attribute)?);
        }
        send.send().await?;
        Ok(())
    }

    fn serve(
        &self,
        service: RouterService,
        completed: Option<Arc<dyn Completed>>,
        shutdown: BoxFuture<'static, ()>,
    ) -> BoxFuture<'static, ()> {
        let (queue, clock) = (self.queue(service.consumer()), self.clock());
        Box::pin(async move {
            let worker = match Worker::on(queue, service) {
                Ok(worker) => worker,
                Err(error) => panic!("the queue is set up for its consumer: {error}"),
            };
            let worker = worker.configure(|host| match completed {
                Some(inbox) => host.clock(clock).completed(inbox),
                None => host.clock(clock),
            });
            if let Err(error) = worker.serve(shutdown).await {
                panic!("there is no port to open: {error}");
            }
        })
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }
}

fn value(attribute: Attribute) -> anyhow::Result<MessageAttributeValue> {
    let value = MessageAttributeValue::builder();
    Ok(match attribute {
        Attribute::Text {
            data_type,
            value: text,
        } => value.data_type(data_type).string_value(text),
        Attribute::Binary { value: bytes } => value.data_type("Binary").binary_value(Blob::new(bytes)),
    }
    .build()?)
}

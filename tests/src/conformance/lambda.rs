//! A function behind an event-source mapping, within the process: the same queues as [`LocalInProcess`]'s,
//! served through [`QueueMapping`] and the Lambda host.

use std::sync::Arc;
use std::time::Duration;

use fanfare::port::{BoxFuture, Completed, Publish};
use fanfare::{Attributes, Clock, RouterService, Topology};
use fanfare_lambda::Function;
use fanfare_local::Local;
use fanfare_local::mapping::QueueMapping;
use fanfare_worker::SqsQueue;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::local::{LocalInProcess, clock, local};
use super::{Sdk, Transport, World};
use crate::lambda::invoke;

/// How long an invocation may take: no longer than the suite's messages are hidden.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Queues whose consumers are Lambda functions.
#[derive(Clone, Copy, Debug)]
pub struct Lambda;

/// Topics and queues with mappings from them.
#[derive(Debug)]
pub struct Functions {
    local: Local,
    sdk: Sdk,
}

impl Transport for Lambda {
    type World = Functions;

    fn runtime(&self) -> std::io::Result<Runtime> {
        LocalInProcess.runtime()
    }

    async fn world(&self, topology: &Topology) -> anyhow::Result<Functions> {
        let clock = clock();
        let local = local(&clock, topology)?;
        let (config, account) = (local.sdk_config(), local.account());
        let sdk = Sdk::connect(config, account, clock, topology, JoinSet::new()).await?;
        Ok(Functions { local, sdk })
    }
}

impl World for Functions {
    type Queue = SqsQueue;

    fn publisher(&self) -> Arc<dyn Publish> {
        self.sdk.publisher()
    }

    fn queue(&self, consumer: &str) -> SqsQueue {
        self.sdk.queue(consumer)
    }

    fn dead_letters(&self, consumer: &str) -> SqsQueue {
        self.sdk.dead_letters(consumer)
    }

    async fn redrive(&self, consumer: &str) -> anyhow::Result<()> {
        self.sdk.redrive(consumer).await
    }

    async fn send(&self, consumer: &str, body: &str, attributes: Attributes) -> anyhow::Result<()> {
        self.sdk.send(consumer, body, attributes).await
    }

    fn serve(
        &self,
        service: RouterService,
        completed: Option<Arc<dyn Completed>>,
        shutdown: BoxFuture<'static, ()>,
    ) -> BoxFuture<'static, ()> {
        let (clock, queue) = (self.clock(), self.sdk.queue_of(service.consumer()));
        let mapping = QueueMapping::new(&self.local, queue).timeout(TIMEOUT);
        let function = Function::new(&self.local.sdk_config(), service).clock(clock.clone());
        let function = function.configure(|host| match completed {
            Some(inbox) => host.completed(inbox),
            None => host,
        });
        Box::pin(async move {
            let invoke = |event| invoke(&function, event, clock.now() + TIMEOUT);
            if let Err(error) = mapping.run(invoke, shutdown).await {
                panic!("the queue is set up for its function: {error}");
            }
        })
    }

    fn clock(&self) -> Clock {
        self.sdk.clock()
    }
}

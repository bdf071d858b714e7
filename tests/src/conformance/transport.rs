//! What the suite wants of a transport.

use std::future::Future;
use std::sync::Arc;

use fanfare::port::{BoxFuture, Completed, Publish, Queue};
use fanfare::{Attributes, Clock, RouterService, Topology};
use tokio::runtime::Runtime;

use super::Capabilities;

/// A way from publishers to consumers, to be held to the suite's promises.
pub trait Transport: Send + Sync + 'static {
    /// One set of topics and queues on it.
    type World: World;

    /// What it can't do, if anything.
    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    /// The runtime that a case runs on: by default on one thread, with real time.
    ///
    /// # Errors
    /// The system has no more resources.
    fn runtime(&self) -> std::io::Result<Runtime> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    }

    /// Makes the topics, queues and subscriptions of this topology. Called once for each case, on
    /// the case's runtime; two cases may have the same names and must not meet.
    fn world(&self, topology: &Topology) -> impl Future<Output = anyhow::Result<Self::World>>;
}

/// Topics and queues that were made for one case.
pub trait World: Send + Sync + 'static {
    /// How a consumer's queue is taken from.
    type Queue: Queue;

    /// Publishes to its topics and sends to its queues.
    fn publisher(&self) -> Arc<dyn Publish>;

    /// The queue of this consumer.
    fn queue(&self, consumer: &str) -> Self::Queue;

    /// The dead-letter queue of this consumer.
    fn dead_letters(&self, consumer: &str) -> Self::Queue;

    /// Moves all dead letters of this consumer back to its queue. Returns when they are moved.
    fn redrive(&self, consumer: &str) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Sends a message that needs be no event straight to this consumer's queue, a standard one.
    fn send(
        &self,
        consumer: &str,
        body: &str,
        attributes: Attributes,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Serves a consumer until `shutdown` resolves, as its host does in operation.
    fn serve(
        &self,
        service: RouterService,
        completed: Option<Arc<dyn Completed>>,
        shutdown: BoxFuture<'static, ()>,
    ) -> BoxFuture<'static, ()>;

    /// The clock that its messages' times come from.
    fn clock(&self) -> Clock;
}

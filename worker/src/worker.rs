//! A consumer on ECS.

use std::convert::Infallible;
use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;

use aws_types::SdkConfig;
use fanfare::host::{Host, Pulse};
use fanfare::port::Queue;
use fanfare::{Account, RouterService, Topology, queue_name};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::protection::Protection;
use crate::{ConnectError, ServeError, SqsQueue, health};

/// How long ending the protection may hold up the end of the process.
const UNPROTECT: Duration = Duration::from_secs(2);

/// Serves one consumer of an application from its queue on SQS: the [`Host`] of `fanfare`, with the
/// queue's own settings, health checks on a port, and ECS's scale-in protection while it works.
///
/// Serve several consumers in one process with a worker for each.
///
/// ```no_run
/// use fanfare::{App, Delivery, Failure, Handled, Router};
/// use fanfare_worker::{Worker, shutdown_signal};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
///
/// # async fn run(config: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::new("shop").consumer(Router::new("shipping").on::<OrderPlaced>(ship));
/// let (topology, mut services) = (app.topology()?, app.services()?);
/// let worker = Worker::connect(&config, &topology, services.remove(0)).await?;
/// worker
///     .configure(|host| host.concurrency(128))
///     .health(8080)
///     .serve(shutdown_signal())
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until it serves"]
pub struct Worker {
    host: Host<SqsQueue>,
    service: RouterService,
    health: Option<u16>,
    protection: Option<Protection>,
}

impl Worker {
    /// Finds the queue of the service's consumer and looks whether it is set up as the consumer
    /// expects. Where its visibility timeout or its number of receives differ, the worker goes by the
    /// queue and the log says so.
    ///
    /// # Errors
    /// The topology doesn't have the consumer, the queue isn't there or can't be asked
    /// ([`SqsQueue::connect`]), it has no dead-letter queue, or hides messages for less than 2 s, which
    /// no heartbeat keeps up with.
    pub async fn connect(
        config: &SdkConfig,
        topology: &Topology,
        service: RouterService,
    ) -> Result<Self, ConnectError> {
        let name = queue_of(topology, &service)?;
        let queue = SqsQueue::connect(config, &name).await?;
        Self::on(queue, service)
    }

    /// As [`connect`](Self::connect), in an account that knows where its queues are: two calls instead of
    /// four ([`SqsQueue::connect_in`]).
    ///
    /// # Errors
    /// As of [`connect`](Self::connect).
    pub async fn connect_in(
        config: &SdkConfig,
        account: &Account,
        topology: &Topology,
        service: RouterService,
    ) -> Result<Self, ConnectError> {
        let name = queue_of(topology, &service)?;
        let queue = SqsQueue::connect_in(config, account, &name).await?;
        Self::on(queue, service)
    }

    /// A worker on a queue that is connected already, such as one with another name than the
    /// topology's.
    ///
    /// # Errors
    /// As of [`connect`](Self::connect), about the queue's settings.
    pub fn on(queue: SqsQueue, service: RouterService) -> Result<Self, ConnectError> {
        let max_receives = check(&queue, &service)?;
        let mut policy = service.retry_policy();
        policy.max_receives = max_receives;
        let host = Host::of(queue.clone(), &service)
            .visibility_timeout(queue.visibility_timeout())
            .retry(policy);
        Ok(Self {
            host,
            service,
            health: None,
            protection: Protection::from_env(),
        })
    }

    /// Changes something about the host: how many messages at a time, how long to drain, the inbox to
    /// ask before a failure becomes a dead letter.
    pub fn configure(mut self, change: impl FnOnce(Host<SqsQueue>) -> Host<SqsQueue>) -> Self {
        self.host = change(self.host);
        self
    }

    /// Answers `GET /livez` (the loop turns) and `GET /readyz` (the last receive worked, and there is
    /// no shutdown) with 200 or 503 on this port of all IPv4 addresses; 0 takes any free one.
    pub fn health(mut self, port: u16) -> Self {
        self.health = Some(port);
        self
    }

    /// Takes this for the endpoint of the ECS agent rather than `$ECS_AGENT_URI`; nothing that is no
    /// URI of a host protects.
    pub fn ecs_agent(mut self, uri: &str) -> Self {
        self.protection = Protection::at(uri);
        self
    }

    /// Serves until `shutdown` resolves, and then until all is given back or done: see
    /// [`Host::serve`].
    ///
    /// Dropping the future stops at once, as a kill does.
    ///
    /// # Errors
    /// The port for health checks can't be opened; nothing was served then.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let listener = match self.health {
            Some(port) => Some(listen(port).await?),
            None => None,
        };
        let pulse = Pulse::new();
        let served = self.host.pulse(pulse.clone()).serve(self.service, shutdown);
        let checks = async {
            match listener {
                Some(listener) => health::serve(listener, pulse.clone()).await,
                None => std::future::pending().await,
            }
        };
        let protected = async {
            match &self.protection {
                Some(protection) => protection.run(&pulse).await,
                None => std::future::pending::<Infallible>().await,
            }
        };
        tokio::select! {
            biased;
            () = Box::pin(served) => {}
            never = checks => match never {},
            never = protected => match never {},
        }
        if let Some(protection) = &self.protection {
            // It would expire by itself.
            let _ = timeout(UNPROTECT, protection.set(false)).await;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("host", &self.host)
            .field("health", &self.health)
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

/// The name of the queue that a service is served from.
fn queue_of(topology: &Topology, service: &RouterService) -> Result<String, ConnectError> {
    let consumer = topology.consumer(service.consumer());
    let consumer = consumer.ok_or_else(|| ConnectError::NoConsumer {
        app: topology.app.clone(),
        consumer: service.consumer().to_owned(),
    })?;
    Ok(queue_name(&topology.app, &consumer.name, consumer.fifo))
}

async fn listen(port: u16) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.map_err(|source| ServeError::Health { port, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "health checks");
    }
    Ok(listener)
}

/// Holds the queue against what the consumer expects, and returns after how many receives the queue
/// gives a message up.
fn check(queue: &SqsQueue, service: &RouterService) -> Result<u32, ConnectError> {
    let (name, expected) = (queue.name(), service.queue());
    let problem = |problem: String| ConnectError::Settings {
        queue: name.to_owned(),
        problem,
    };
    let visibility = queue.visibility_timeout();
    if visibility < Duration::from_secs(2) {
        return Err(problem(format!(
            "it hides messages for {} s only, which no heartbeat keeps up with: set its visibility timeout \
             to {} s",
            visibility.as_secs(),
            expected.visibility_timeout.as_secs()
        )));
    }
    let Some(max_receives) = queue.max_receives() else {
        return Err(problem(
            "it has no dead-letter queue, so that what can't be handled would come again for ever: set its \
             redrive policy"
                .to_owned(),
        ));
    };
    let consumer = service.consumer();
    if visibility != expected.visibility_timeout {
        tracing::warn!(
            consumer,
            queue = name,
            deployed = ?visibility,
            expected = ?expected.visibility_timeout,
            "the queue's visibility timeout differs from the consumer's settings: going by the queue; deploy again"
        );
    }
    if max_receives != expected.max_receives {
        tracing::warn!(
            consumer,
            queue = name,
            deployed = max_receives,
            expected = expected.max_receives,
            "the queue's maxReceiveCount differs from the consumer's settings: going by the queue; deploy again"
        );
    }
    Ok(max_receives)
}

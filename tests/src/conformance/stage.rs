//! What a case acts on, and how it looks at the outcome.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fanfare::port::DEAD_LETTER_ATTRIBUTE;
use fanfare::port::{Completed, Publish, Queue, QueueError, Received};
use fanfare::{Attribute, Attributes, Clock, Command, Draft, Event, Outgoing, Router};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fixture;
use super::{Capabilities, Capability, Transport, World};

/// Within this time all that is to happen has happened.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest wait that SQS takes.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

pub(super) async fn each<T>(results: Vec<Result<(), T>>, what: &str) -> anyhow::Result<()>
where
    T: std::error::Error + Send + Sync + 'static,
{
    for (index, result) in results.into_iter().enumerate() {
        result.with_context(|| format!("{what}, entry {index}"))?;
    }
    Ok(())
}

/// Runs a case in a world of its own, or says why not.
pub(super) fn run<T: Transport>(
    transport: &T,
    name: &str,
    needs: &[Capability],
    case: impl AsyncFnOnce(Stage<T::World>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let capabilities = transport.capabilities();
    if let Some((missing, reason)) = capabilities.missing(needs) {
        println!("{name} is left out, for it needs {missing:?}: {reason}");
        return Ok(());
    }
    transport.runtime()?.block_on(async {
        let world = transport.world(&fixture::topology()?).await?;
        case(Stage {
            world: Arc::new(world),
            capabilities,
        })
        .await
        .with_context(|| name.to_owned())
    })
}

/// A world with what the cases do in it.
#[derive(Debug)]
pub struct Stage<W> {
    world: Arc<W>,
    capabilities: Capabilities,
}

pub(super) type Message<W> = Received<<<W as World>::Queue as Queue>::Receipt>;

impl<W: World> Stage<W> {
    pub(super) fn world(&self) -> &W {
        &self.world
    }

    pub(super) fn clock(&self) -> Clock {
        self.world.clock()
    }

    pub(super) fn event<E: Event>(&self, event: &E) -> anyhow::Result<Outgoing> {
        Ok(Draft::event(event)?.first("/test", &self.clock()))
    }

    pub(super) fn command<C: Command>(&self, command: &C) -> anyhow::Result<Outgoing> {
        Ok(Draft::command(command)?.first("/test", &self.clock()))
    }

    /// Publishes, and wants every entry confirmed.
    pub(super) async fn publish(&self, outgoing: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        let outgoing: Vec<_> = outgoing.into_iter().collect();
        let entries = outgoing.len();
        let results = self.world.publisher().publish(outgoing).await;
        ensure!(
            results.len() == entries,
            "{} results for {entries} entries",
            results.len()
        );
        each(results, "publish").await
    }

    /// Publishes one event.
    pub(super) async fn emit<E: Event>(&self, event: &E) -> anyhow::Result<Outgoing> {
        let outgoing = self.event(event)?;
        self.publish([outgoing.clone()]).await?;
        Ok(outgoing)
    }

    /// Sends a body to the standard queue of `billing`.
    pub(super) async fn send(&self, body: &str, attributes: Attributes) -> anyhow::Result<()> {
        self.world.send("billing", body, attributes).await
    }

    /// Receives one message, waiting for it.
    pub(super) async fn one(&self, queue: &W::Queue) -> anyhow::Result<Message<W>> {
        let mut messages = self.some(queue, 1).await?;
        messages.pop().context("no message")
    }

    /// Receives until there are this many, in the order in which they come, and settles none.
    pub(super) async fn some(&self, queue: &W::Queue, count: usize) -> anyhow::Result<Vec<Message<W>>> {
        let start = Instant::now();
        let mut messages = Vec::new();
        while messages.len() < count {
            let left = PATIENCE.saturating_sub(start.elapsed());
            if left.is_zero() {
                bail!("{} of {count} messages came within {PATIENCE:?}", messages.len());
            }
            let received = queue.receive((count - messages.len()).min(10), left).await?;
            if received.is_empty() {
                // A transport that looks less long than asked may come back at once.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            messages.extend(received);
        }
        Ok(messages)
    }

    /// Wants no message for this long.
    pub(super) async fn none(&self, queue: &W::Queue, time: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            let wait = left.min(LONGEST_WAIT);
            if let Some(message) = queue.receive(1, wait).await?.first() {
                bail!(
                    "a message came after {:?}: {}",
                    start.elapsed(),
                    message.message.body
                );
            }
            // As above.
            if start.elapsed() < time {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// Wants a message to come at this time since `start` and not earlier.
    pub(super) async fn comes_at(
        &self,
        queue: &W::Queue,
        start: Instant,
        time: Duration,
    ) -> anyhow::Result<Message<W>> {
        let message = self.one(queue).await?;
        let came = start.elapsed();
        let allowed = self.capabilities.allowed_lateness();
        ensure!(
            time.saturating_sub(allowed) <= came && came <= time + allowed,
            "it came after {came:?}, and not after {time:?}"
        );
        Ok(message)
    }

    pub(super) async fn delete(&self, queue: &W::Queue, message: &Message<W>) -> anyhow::Result<()> {
        each(queue.delete(vec![message.receipt.clone()]).await, "delete").await
    }

    pub(super) async fn release(
        &self,
        queue: &W::Queue,
        message: &Message<W>,
        after: Duration,
    ) -> anyhow::Result<()> {
        each(
            queue.release(vec![(message.receipt.clone(), after)]).await,
            "release",
        )
        .await
    }

    /// Serves a consumer until the guard is stopped.
    pub(super) fn serve(
        &self,
        router: Router,
        completed: Option<Arc<dyn Completed>>,
    ) -> anyhow::Result<Serving> {
        let (stop, stopped) = oneshot::channel::<()>();
        let host = self.world.serve(
            router.into_service()?,
            completed,
            Box::pin(async {
                // A sender that is gone asks to stop as well.
                let _ = stopped.await;
            }),
        );
        Ok(Serving {
            stop,
            host: tokio::spawn(host),
        })
    }
}

/// A host at work.
#[derive(Debug)]
pub(super) struct Serving {
    stop: oneshot::Sender<()>,
    host: JoinHandle<()>,
}

impl Serving {
    /// Asks it to stop, and waits for its end.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        // A host that has ended by itself needs no word.
        let _ = self.stop.send(());
        Ok(self.host.await?)
    }
}

/// Looks again and again until it is so.
pub(super) async fn until(what: &str, mut so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !so() {
        ensure!(
            start.elapsed() < 3 * PATIENCE,
            "not within {:?}: {what}",
            3 * PATIENCE
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

pub(super) fn is_not_held(result: &Result<(), QueueError>) -> bool {
    matches!(result, Err(QueueError::NotHeld { .. }))
}

/// Reads the event in a message.
pub(super) fn read<E: Event, R>(received: &Received<R>) -> anyhow::Result<E> {
    let (envelope, _) = fanfare::wire::parse(&received.message.body)?;
    ensure!(envelope.ty() == E::TYPE, "a {} and no {}", envelope.ty(), E::TYPE);
    Ok(envelope.decode()?)
}

/// Why a message is a dead letter, as it says itself.
pub(super) fn reason(attributes: &Attributes) -> Option<String> {
    let told = attributes.get(DEAD_LETTER_ATTRIBUTE).and_then(Attribute::text)?;
    let told: serde_json::Value = serde_json::from_str(told).ok()?;
    told["reason"].as_str().map(str::to_owned)
}

/// The id of the event in a message.
pub(super) fn event_id<R>(received: &Received<R>) -> anyhow::Result<String> {
    Ok(fanfare::wire::parse(&received.message.body)?.0.id().to_owned())
}

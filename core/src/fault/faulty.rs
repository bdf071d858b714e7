//! Ports under a fault plan.

use std::time::Duration;

use super::{Call, Fault, FaultPlan, Life};
use crate::Outgoing;
use crate::port::{BoxFuture, DeadLetter, Publish, PublishError, Queue, QueueError, Received};

const CALL: [Fault; 5] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::DelayReply,
    Fault::Throttle,
    Fault::Kill,
];

/// A [`Publish`] or [`Queue`] whose calls meet the plan's faults on behalf of one host's [`Life`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use fanfare::fault::{Fault, FaultPlan, Faulty, Life};
/// use fanfare::memory::{Broker, Entry, MemoryQueue, QueueSettings};
/// use fanfare::port::Queue;
///
/// let broker = Broker::default();
/// broker.create_queue("billing", QueueSettings::default())?;
/// broker.send("billing", Entry::new("order 17"))?;
///
/// let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::Throttle, 1.0);
/// let queue = Faulty::new(MemoryQueue::new(broker, "billing"), plan.clone(), Life::default());
/// assert!(queue.receive(10, Duration::ZERO).await.is_err());
/// plan.stop();
/// assert_eq!(queue.receive(10, Duration::ZERO).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Faulty<P> {
    inner: P,
    plan: FaultPlan,
    life: Life,
}

impl<P> Faulty<P> {
    /// Puts `inner` under the plan for this life of a host.
    pub fn new(inner: P, plan: FaultPlan, life: Life) -> Self {
        Self { inner, plan, life }
    }

    /// Leaves some entries of a batch out, as a service does that answers one in part: says which.
    /// At least one is left out, and one is not.
    fn left_out(&self, call: &str, entries: usize) -> Vec<bool> {
        if entries < 2 || self.plan.draw(call, &[Fault::PartialBatch]).is_none() {
            return vec![false; entries];
        }
        let mut out: Vec<_> = (0..entries).map(|_| self.plan.below(2) == 1).collect();
        if out.iter().all(|entry| *entry == out[0]) {
            let other = usize::try_from(self.plan.below(entries as u64)).unwrap_or_default();
            out[other] = !out[other];
        }
        out
    }

    /// Makes a batch call under the plan, one result per entry.
    async fn batch<E, T, F, R>(
        &self,
        call: &str,
        entries: Vec<E>,
        make: impl FnOnce(Vec<E>) -> F,
        refuse: impl Fn(usize, &'static str) -> R,
    ) -> Vec<Result<T, R>>
    where
        F: Future<Output = Vec<Result<T, R>>>,
    {
        self.life.check().await;
        let left_out = self.left_out(call, entries.len());
        let taken = entries.into_iter().zip(&left_out);
        let taken = taken.filter_map(|(entry, out)| (!out).then_some(entry)).collect();
        // Made within: some ports act before their future is first polled.
        let made = async { make(taken).await };
        let (mut results, otherwise) = match self.plan.around(&self.life, call, &CALL, made).await {
            Call::Answered(results) => (results.into_iter(), "no answer for this entry"),
            Call::Lost => (Vec::new().into_iter(), "no answer"),
            Call::Throttled => (Vec::new().into_iter(), "throttled"),
        };
        left_out
            .into_iter()
            .enumerate()
            .map(|(entry, out)| match out {
                true => Err(refuse(entry, "this entry of the batch failed")),
                false => results.next().unwrap_or_else(|| Err(refuse(entry, otherwise))),
            })
            .collect()
    }
}

impl<P: Publish> Publish for Faulty<P> {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        let to: Vec<_> = outgoing
            .iter()
            .map(|outgoing| outgoing.destination.to_string())
            .collect();
        Box::pin(self.batch(
            "publish",
            outgoing,
            |outgoing| self.inner.publish(outgoing),
            move |entry, reason| PublishError::Retryable {
                destination: to[entry].clone(),
                reason: reason.into(),
                source: None,
            },
        ))
    }
}

fn refused(call: &'static str) -> impl Fn(usize, &'static str) -> QueueError {
    move |_, reason| QueueError::Retryable {
        call,
        queue: "faulty".into(),
        reason: reason.into(),
    }
}

impl<Q: Queue> Queue for Faulty<Q> {
    type Receipt = Q::Receipt;

    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<Q::Receipt>>, QueueError> {
        let receive = async { self.inner.receive(max, wait).await };
        match self.plan.around(&self.life, "receive", &CALL, receive).await {
            Call::Answered(received) => received,
            Call::Lost => Err(refused("receive")(0, "no answer")),
            Call::Throttled => Err(refused("receive")(0, "throttled")),
        }
    }

    async fn delete(&self, receipts: Vec<Q::Receipt>) -> Vec<Result<(), QueueError>> {
        self.batch(
            "delete",
            receipts,
            |receipts| self.inner.delete(receipts),
            refused("delete"),
        )
        .await
    }

    async fn extend(&self, receipts: Vec<(Q::Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.batch(
            "extend",
            receipts,
            |receipts| self.inner.extend(receipts),
            refused("extend"),
        )
        .await
    }

    async fn release(&self, receipts: Vec<(Q::Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.batch(
            "release",
            receipts,
            |receipts| self.inner.release(receipts),
            refused("release"),
        )
        .await
    }

    async fn dead_letter(
        &self,
        letters: Vec<(Received<Q::Receipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        self.batch(
            "dead_letter",
            letters,
            |letters| self.inner.dead_letter(letters),
            refused("dead_letter"),
        )
        .await
    }
}

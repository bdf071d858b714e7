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
    fn left_out(&self, call: &str, entries: usize) -> Vec<bool> {
        let some = entries > 1 && self.plan.draw(call, &[Fault::PartialBatch]).is_some();
        (0..entries).map(|_| some && self.plan.below(2) == 1).collect()
    }

    /// Makes a batch call under the plan, one result per entry.
    async fn batch<E, T, F, R>(
        &self,
        call: &str,
        entries: Vec<E>,
        make: impl FnOnce(Vec<E>) -> F,
        refuse: impl Fn(&'static str) -> R,
    ) -> Vec<Result<T, R>>
    where
        F: Future<Output = Vec<Result<T, R>>>,
    {
        self.life.check().await;
        let left_out = self.left_out(call, entries.len());
        let mut made = Vec::with_capacity(entries.len());
        for (entry, out) in entries.into_iter().zip(&left_out) {
            if !out {
                made.push(entry);
            }
        }
        let count = made.len();
        let mut results = match self.plan.around(&self.life, call, &CALL, make(made)).await {
            Call::Answered(results) => results.into_iter(),
            Call::Lost => (0..count)
                .map(|_| Err(refuse("no answer")))
                .collect::<Vec<_>>()
                .into_iter(),
            Call::Throttled => (0..count)
                .map(|_| Err(refuse("throttled")))
                .collect::<Vec<_>>()
                .into_iter(),
        };
        left_out
            .into_iter()
            .map(|out| match out {
                true => Err(refuse("this entry of the batch failed")),
                false => results
                    .next()
                    .unwrap_or_else(|| Err(refuse("no answer for this entry"))),
            })
            .collect()
    }
}

impl<P: Publish> Publish for Faulty<P> {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        let destination = outgoing
            .first()
            .map(|first| first.destination.to_string())
            .unwrap_or_default();
        Box::pin(self.batch(
            "publish",
            outgoing,
            |outgoing| self.inner.publish(outgoing),
            move |reason| PublishError::Retryable {
                destination: destination.clone(),
                reason: reason.into(),
                source: None,
            },
        ))
    }
}

fn refused(call: &'static str) -> impl Fn(&'static str) -> QueueError {
    move |reason| QueueError::Retryable {
        call,
        queue: "faulty".into(),
        reason: reason.into(),
    }
}

impl<Q: Queue> Queue for Faulty<Q> {
    type Receipt = Q::Receipt;

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<Q::Receipt>>, QueueError> {
        match self
            .plan
            .around(&self.life, "receive", &CALL, self.inner.receive(max, wait))
            .await
        {
            Call::Answered(received) => received,
            Call::Lost => Err(refused("receive")("no answer")),
            Call::Throttled => Err(refused("receive")("throttled")),
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

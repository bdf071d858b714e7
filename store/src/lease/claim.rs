//! A claim that is held: what an effect gets to see of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fanfare::{Context, Lose, Lost, derived_id};
use tokio::time::Instant;

use super::update::{Claimed, Updated};
use crate::Complete;
use crate::record::Millis;
use crate::record::inbox::InboxRecord;
use crate::store::Shared;

/// A held lease, in the hands of its effect. Clones are the same claim.
///
/// It is renewed for as long as the effect runs. It never makes a call when it is dropped: a claim
/// that is dropped half-way ends by itself when its time is up.
#[derive(Clone, Debug)]
pub struct Claim {
    pub(crate) held: Arc<Held>,
}

#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: Context,
    pub(crate) owner: String,
    pub(crate) fence: u64,
    pub(crate) first_claimed_at: Millis,
    idempotency_key: String,
    ttl: Duration,
    /// When the claim ends that the record shows, on tokio's clock.
    until: Instant,
    lose: Lose,
    lost: Lost,
    /// The number of the claim that was found in place of this one.
    taken_by: AtomicU64,
    completed: AtomicBool,
}

impl Claim {
    pub(super) fn new(shared: Arc<Shared>, context: Context, ttl: Duration, claimed: Claimed) -> Self {
        let key = context.dedupe_key();
        let (lose, lost) = Lost::new();
        let left = claimed.until.since(Millis::now(&shared.clock));
        Self {
            held: Arc::new(Held {
                idempotency_key: derived_id(&[&key.consumer, &key.source, &key.id]),
                until: Instant::now() + left,
                owner: claimed.owner,
                fence: claimed.fence,
                first_claimed_at: claimed.first_claimed_at,
                shared,
                context,
                ttl,
                lose,
                lost,
                taken_by: AtomicU64::new(0),
                completed: AtomicBool::new(false),
            }),
        }
    }

    /// The key to give to the other side: the same in every attempt at this event by this consumer, on
    /// whatever host (a UUIDv5 of the dedupe key).
    pub fn idempotency_key(&self) -> &str {
        &self.held.idempotency_key
    }

    /// The fencing token: 1 for the first claim, and larger with each further one. Another side that
    /// remembers the largest it has seen can refuse a holder that was paused and has lost its claim.
    pub fn fence(&self) -> u64 {
        self.held.fence
    }

    /// Resolves when the claim is lost: somebody took it over, or it could not be renewed in time, or
    /// the host lost the message. Stop what can be stopped then; [`complete`](Self::complete) will most
    /// likely refuse. Safe to cancel.
    pub async fn lost(&self) {
        tokio::select! {
            biased;
            () = self.held.lost.lost() => {}
            () = self.held.context.lost().lost() => {}
        }
    }

    /// Starts the completion: one transaction that says that the effect was made, and writes what
    /// follows from it, provided that the claim is still held. See [`Complete::commit`].
    pub fn complete(&self) -> Complete {
        Complete::new(self.clone())
    }

    /// Whether [`complete`](Self::complete) was committed.
    pub(super) fn is_completed(&self) -> bool {
        self.held.completed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_completed(&self) {
        self.held.completed.store(true, Ordering::Relaxed);
    }

    /// The number of the claim that took this one's place, if that was seen.
    pub(crate) fn taken_by(&self) -> Option<u64> {
        match self.held.taken_by.load(Ordering::Relaxed) {
            0 => None,
            fence => Some(fence),
        }
    }

    /// Renews the claim for as long as it is polled, every third of its time; after a failure sooner.
    /// Once it is lost, or completed, there is nothing more to do.
    pub(super) async fn keep(&self) -> Infallible {
        let held = &*self.held;
        let mut until = held.until;
        let mut pause = held.ttl / 3;
        loop {
            let renewal = async {
                tokio::time::sleep(pause).await;
                let until = Millis::now(&held.shared.clock).plus(held.ttl);
                (Instant::now() + held.ttl, held.renew(until).await)
            };
            match tokio::time::timeout_at(until, renewal).await {
                Ok((renewed, Ok(Updated::Done(_)))) => {
                    until = renewed;
                    pause = held.ttl / 3;
                }
                Ok((_, Ok(Updated::Refused(record)))) if !self.is_ours(record.as_ref()) => {
                    self.taken_over(record);
                    break;
                }
                // Done by a completion; or a renewal that was believed lost has arrived after all.
                Ok((_, Ok(Updated::Refused(_)))) => pause = held.ttl / 3,
                // Whoever reads the record now may take the claim over.
                Err(_elapsed) if self.is_completed() => break,
                Err(_elapsed) => {
                    tracing::warn!(
                        event = held.context.envelope().id(),
                        fence = held.fence,
                        "a lease has run out: it could not be renewed in time"
                    );
                    held.lose.raise();
                    break;
                }
                Ok((_, Err(error))) => {
                    tracing::debug!(event = held.context.envelope().id(), %error, "a lease could not be renewed yet");
                    pause = held.ttl / 12;
                }
            }
        }
        std::future::pending().await
    }

    fn is_ours(&self, record: Option<&InboxRecord>) -> bool {
        record.is_some_and(|record| record.owner.as_ref() == Some(&self.held.owner))
    }

    /// A renewal found the record in other hands, or none.
    fn taken_over(&self, record: Option<InboxRecord>) {
        let held = &*self.held;
        let now = record.map_or(0, |record| record.fence);
        tracing::warn!(
            event = held.context.envelope().id(),
            fence = held.fence,
            now,
            "a lease was taken over while its effect was running"
        );
        held.taken_by.store(now.max(1), Ordering::Relaxed);
        held.lose.raise();
    }
}

//! A lease, for effects outside the table.

mod claim;
mod complete;
mod error;
mod update;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fanfare::port::BoxFuture;
use fanfare::{Advice, Context, Delivery, Failure, Handled};
use futures_util::FutureExt;

pub use claim::Claim;
pub use complete::Complete;
pub use error::LeaseError;

use crate::Inbox;
use crate::commit::lost;
use crate::record::Millis;
use crate::store::Shared;

type Effect<'a, T> = Box<dyn FnOnce(Claim) -> BoxFuture<'a, Result<T, Failure>> + Send + 'a>;

/// A lease on the handling of one delivery, made by [`Inbox::lease`]. Await it to run the effect.
#[must_use = "nothing happens before it is awaited"]
pub struct Lease<'a> {
    shared: Arc<Shared>,
    context: Context,
    ttl: Duration,
    effect: Effect<'a, Handled>,
    key_valid_for: Option<Duration>,
    reconcile: Option<Effect<'a, Option<Handled>>>,
}

impl Inbox {
    /// Runs an effect outside the table under a lease, so that hosts don't run it side by side: a card
    /// is charged, a mail is sent.
    ///
    /// The delivery's inbox record is claimed for `ttl`, and the claim is renewed every third of that
    /// while `effect` runs. The effect completes it by [`Claim::complete`]; one that succeeds without
    /// is completed with nothing else written. When it fails or panics the claim is given back, so that
    /// the retry can run at once. A `ttl` of some ten times the slowest call on DynamoDB is right, 30 s
    /// say: it is how long a crash delays the next attempt.
    ///
    /// - Handled before: [`Handled::Duplicate`], and the effect isn't run.
    /// - Held by another: a failure with [`Advice::Held`] for the time it has left and the
    ///   [skew](crate::Store::skew); no failed attempt of this message.
    /// - Its holder is gone: taken over once its time and the skew have passed by this host's clock.
    ///
    /// # What holds
    ///
    /// A lease can't make an effect outside the table happen exactly once, nor can anything else on
    /// this side. **Two effects can overlap**: when a holder pauses for longer than its lease (a
    /// stopped process, a slow network), or when clocks differ by more than the skew, another host
    /// takes over while the first one's effect is still under way. And a host that is killed between
    /// its effect and the completion leaves an effect that the next attempt makes again. What is
    /// certain is that at most one attempt is completed, with what it writes and emits: the completion
    /// is one transaction on the condition that the claim is still held.
    ///
    /// So give the other side [`Claim::idempotency_key`], which every attempt at this event shares.
    /// The effect happens **exactly once where the other side honours that key, for as long as it
    /// remembers it**. Say for how long by [`key_valid_for`](Lease::key_valid_for).
    ///
    /// ```
    /// use std::time::Duration;
    /// use fanfare::{Delivery, Failure, Handled};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct OrderPlaced { order: String, cents: u64 }
    /// # impl fanfare::Event for OrderPlaced {
    /// #     const TYPE: &'static str = "order.placed";
    /// #     const TOPIC: &'static str = "orders";
    /// # }
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct PaymentCharged { order: String, receipt: String }
    /// # impl fanfare::Event for PaymentCharged {
    /// #     const TYPE: &'static str = "payment.charged";
    /// #     const TOPIC: &'static str = "payments";
    /// # }
    /// # struct Provider;
    /// # impl Provider {
    /// #     async fn charge(&self, key: &str, cents: u64) -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # }
    ///
    /// struct Payment {
    ///     inbox: fanfare_store::Inbox,
    ///     provider: Provider,
    /// }
    ///
    /// impl Payment {
    ///     async fn handle(&self, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    ///         self.inbox
    ///             .lease(&placed, Duration::from_secs(30), async |claim| {
    ///                 let receipt = self.provider.charge(claim.idempotency_key(), placed.cents).await?;
    ///                 let charged = PaymentCharged { order: placed.order.clone(), receipt };
    ///                 Ok(claim.complete().emit(&charged).result(&charged.receipt).commit().await?)
    ///             })
    ///             .key_valid_for(Duration::from_secs(24 * 60 * 60))
    ///             .await
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// What the effect failed with, [`CommitError`](crate::CommitError) (`Held`, `TooOld`, `Lost`,
    /// `LeaseLost`, ...), [`LeaseError`] or [`StoreError`](crate::StoreError), each as a [`Failure`].
    ///
    /// # Cancellation
    /// Dropping the future drops the effect's at its current await and makes no call: the claim ends by
    /// itself, and the next attempt waits for that.
    pub fn lease<'a, E, F, R>(&self, delivery: &Delivery<E>, ttl: Duration, effect: F) -> Lease<'a>
    where
        F: FnOnce(Claim) -> R + Send + 'a,
        R: Future<Output = Result<Handled, Failure>> + Send + 'a,
    {
        Lease {
            shared: self.shared.clone(),
            context: delivery.context().clone(),
            ttl,
            effect: Box::new(|claim| Box::pin(effect(claim))),
            key_valid_for: None,
            reconcile: None,
        }
    }
}

impl<'a> Lease<'a> {
    /// How long the other side honours an idempotency key, less the time that an effect may take. An
    /// attempt that starts later than this (less the [skew](crate::Store::skew)) after the first one
    /// doesn't run the effect: it might be made twice. It asks [`reconcile`](Self::reconcile), or ends
    /// terminal as [`LeaseError::OutcomeUnknown`]. Without it, a key is taken to be honoured for ever.
    pub fn key_valid_for(mut self, valid_for: Duration) -> Self {
        self.key_valid_for = Some(valid_for);
        self
    }

    /// What finds out whether the effect of an earlier attempt was made, for one that may have been
    /// forgotten by the other side ([`key_valid_for`](Self::key_valid_for)): it asks the other side,
    /// and answers `Some` when it was (after having completed the claim, if something follows from it)
    /// and `None` when it surely was not: then the effect is run. The claim is held and renewed
    /// meanwhile.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use fanfare::{Delivery, Failure, Handled};
    /// # async fn was_charged(_: &str) -> Result<bool, std::io::Error> { Ok(true) }
    /// # async fn charge(_: &str) -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn handle<E: Sync>(inbox: &fanfare_store::Inbox, delivery: &Delivery<E>) -> Result<Handled, Failure> {
    /// inbox
    ///     .lease(delivery, Duration::from_secs(30), async |claim| {
    ///         charge(claim.idempotency_key()).await?;
    ///         Ok(claim.complete().commit().await?)
    ///     })
    ///     .key_valid_for(Duration::from_secs(24 * 60 * 60))
    ///     .reconcile(async |claim| match was_charged(claim.idempotency_key()).await? {
    ///         true => Ok(Some(claim.complete().commit().await?)),
    ///         false => Ok(None),
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn reconcile<F, R>(mut self, reconcile: F) -> Self
    where
        F: FnOnce(Claim) -> R + Send + 'a,
        R: Future<Output = Result<Option<Handled>, Failure>> + Send + 'a,
    {
        self.reconcile = Some(Box::new(|claim| Box::pin(reconcile(claim))));
        self
    }

    async fn run(self) -> Result<Handled, Failure> {
        if self.context.lost().is_lost() {
            return Err(lost(&self.context).into());
        }
        let expires_at = self.shared.expiry(&self.context)?;
        let claimed = self.shared.claim(&self.context, self.ttl, expires_at).await?;
        let Some(claimed) = claimed else {
            return Ok(Handled::Duplicate);
        };
        let claim = Claim::new(self.shared, self.context, self.ttl, claimed);
        if let Some(expired) = claim.outcome_unknown(self.key_valid_for) {
            let Some(reconcile) = self.reconcile else {
                claim.held.release().await;
                return Err(expired.into());
            };
            match claim.hold(reconcile(claim.clone())).await {
                Ok(None) => {}
                Ok(Some(handled)) => return claim.finish(Ok(handled)).await,
                Err(failure) => return claim.finish(Err(failure)).await,
            }
        }
        let result = claim.hold((self.effect)(claim.clone())).await;
        claim.finish(result).await
    }
}

impl<'a> IntoFuture for Lease<'a> {
    type Output = Result<Handled, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("event", &self.context.envelope().id())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl Claim {
    /// Whether an earlier attempt may have made the effect so long ago that the other side has
    /// forgotten its key.
    fn outcome_unknown(&self, key_valid_for: Option<Duration>) -> Option<LeaseError> {
        let valid_for = key_valid_for?;
        let since = Millis::now(&self.held.shared.clock).since(self.held.first_claimed_at);
        let forgotten = self.fence() > 1 && since + self.held.shared.skew > valid_for;
        forgotten.then(|| LeaseError::OutcomeUnknown {
            event: self.held.context.envelope().id().to_owned(),
            since,
            valid_for,
            advice: Advice::Terminal,
        })
    }

    /// Runs something and renews the claim meanwhile, in the same task: neither outlives the other. A
    /// panic gives the claim back and goes on.
    async fn hold<T>(&self, work: impl Future<Output = T>) -> T {
        let work = pin!(AssertUnwindSafe(work).catch_unwind());
        let renewals = pin!(self.keep());
        let done = tokio::select! {
            biased;
            done = work => done,
            never = renewals => match never {},
        };
        match done {
            Ok(done) => done,
            Err(panic) => {
                self.held.release().await;
                resume_unwind(panic)
            }
        }
    }

    /// Completes what has succeeded and isn't completed yet; gives back what has failed.
    async fn finish(self, result: Result<Handled, Failure>) -> Result<Handled, Failure> {
        if self.is_completed() {
            return result;
        }
        match result {
            Ok(handled) => match self.complete().commit().await {
                Ok(_) => Ok(handled),
                Err(error) => Err(self.give_back(error.into()).await),
            },
            Err(failure) => Err(self.give_back(failure).await),
        }
    }

    async fn give_back(&self, failure: Failure) -> Failure {
        if self.taken_by().is_none() {
            self.held.release().await;
        }
        failure
    }
}

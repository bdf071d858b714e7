//! Making a commit's transaction: until it is made or refused, or the tries are used up.

use fanfare::{BoxError, Context, Outgoing};

use super::judge::Judgement;
use super::plan::Plan;
use crate::record::Item;
use crate::store::Shared;
use crate::{CommitError, Mutation};

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It is written.
    Written,
    /// It isn't, since the guard's condition failed on this item of somebody else.
    Guarded(Option<Item>),
    /// It isn't, since another one was at the guard's record each time.
    GuardBusy { tries: u32, reason: String },
}

impl Plan {
    /// Adds what is emitted and sent, and makes the transaction. `context` is the delivery that it is
    /// made for: it is given up once that is lost.
    ///
    /// Dropping the future leaves open whether it is made.
    pub(crate) async fn commit(
        mut self,
        shared: &Shared,
        context: Option<&Context>,
        outgoing: Vec<Outgoing>,
    ) -> Result<Sent, CommitError> {
        if shared.is(Mutation::OutboxOutsideTransaction) {
            let mut outside = Self::new(shared);
            outside.outgoing(shared, outgoing)?;
            let sent = self.send(shared, context).await?;
            if matches!(sent, Sent::Written) && !outside.actions.is_empty() {
                outside.send(shared, None).await?;
            }
            return Ok(sent);
        }
        self.outgoing(shared, outgoing)?;
        self.mark(shared)?;
        self.send(shared, context).await
    }

    /// Makes the transaction. Every try has the same token and the same content, so that at most one
    /// takes effect, and an earlier try's own record shows that it did.
    async fn send(mut self, shared: &Shared, context: Option<&Context>) -> Result<Sent, CommitError> {
        if self.actions.is_empty() {
            return Ok(Sent::Written);
        }
        self.check(shared)?;
        let policy = shared.transact;
        let tries = policy.tries.max(1);
        let mut unknown: Option<BoxError> = None;
        let mut refused = (String::new(), false);
        for attempt in 1..=tries {
            if let Some(context) = context.filter(|context| context.lost().is_lost()) {
                return Err(match unknown {
                    Some(source) => CommitError::NoAnswer {
                        tries: attempt - 1,
                        source,
                    },
                    None => lost(context),
                });
            }
            let call = shared
                .client
                .transact_write_items()
                .set_transact_items(Some(self.actions.clone()))
                .client_request_token(&self.commit);
            let judgement = match shared.call(call.send()).await {
                Ok(_) => Judgement::Written,
                Err(error) => self.judge(error),
            };
            match judgement {
                Judgement::Written => {
                    shared.wake.tell(std::mem::take(&mut self.fresh));
                    return Ok(Sent::Written);
                }
                Judgement::Guarded(item) => return Ok(Sent::Guarded(item)),
                Judgement::Refused(error) => return Err(error),
                Judgement::InTheWay { reason, guard } => refused = (reason, guard),
                Judgement::NoAnswer(error) => unknown = Some(error),
            }
            tracing::debug!(commit = %self.commit, attempt, reason = %refused.0, "the transaction is tried again");
            if attempt < tries {
                tokio::time::sleep(policy.backoff.delay(attempt)).await;
            }
        }
        match (unknown, refused) {
            (Some(source), _) => Err(CommitError::NoAnswer { tries, source }),
            (None, (reason, true)) => Ok(Sent::GuardBusy { tries, reason }),
            (None, (reason, false)) => Err(CommitError::Conflict { tries, reason }),
        }
    }
}

pub(crate) fn lost(context: &Context) -> CommitError {
    CommitError::Lost {
        event: context.envelope().id().to_owned(),
    }
}

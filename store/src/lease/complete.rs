//! Completing a claim.

use std::sync::Arc;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Update};
use fanfare::Handled;
use serde::Serialize;

use super::update::{HELD, HELD_NAMES, own};
use crate::commit::{Effects, Plan, Sent, effects};
use crate::once::take_write;
use crate::record::inbox::{self, InboxRecord, State};
use crate::record::{EXPIRES_AT, Millis, number, text};
use crate::{Claim, CommitError, Mutation};

/// The completion of a lease, made by [`Claim::complete`]: that the effect was made, and what follows
/// from it, in one transaction that is refused once the claim is no longer held.
#[derive(Debug)]
#[must_use = "nothing is written before `commit` is awaited"]
pub struct Complete {
    claim: Claim,
    effects: Effects,
    result: Option<Result<String, serde_json::Error>>,
}

impl Complete {
    pub(super) fn new(claim: Claim) -> Self {
        Self {
            claim,
            effects: Effects::default(),
            result: None,
        }
    }

    effects!();

    /// What the effect gave, for [`Inbox::result`](crate::Inbox::result) to return on a repeat. Stored
    /// as JSON with the inbox record, for as long as that is kept, within the 400 KB of an item.
    pub fn result<T: Serialize>(mut self, result: &T) -> Self {
        self.result = Some(serde_json::to_string(result));
        self
    }

    /// Makes the completion; [`Handled::Applied`] when it is written.
    ///
    /// Meets other transactions, throttling and silence with further tries, as the
    /// [`TransactPolicy`](crate::TransactPolicy) says. Dropping the future leaves open whether it is
    /// written.
    ///
    /// # Errors
    /// [`CommitError::LeaseLost`], which is logged too, when somebody else has taken the lease over;
    /// [`CommitError::Lost`] when the host no longer holds the message; and the others. Nothing is
    /// written then, except that after [`NoAnswer`](CommitError::NoAnswer) this is unknown.
    pub async fn commit(mut self) -> Result<Handled, CommitError> {
        let held = Arc::clone(&self.claim.held);
        let (shared, context) = (&*held.shared, &held.context);
        let outgoing = self.effects.caused_by(context, &shared.clock)?;
        let result = self.result.take().transpose().map_err(CommitError::Result)?;
        if let Some(now) = self
            .claim
            .taken_by()
            .filter(|_| !shared.is(Mutation::UnfencedLease))
        {
            return Err(self.lease_lost(now));
        }
        let mut plan = Plan::new(shared);
        plan.guard(self.guard(&plan.commit, result))?;
        plan.writes(std::mem::take(&mut self.effects.writes));

        take_write(context)?;
        let sent = plan.commit(shared, Some(context), outgoing).await;
        let handled = sent.and_then(|sent| match sent {
            Sent::Written => {
                self.claim.set_completed();
                Ok(Handled::Applied)
            }
            Sent::Guarded(item) => {
                let record = item.as_ref().map(InboxRecord::read).transpose()?;
                Err(self.lease_lost(record.map_or(0, |record| record.fence)))
            }
            Sent::GuardBusy { tries, reason } => Err(CommitError::Conflict { tries, reason }),
        });
        if handled.is_err() {
            context.return_write();
        }
        handled
    }

    fn guard(&self, commit: &str, result: Option<String>) -> Result<Update, BuildError> {
        let held = &*self.claim.held;
        let shared = &*held.shared;
        let mut update =
            "SET #state = :done, #commit = :commit, #handled_at = :now, #expires_at = :expires_at".to_owned();
        let mut names = vec![
            ("#commit", inbox::COMMIT),
            ("#handled_at", inbox::HANDLED_AT),
            ("#expires_at", EXPIRES_AT),
        ];
        let mut values = vec![
            (":done", text(State::Done.name())),
            (":commit", text(commit)),
            (":now", number(Millis::now(&shared.clock))),
            (":expires_at", number(shared.expires_at(&held.context))),
        ];
        if let Some(result) = result {
            update.push_str(", #result = :result");
            names.push(("#result", inbox::RESULT));
            values.push((":result", text(result)));
        }
        let mut guard = Update::builder()
            .table_name(&shared.table)
            .set_key(Some(shared.inbox_key(&held.context).item()));
        if shared.is(Mutation::UnfencedLease) {
            names.push(("#state", inbox::STATE));
        } else {
            names.extend(HELD_NAMES);
            guard = guard
                .condition_expression(HELD)
                .set_expression_attribute_values(Some(held.held_values()));
        }
        for (placeholder, value) in values {
            guard = guard.expression_attribute_values(placeholder, value);
        }
        guard
            .update_expression(update)
            .set_expression_attribute_names(Some(names.into_iter().map(own).collect()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
    }

    fn lease_lost(&self, now: u64) -> CommitError {
        let held = &*self.claim.held;
        let event = held.context.envelope().id();
        tracing::error!(
            event,
            consumer = held.context.consumer(),
            fence = held.fence,
            now,
            "a lease was lost before it was completed: its effect may have been made more than once"
        );
        CommitError::LeaseLost {
            event: event.to_owned(),
            fence: held.fence,
            now,
        }
    }
}

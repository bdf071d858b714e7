//! One delivery, one commit.

use std::sync::Arc;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure};
use fanfare::{Advice, Context, Handled};

use crate::commit::{Effects, Plan, Sent, effects};
use crate::inbox::{FREE, FREE_NAMES, Inbox};
use crate::record::inbox::{self, InboxRecord, State};
use crate::record::{Millis, Seconds};
use crate::store::Shared;
use crate::{CommitError, Mutation, StoreError};

/// The one commit of a delivery, made by [`Inbox::once`].
///
/// A delivery has one: its inbox record guards all that is in it, and could not guard a second. After
/// one that was refused (a condition that failed, say) another can be made.
#[derive(Debug)]
#[must_use = "nothing is written before `commit` is awaited"]
pub struct Once {
    shared: Arc<Shared>,
    context: Context,
    effects: Effects,
}

impl Once {
    pub(crate) fn new(shared: Arc<Shared>, context: Context) -> Self {
        Self {
            shared,
            context,
            effects: Effects::default(),
        }
    }

    effects!();

    /// Writes everything in one transaction: inbox record, writes, and the outbox of what is emitted
    /// and sent. [`Handled::Duplicate`], and nothing is written, when the event was handled before.
    ///
    /// Reads nothing. Meets another transaction, throttling or silence with further tries, as the
    /// [`TransactPolicy`](crate::TransactPolicy) says. Dropping the future leaves open whether it is
    /// written; the repeat, when the message comes again, finds out.
    ///
    /// # Errors
    /// [`CommitError`]; nothing is written then, except that after
    /// [`NoAnswer`](CommitError::NoAnswer) this is unknown.
    pub async fn commit(mut self) -> Result<Handled, CommitError> {
        let (shared, context) = (&*self.shared, &self.context);
        let outgoing = self.effects.caused_by(context, &shared.clock)?;
        let expires_at = shared.expiry(context)?;
        if shared.is(Mutation::SeenTrusted) {
            let inbox = Inbox {
                shared: self.shared.clone(),
            };
            if inbox.is_done(&shared.inbox_key(context)).await? {
                return Ok(Handled::Duplicate);
            }
        }
        let mut plan = Plan::new(shared);
        plan.guard(guard(shared, context, &plan.commit, expires_at))?;
        plan.writes(self.effects.writes);

        take_write(context)?;
        let sent = plan.commit(shared, Some(context), outgoing).await;
        let handled = sent.and_then(|sent| match sent {
            Sent::Written => Ok(Handled::Applied),
            Sent::Guarded(item) => {
                let item = item.ok_or_else(|| StoreError::no_record("TransactWriteItems"))?;
                let record = InboxRecord::read(&item)?;
                match record.state {
                    State::Done => Ok(Handled::Duplicate),
                    State::Claimed | State::Released => Err(shared.held(context, &record)),
                }
            }
            Sent::GuardBusy { tries, reason } => Err(CommitError::Conflict { tries, reason }),
        });
        if handled.is_err() {
            context.return_write();
        }
        handled
    }
}

/// Writes that it is done, unless it is done already or somebody is at it. A claim that has ended or
/// was given back is no obstacle: its holder's completion finds the record changed.
fn guard(shared: &Shared, context: &Context, commit: &str, expires_at: Seconds) -> Result<Put, BuildError> {
    let (key, now) = (shared.inbox_key(context), Millis::now(&shared.clock));
    let put = Put::builder()
        .table_name(&shared.table)
        .set_item(Some(inbox::done(&key, commit, now, expires_at)));
    if shared.is(Mutation::NoDedupe) || shared.is(Mutation::SeenTrusted) {
        return put.build();
    }
    let names = FREE_NAMES.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
    put.condition_expression(FREE)
        .set_expression_attribute_names(Some(names.into()))
        .set_expression_attribute_values(Some(shared.free_values()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
}

/// Takes the delivery's one write.
pub(crate) fn take_write(context: &Context) -> Result<(), CommitError> {
    match context.take_write() {
        true => Ok(()),
        false => Err(CommitError::SecondWrite {
            event: context.envelope().id().to_owned(),
            advice: Advice::Terminal,
        }),
    }
}

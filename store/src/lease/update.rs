//! The three single writes of a lease: claim, renew, release. Each is one conditional `UpdateItem`.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use fanfare::{Context, new_id};

use super::claim::Held;
use crate::call::CallError;
use crate::inbox::{FREE, FREE_NAMES};
use crate::record::inbox::{self, InboxRecord, State};
use crate::record::{EXPIRES_AT, Item, Millis, Seconds, number, text};
use crate::store::Shared;
use crate::{CommitError, StoreError};

/// What became of a conditional update.
#[derive(Debug)]
pub(super) enum Updated {
    /// It was made, and the record is like this now.
    Done(Option<InboxRecord>),
    /// Its condition failed on this record; none when there is none.
    Refused(Option<InboxRecord>),
}

/// A claim that was made.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) owner: String,
    pub(super) fence: u64,
    pub(super) first_claimed_at: Millis,
    pub(super) until: Millis,
}

/// How often a claim is tried to be given back, before it is left to end by itself.
const RELEASE_TRIES: u32 = 3;

impl Shared {
    /// Claims this delivery's record for `ttl`; nothing when it is done. The owner's id is new with
    /// each call and the same in each of its tries, so that a try whose answer was lost is recognised.
    pub(super) async fn claim(
        &self,
        context: &Context,
        ttl: Duration,
        expires_at: Seconds,
    ) -> Result<Option<Claimed>, CommitError> {
        let owner = new_id(&self.clock);
        let key = self.inbox_key(context);
        let claim = || {
            let now = Millis::now(&self.clock);
            let names = [
                ("#owner", inbox::OWNER),
                ("#fence", inbox::FENCE),
                ("#first", inbox::FIRST_CLAIMED_AT),
                ("#expires_at", EXPIRES_AT),
            ];
            let mut values = self.free_values();
            values.extend(
                [
                    (":owner", text(&owner)),
                    (":until", number(now.plus(ttl))),
                    (":now", number(now)),
                    (":expires_at", number(expires_at)),
                    (":zero", number(0)),
                    (":one", number(1)),
                ]
                .map(|(placeholder, value)| (placeholder.to_owned(), value)),
            );
            self.client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key.item()))
                .update_expression(
                    "SET #state = :claimed, #owner = :owner, #fence = if_not_exists(#fence, :zero) + :one, \
                     #lease_until = :until, #first = if_not_exists(#first, :now), #expires_at = :expires_at",
                )
                .condition_expression(FREE)
                .set_expression_attribute_names(Some(names.into_iter().chain(FREE_NAMES).map(own).collect()))
                .set_expression_attribute_values(Some(values))
                .return_values(ReturnValue::AllNew)
        };
        let record = match self.update(self.transact.tries, claim).await? {
            Updated::Done(record) => record,
            Updated::Refused(Some(record)) if record.state == State::Done => return Ok(None),
            Updated::Refused(Some(record)) if record.owner.as_ref() == Some(&owner) => Some(record),
            Updated::Refused(Some(record)) => return Err(self.held(context, &record)),
            Updated::Refused(None) => None,
        };
        let record = record.ok_or_else(|| StoreError::no_record("UpdateItem"))?;
        Ok(Some(Claimed {
            fence: record.fence,
            first_claimed_at: record.first_claimed_at.unwrap_or_default(),
            until: record.lease_until.unwrap_or_default(),
            owner,
        }))
    }

    /// Makes a conditional update, with further tries when another transaction, throttling or silence
    /// is in its way.
    async fn update(
        &self,
        tries: u32,
        update: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Updated, StoreError> {
        let mut attempt = 1;
        loop {
            let call = update().return_values_on_condition_check_failure(ALL_OLD);
            match self.call(call.send()).await {
                Ok(answer) => {
                    let record = answer.attributes.as_ref().map(InboxRecord::read).transpose()?;
                    return Ok(Updated::Done(record));
                }
                Err(CallError::Sdk(error))
                    if error
                        .as_service_error()
                        .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
                {
                    let UpdateItemError::ConditionalCheckFailedException(failed) = error.into_service_error()
                    else {
                        return Err(StoreError::no_record("UpdateItem"));
                    };
                    let record = failed.item.as_ref().map(InboxRecord::read).transpose()?;
                    return Ok(Updated::Refused(record));
                }
                Err(error) if error.is_worth_a_try() && attempt < tries => {
                    tokio::time::sleep(self.transact.backoff.delay(attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error.into_store("UpdateItem")),
            }
        }
    }
}

impl Held {
    /// Lets the claim end at `until`, if it is still this one's. Never earlier than it would: an
    /// earlier renewal may arrive late.
    pub(super) async fn renew(&self, until: Millis) -> Result<Updated, StoreError> {
        let renewal = || {
            self.update_if_held("SET #lease_until = :until")
                .condition_expression(format!("{HELD} AND #lease_until <= :until"))
                .expression_attribute_names("#lease_until", inbox::LEASE_UNTIL)
                .expression_attribute_values(":until", number(until))
        };
        self.shared.update(1, renewal).await
    }

    /// Gives the claim back, if it is still this one's: the next one need not wait for its end.
    pub(super) async fn release(&self) {
        let release = || {
            self.update_if_held("SET #state = :released")
                .expression_attribute_values(":released", text(State::Released.name()))
        };
        if let Err(error) = self.shared.update(RELEASE_TRIES, release).await {
            let event = self.context.envelope().id();
            tracing::warn!(event, %error, "a lease was not given back: it ends by itself");
        }
    }

    fn update_if_held(&self, update: &str) -> UpdateItemFluentBuilder {
        self.shared
            .client
            .update_item()
            .table_name(&self.shared.table)
            .set_key(Some(self.shared.inbox_key(&self.context).item()))
            .update_expression(update)
            .condition_expression(HELD)
            .set_expression_attribute_names(Some(HELD_NAMES.map(own).into()))
            .set_expression_attribute_values(Some(self.held_values()))
    }

    /// The values in [`HELD`].
    pub(crate) fn held_values(&self) -> Item {
        Item::from([
            (":owner".to_owned(), text(&self.owner)),
            (":claimed".to_owned(), text(State::Claimed.name())),
        ])
    }
}

/// The condition that a claim is still its owner's.
pub(crate) const HELD: &str = "#owner = :owner AND #state = :claimed";

/// The names in [`HELD`].
pub(crate) const HELD_NAMES: [(&str, &str); 2] = [("#owner", inbox::OWNER), ("#state", inbox::STATE)];

/// A placeholder and a name, as the SDK takes them.
pub(crate) fn own((placeholder, name): (&str, &str)) -> (String, String) {
    (placeholder.to_owned(), name.to_owned())
}

const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

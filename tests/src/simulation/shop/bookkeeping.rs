//! Adds up each account, posting by posting in their order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::Update;
use fanfare::{Delivery, Failure, Handled, Handler};
use fanfare_store::{CommitError, Inbox};

use super::Parts;
use crate::simulation::events::Posted;
use crate::simulation::table::{TABLE, id, number};

/// Postings that came before the one in front of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps(Arc<Mutex<Vec<String>>>);

impl Gaps {
    fn note(&self, gap: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(gap);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bookkeeping {
    inbox: Inbox,
    gaps: Gaps,
}

impl Bookkeeping {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            inbox: parts.inbox.clone(),
            gaps: parts.gaps.clone(),
        }
    }
}

impl Handler<Posted> for Bookkeeping {
    async fn handle(&self, posted: Delivery<Posted>) -> Result<Handled, Failure> {
        let Some(sequence) = posted.envelope().sequence() else {
            return Err(Failure::terminal("a posting without its sequence"));
        };
        let update = Update::builder()
            .table_name(TABLE)
            .key("id", id("account", &posted.account))
            .update_expression("SET #last = :this ADD balance :cents, postings :one")
            .condition_expression("#last = :before OR (:before = :none AND attribute_not_exists(#last))")
            .expression_attribute_names("#last", "last")
            .expression_attribute_values(":this", number(sequence))
            .expression_attribute_values(":before", number(sequence - 1))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":cents", number(posted.cents))
            .expression_attribute_values(":one", number(1))
            .build()?;
        match self
            .inbox
            .once(&posted)
            .write_as("account", update)
            .commit()
            .await
        {
            Err(error @ CommitError::ConditionFailed { .. }) => {
                self.gaps
                    .note(format!("posting {sequence} of {}: {error}", posted.account));
                Err(Failure::retry_after(Duration::from_secs(5), error))
            }
            other => Ok(other?),
        }
    }
}

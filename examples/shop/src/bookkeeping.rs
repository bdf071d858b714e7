//! Bookkeeping keeps the balance of each account from its postings, which reach it in their order.
//!
//! The outbox numbers the postings of an account 1, 2, 3 and so on, and the books hold the number of
//! the last one. A posting whose predecessor isn't booked is a failure, tried again; what is booked
//! already is a duplicate.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Update};
use fanfare::topology::TableAction;
use fanfare::{Delivery, Failure, Handled, Handler, Router};
use fanfare_store::{CommitError, Inbox};

use crate::Deps;
use crate::events::LedgerPosted;
use crate::item::{get_number, number, text};
use crate::tables::BOOKS;

/// The consumer's name.
pub const NAME: &str = "bookkeeping";

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let bookkeeping = Bookkeeping {
        inbox: deps.store.inbox(),
    };
    Router::new(NAME)
        .table(BOOKS.name, [TableAction::Update])
        .on::<LedgerPosted>(bookkeeping)
}

struct Bookkeeping {
    inbox: Inbox,
}

/// Why a posting isn't booked.
#[derive(Debug, thiserror::Error)]
enum NotBooked {
    #[error("posting {got} of {account} came and {booked} are booked: those in between are missing")]
    Gap { account: String, booked: i64, got: i64 },
    #[error("a posting of {account} has no sequence: it must come through the outbox of a FIFO topic")]
    NoSequence { account: String },
}

impl Handler<LedgerPosted> for Bookkeeping {
    async fn handle(&self, posted: Delivery<LedgerPosted>) -> Result<Handled, Failure> {
        let account = posted.account.clone();
        let sequence = posted
            .envelope()
            .sequence()
            .and_then(|sequence| i64::try_from(sequence).ok());
        let Some(sequence) = sequence else {
            return Err(Failure::terminal(NotBooked::NoSequence { account }));
        };
        let booked = self
            .inbox
            .once(&posted)
            .write_as("books", book(&posted, sequence)?)
            .commit()
            .await;
        let item = match booked {
            Err(CommitError::ConditionFailed { item, .. }) => item.unwrap_or_default(),
            other => return Ok(other?),
        };
        let booked = match item.is_empty() {
            true => 0,
            false => get_number(BOOKS.name, &item, "seq")?,
        };
        if sequence <= booked {
            return Ok(Handled::Duplicate);
        }
        Err(Failure::retry(NotBooked::Gap {
            account,
            booked,
            got: sequence,
        }))
    }
}

fn book(posted: &LedgerPosted, sequence: i64) -> Result<Update, BuildError> {
    let first = "attribute_not_exists(account)";
    let update = Update::builder()
        .table_name(BOOKS.name)
        .key("account", text(&posted.account))
        .update_expression("SET seq = :sequence ADD balance :cents")
        .expression_attribute_values(":sequence", number(sequence))
        .expression_attribute_values(":cents", number(posted.cents))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match sequence {
        1 => update.condition_expression(first).build(),
        _ => update
            .condition_expression("seq = :before")
            .expression_attribute_values(":before", number(sequence - 1))
            .build(),
    }
}

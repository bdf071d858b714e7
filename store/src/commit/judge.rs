//! What an answer of DynamoDB says about a transaction.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use fanfare::{Advice, BoxError};

use super::plan::{Part, Plan};
use crate::CommitError;
use crate::call::CallError;
use crate::record::{Item, outbox};

/// A verdict on one try.
#[derive(Debug)]
pub(super) enum Judgement {
    /// It is written: by this try, or by an earlier one whose answer was lost.
    Written,
    /// The guard's condition failed on this item of somebody else; none when it isn't there.
    Guarded(Option<Item>),
    /// No try will succeed, unless something else changes.
    Refused(CommitError),
    /// Not written by this try, and worth another: another transaction, or throttling, was in the
    /// way; of the guard's record, if `guard`.
    InTheWay { reason: String, guard: bool },
    /// No answer: whether it is written is unknown.
    NoAnswer(BoxError),
}

const CONDITION: &str = "ConditionalCheckFailed";
/// How long an append waits when too much waits before it.
const KEY_FULL: Advice = Advice::RetryAfter(std::time::Duration::from_secs(10));

impl Plan {
    pub(super) fn judge(&self, error: CallError<TransactWriteItemsError>) -> Judgement {
        if let CallError::Sdk(error) = &error
            && let SdkError::ServiceError(service) = &**error
        {
            match service.err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    return self.judge_reasons(cancelled.cancellation_reasons());
                }
                // An earlier try of ours is still being made.
                error if error.is_transaction_in_progress_exception() => {}
                error if error.is_internal_server_error() => {}
                error if error.code() == Some("ValidationException") => {
                    return Judgement::Refused(self.invalid(error.message().unwrap_or_default()));
                }
                error if service.raw().status().is_client_error() && is_in_the_way(error.code()) => {
                    return Judgement::InTheWay {
                        reason: error.code().unwrap_or_default().to_owned(),
                        guard: false,
                    };
                }
                _ => {}
            }
        }
        if error.is_worth_a_try() {
            Judgement::NoAnswer(error.into_box("TransactWriteItems"))
        } else {
            Judgement::Refused(CommitError::Sdk(error.into_box("TransactWriteItems")))
        }
    }

    /// The reasons are in the order of the actions. What our own records say comes first: a repeat's
    /// own write may well fail on what the first handling has done.
    fn judge_reasons(&self, reasons: &[CancellationReason]) -> Judgement {
        let all = || {
            self.parts
                .iter()
                .zip(reasons)
                .filter(|(_, reason)| !matches!(reason.code(), None | Some("None")))
        };
        let failed = |reason: &CancellationReason| reason.code() == Some(CONDITION);

        for (part, reason) in all().filter(|(_, reason)| failed(reason)) {
            let ours = matches!(part, Part::Guard | Part::Outbox);
            if ours && reason.item.as_ref().is_some_and(|item| self.wrote(item)) {
                return Judgement::Written;
            }
        }
        if let Some((_, reason)) = all().find(|(part, _)| **part == Part::Guard) {
            if failed(reason) {
                return Judgement::Guarded(reason.item.clone());
            }
            if is_in_the_way(reason.code()) {
                return in_the_way(reason, true);
            }
        }
        for (part, reason) in all() {
            match part {
                Part::Write { name, index } if failed(reason) => {
                    return Judgement::Refused(CommitError::ConditionFailed {
                        name: name.clone(),
                        index: *index,
                        item: reason.item.clone(),
                    });
                }
                _ => {}
            }
        }
        for (part, reason) in all() {
            let too_large = reason.message().is_some_and(|message| message.contains("size"));
            match part {
                Part::Head { pk } if failed(reason) || (reason.code() == Some(INVALID) && too_large) => {
                    return Judgement::Refused(CommitError::KeyFull {
                        key: pk.clone(),
                        advice: KEY_FULL,
                    });
                }
                part if !is_in_the_way(reason.code()) => {
                    return Judgement::Refused(CommitError::Refused {
                        name: part.name().to_owned(),
                        reason: format!(
                            "{}: {}",
                            reason.code().unwrap_or_default(),
                            reason.message().unwrap_or_default()
                        ),
                    });
                }
                _ => {}
            }
        }
        match all().next() {
            Some((_, reason)) => in_the_way(reason, false),
            None => Judgement::NoAnswer("DynamoDB cancelled the transaction and gave no reason".into()),
        }
    }

    /// Whether a record of ours was written by this commit.
    fn wrote(&self, item: &Item) -> bool {
        // The attribute is the same in every record that has it.
        item.get(outbox::COMMIT).and_then(|commit| commit.as_s().ok()) == Some(&self.commit)
    }

    /// What DynamoDB finds wrong with the whole request.
    fn invalid(&self, message: &str) -> CommitError {
        if message.contains("multiple operations on one item") {
            return self.some_same_item();
        }
        CommitError::Sdk(format!("ValidationException: {message}").into())
    }
}

const INVALID: &str = "ValidationError";

fn in_the_way(reason: &CancellationReason, guard: bool) -> Judgement {
    Judgement::InTheWay {
        reason: reason.code().unwrap_or_default().to_owned(),
        guard,
    }
}

/// Whether it is another transaction, or throttling.
fn is_in_the_way(code: Option<&str>) -> bool {
    const PASSING: [&str; 6] = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    ];
    code.is_some_and(|code| PASSING.contains(&code))
}

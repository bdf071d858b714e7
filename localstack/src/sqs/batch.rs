//! What all batch calls have in common: their rules, and an answer for each entry.

use std::collections::BTreeSet;

use fanfare::BATCH_ENTRIES;
use serde::Serialize;

use super::{Code, Error};
use crate::faults::Faults;

/// The answer to a batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Results<T> {
    successful: Vec<T>,
    failed: Vec<Failed>,
}

/// An entry that failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

/// An entry of a batch.
pub(super) trait Entry {
    /// What the member of the request is called that lists them.
    const KIND: &'static str;

    /// The id that the caller gave it.
    fn id(&self) -> &str;
}

/// Does a batch: `all` does the entries that the plan lets through, with one result each, and
/// `success` writes what a success says under an entry's id.
pub(super) fn run<E: Entry, T, R>(
    entries: Vec<E>,
    faults: &Faults<'_>,
    all: impl FnOnce(Vec<E>) -> Result<Vec<Result<T, Error>>, Error>,
    success: impl Fn(String, T) -> R,
) -> Result<Results<R>, Error> {
    check(&entries)?;
    let ids: Vec<String> = entries.iter().map(|entry| entry.id().to_owned()).collect();
    let fates = faults.fates(entries.len());
    let let_through = entries.into_iter().zip(&fates);
    let let_through: Vec<E> = let_through
        .filter_map(|(entry, fate)| fate.done.then_some(entry))
        .collect();
    let mut done = match let_through.is_empty() {
        true => Vec::new(),
        false => all(let_through)?,
    }
    .into_iter();
    let mut results = Results {
        successful: Vec::new(),
        failed: Vec::new(),
    };
    for (id, fate) in ids.into_iter().zip(fates) {
        let result = match fate.done {
            true => done.next(),
            false => Some(Err(Error::new(
                Code::InternalError,
                "We encountered an internal error. Please try again.",
            ))),
        };
        match result {
            Some(Ok(sent)) if fate.answered => results.successful.push(success(id, sent)),
            Some(Err(Error { code, message })) if fate.answered => results.failed.push(Failed {
                id,
                sender_fault: code != Code::InternalError,
                code: code.former(),
                message,
            }),
            _ => {}
        }
    }
    Ok(results)
}

fn check<E: Entry>(entries: &[E]) -> Result<(), Error> {
    let count = entries.len();
    if count == 0 {
        let message = format!("There should be at least one {} in the request.", E::KIND);
        return Err(Error::new(Code::EmptyBatchRequest, message));
    }
    if count > BATCH_ENTRIES {
        let message =
            format!("Maximum number of entries per request are {BATCH_ENTRIES}. You have sent {count}.");
        return Err(Error::new(Code::TooManyEntriesInBatchRequest, message));
    }
    let mut ids = BTreeSet::new();
    for entry in entries {
        let id = entry.id();
        let of_the_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=80).contains(&id.len()) || !id.bytes().all(of_the_alphabet) {
            return Err(Error::new(
                Code::InvalidBatchEntryId,
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                 most 80 letters long.",
            ));
        }
        if !ids.insert(id) {
            return Err(Error::new(
                Code::BatchEntryIdsNotDistinct,
                format!("Id {id} repeated."),
            ));
        }
    }
    Ok(())
}

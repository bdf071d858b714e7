//! What can go wrong.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::{Advice, BoxError, EncodeError, Undeclared};

use crate::RecordError;

/// Why something other than a commit failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// DynamoDB refused or did not answer.
    #[error("{call} failed")]
    Sdk {
        /// The operation.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// No answer, not even an error, within the time for it.
    #[error("{call} has not ended after {after:?}")]
    Timeout {
        /// The operation.
        call: &'static str,
        /// The time it had.
        after: Duration,
    },
    /// A record can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A stored result isn't one of the type that is asked for.
    #[error("the stored result can't be read as the type that is asked for")]
    Result(#[source] serde_json::Error),
    /// The table is there, and made otherwise than it is needed.
    #[error("the table `{table}` is there and has {has}, but it needs {needs}: give another name")]
    Table {
        /// The table.
        table: String,
        /// What it has.
        has: String,
        /// What it needs.
        needs: String,
    },
    /// The table did not become ready.
    #[error("the table `{table}` is not ready after {after:?}: look at its status and try again")]
    NotReady {
        /// The table.
        table: String,
        /// How long was waited.
        after: Duration,
    },
    /// Events could live longer in a consumer's queues than handled ones are remembered.
    #[error(
        "`{consumer}` can meet an event {needed:?} after it was published (its queue's retention and its \
         dead-letter queue's), and the store remembers what was handled for {window:?}: raise \
         `Store::window` or lower the retention"
    )]
    Window {
        /// The consumer.
        consumer: String,
        /// Its queue's retention and its dead-letter queue's.
        needed: Duration,
        /// The store's window.
        window: Duration,
    },
    /// The store forgets sooner than the application says, which its queues are held against.
    #[error(
        "the store remembers what was handled for {} s, and the application declares {} s: raise `Store::window`, or \
         lower `App::dedupe_window`",
        window.as_secs(),
        declared.as_secs()
    )]
    WindowBelowDeclared {
        /// The store's window.
        window: Duration,
        /// The application's.
        declared: Duration,
    },
}

impl StoreError {
    /// DynamoDB answered without the record that the answer must have.
    pub(crate) fn no_record(call: &'static str) -> Self {
        Self::Sdk {
            call,
            source: "the answer lacks the record".into(),
        }
    }
}

/// Why a commit was not made. Nothing was written, unless it says that this is unknown
/// ([`NoAnswer`](Self::NoAnswer)). (Where an earlier try of the same commit got no answer, its request
/// may, for all that can be known, still arrive; then its conditions decide, as they would have.)
///
/// By `?` it becomes a [`Failure`](fanfare::Failure): a retry, unless it is documented as terminal or
/// as held here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The condition of one of the application's own writes failed.
    #[error("the condition of the write `{name}` (number {index} of the commit) failed")]
    ConditionFailed {
        /// The name it was given by `write_as`, or else its table's.
        name: String,
        /// Which of the commit's writes it is, counted from 0.
        index: usize,
        /// The item as it was, if there was one.
        item: Option<HashMap<String, AttributeValue>>,
    },
    /// More than fits into a transaction or an item. Terminal.
    #[error(
        "too large: {items} actions and {bytes} bytes, where a transaction takes 100 and 4194304; its \
         largest item, `{largest}`, has {largest_bytes}, where an item takes 409600: split the \
         event into smaller ones, or keep large data elsewhere"
    )]
    TooLarge {
        /// How many actions it has, of at most 100.
        items: usize,
        /// How many bytes its items have together, of at most 4 MB.
        bytes: usize,
        /// The largest item's name: a write's, or what it is for.
        largest: String,
        /// How many bytes that has, of at most 400 KB.
        largest_bytes: usize,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// Two writes of the commit go to one item, which a transaction doesn't take.
    #[error("the commit writes one item twice (by {writes:?}): make it one write")]
    SameItem {
        /// The writes' names; where DynamoDB found it, all that could be meant.
        writes: Vec<String>,
    },
    /// The event is older than handled ones are remembered: whether it was handled is unknown, and it
    /// isn't handled unguarded. Terminal.
    #[error(
        "too old: the event `{event}` happened {age:?} ago, and what was handled is remembered for {window:?}"
    )]
    TooOld {
        /// The event's id.
        event: String,
        /// Its age.
        age: Duration,
        /// The store's window.
        window: Duration,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// The host no longer holds the message: another may be handling it.
    #[error("the message of event `{event}` is lost to another host: nothing more is written for it")]
    Lost {
        /// The event's id.
        event: String,
    },
    /// A delivery's one write was made already. Terminal.
    #[error(
        "a second write for the event `{event}`: its one inbox record can't guard both, so put all of \
         it into one commit"
    )]
    SecondWrite {
        /// The event's id.
        event: String,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// Somebody else holds a lease for this delivery. Not a failed attempt ([`Advice::Held`]).
    #[error("the event `{event}` is held by another")]
    Held {
        /// The event's id.
        event: String,
        /// For how long, unless it is renewed.
        #[source]
        advice: Advice,
    },
    /// The lease is no longer ours: somebody took it over, or completed it.
    #[error(
        "the lease of event `{event}` was lost before it was completed (claim {fence}, now {now}): its \
         effect may have been made more than once"
    )]
    LeaseLost {
        /// The event's id.
        event: String,
        /// The number of this claim.
        fence: u64,
        /// The number of the claim that the record shows; 0 when it has none.
        now: u64,
    },
    /// The idempotency key was used for another request. HTTP 422.
    #[error("the idempotency key was used for another `{operation}` before: use a new one")]
    KeyReused {
        /// The operation.
        operation: String,
    },
    /// The first request under this idempotency key is still under way. HTTP 409.
    #[error("another `{operation}` under the same idempotency key is under way: ask again in a moment")]
    InFlight {
        /// The operation.
        operation: String,
        /// When to.
        #[source]
        advice: Advice,
    },
    /// Too much waits to be published under one key of a FIFO topic, in number or in bytes.
    #[error("too much waits to be published under `{key}`: is its topic's relay running, or is it parked?")]
    KeyFull {
        /// The key's record.
        key: String,
        /// When to try again.
        #[source]
        advice: Advice,
    },
    /// Other transactions, or throttling, were in the way each time.
    #[error("refused {tries} times, the last time by {reason}")]
    Conflict {
        /// How often it was tried.
        tries: u32,
        /// DynamoDB's code.
        reason: String,
    },
    /// DynamoDB gave no answer: it is unknown whether it was written. A repeat finds out.
    #[error("no answer in {tries} tries: it is unknown whether it was written")]
    NoAnswer {
        /// How often it was tried.
        tries: u32,
        /// The last error.
        #[source]
        source: BoxError,
    },
    /// DynamoDB finds a write wrong: a type that doesn't match, a result too large, ...
    #[error("DynamoDB refuses the write `{name}`: {reason}")]
    Refused {
        /// The write's name, or what it is for.
        name: String,
        /// What DynamoDB says.
        reason: String,
    },
    /// DynamoDB finds the transaction wrong: no such table, an expression that can't be read, ...
    #[error("DynamoDB refuses the transaction")]
    Sdk(#[source] BoxError),
    /// An event or command can't be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// An event or command that the handler was not registered to emit or send.
    #[error(transparent)]
    Undeclared(#[from] Undeclared),
    /// A result that can't be written as JSON, or a stored one that isn't of the type asked for.
    #[error("the result can't be written as JSON, or the stored one not read as this type")]
    Result(#[source] serde_json::Error),
    /// A record can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A read that the commit needed failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

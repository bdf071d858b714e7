//! Publishing from a producer that handles no event, such as an HTTP API.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure};
use fanfare::Advice;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::commit::{Effects, Plan, Sent, effects};
use crate::record::request::{self, RequestRecord};
use crate::record::{EXPIRES_AT, Item, Millis, PK, number};
use crate::store::Shared;
use crate::{CommitError, Store, StoreError};

/// The outbox of a producer: state and the events that tell of it, written together.
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    source: Arc<str>,
}

impl Store {
    /// The outbox of the producer of this name; its events' source is `/{producer}`.
    pub fn outbox(&self, producer: &str) -> Outbox {
        Outbox {
            shared: self.shared.clone(),
            source: format!("/{producer}").into(),
        }
    }
}

impl Outbox {
    /// Starts a commit. Does no I/O before [`Transaction::commit`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use aws_sdk_dynamodb::types::Put;
    /// use fanfare_store::{CommitError, Committed, IdempotencyKey, Outbox};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct OrderPlaced { order: String }
    /// # impl fanfare::Event for OrderPlaced {
    /// #     const TYPE: &'static str = "order.placed";
    /// #     const TOPIC: &'static str = "orders";
    /// # }
    ///
    /// async fn place(
    ///     outbox: &Outbox,
    ///     order: Put, // with the condition that the order isn't there yet
    ///     placed: OrderPlaced,
    ///     key: IdempotencyKey,
    /// ) -> Result<String, CommitError> {
    ///     let committed = outbox
    ///         .transaction()
    ///         .write_as("order", order)
    ///         .emit(&placed)
    ///         .idempotent(key, Duration::from_secs(24 * 60 * 60))
    ///         .result(placed.order.clone())
    ///         .commit()
    ///         .await?;
    ///     Ok(committed.into_inner())
    /// }
    /// ```
    pub fn transaction(&self) -> Transaction {
        Transaction {
            shared: self.shared.clone(),
            source: self.source.clone(),
            effects: Effects::default(),
            idempotent: None,
            result: (),
        }
    }
}

/// What makes a caller's request the same as an earlier one of theirs: the value of an HTTP
/// `Idempotency-Key`, scoped to who called and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who called: an account's id, say. Two callers never share a key.
    pub caller: String,
    /// What for: `place order`, say.
    pub operation: String,
    /// The caller's key.
    pub key: String,
    /// A hash of the request's body: another body under the same key is a mistake.
    pub body_hash: String,
}

impl IdempotencyKey {
    /// The key, with a hash of this body (a UUIDv5).
    ///
    /// ```
    /// use fanfare_store::IdempotencyKey;
    /// let key = |body: &[u8]| IdempotencyKey::of("customer 7", "place order", "4f1c", body);
    /// assert_eq!(key(b"one CD"), key(b"one CD"));
    /// assert_ne!(key(b"one CD"), key(b"two CDs"));
    /// ```
    pub fn of(
        caller: impl Into<String>,
        operation: impl Into<String>,
        key: impl Into<String>,
        body: &[u8],
    ) -> Self {
        Self {
            caller: caller.into(),
            operation: operation.into(),
            key: key.into(),
            body_hash: Uuid::new_v5(&Uuid::NAMESPACE_OID, body).to_string(),
        }
    }
}

/// A commit of a producer, made by [`Outbox::transaction`].
#[derive(Debug)]
#[must_use = "nothing is written before `commit` is awaited"]
pub struct Transaction<T = ()> {
    shared: Arc<Shared>,
    source: Arc<str>,
    effects: Effects,
    idempotent: Option<(IdempotencyKey, Duration)>,
    result: T,
}

/// A producer's commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed<T> {
    /// It was made, with this result.
    New(T),
    /// An earlier one under the same idempotency key was made, with this result; this one was not.
    Repeated(T),
}

impl<T> Committed<T> {
    /// The result, whenever it was made.
    pub fn into_inner(self) -> T {
        match self {
            Self::New(result) | Self::Repeated(result) => result,
        }
    }

    /// Whether it had been made before.
    pub fn is_repeated(&self) -> bool {
        matches!(self, Self::Repeated(_))
    }
}

impl<T> Transaction<T> {
    effects!();

    /// Makes it once for this key: for as long as `ttl` a repeat gets the first one's result, and
    /// the same key with another body is refused. A repeat while the first is under way waits for it.
    ///
    /// After `ttl` only the writes' own conditions are left: give a write that makes something the
    /// condition that it isn't there yet, and a late repeat gets it from
    /// [`CommitError::ConditionFailed`].
    pub fn idempotent(mut self, key: IdempotencyKey, ttl: Duration) -> Self {
        self.idempotent = Some((key, ttl));
        self
    }

    /// What a repeat is to get. Stored as JSON, within the 400 KB of an item.
    pub fn result<R>(self, result: R) -> Transaction<R> {
        Transaction {
            shared: self.shared,
            source: self.source,
            effects: self.effects,
            idempotent: self.idempotent,
            result,
        }
    }
}

impl<T: Serialize + DeserializeOwned> Transaction<T> {
    /// Writes everything in one transaction: the writes, the outbox of what is emitted and sent, and
    /// the record of the idempotency key.
    ///
    /// Meets other transactions, throttling and silence with further tries, as the
    /// [`TransactPolicy`](crate::TransactPolicy) says. Dropping the future leaves open whether it is
    /// written; a repeat under the same idempotency key finds out.
    ///
    /// # Errors
    /// [`CommitError`]; nothing is written then, except that after
    /// [`NoAnswer`](CommitError::NoAnswer) this is unknown.
    pub async fn commit(mut self) -> Result<Committed<T>, CommitError> {
        let shared = &*self.shared;
        let outgoing = self.effects.first(&self.source, &shared.clock)?;
        let mut plan = Plan::new(shared);
        if let Some((key, ttl)) = &self.idempotent {
            let result = serde_json::to_string(&self.result).map_err(CommitError::Result)?;
            plan.guard(guard(shared, key, *ttl, &plan.commit, result))?;
        }
        plan.writes(self.effects.writes);
        let sent = plan.commit(shared, None, outgoing).await?;
        let Some((key, _)) = self.idempotent else {
            // Without a guard there is nothing else that it can be.
            return Ok(Committed::New(self.result));
        };
        match sent {
            Sent::Written => Ok(Committed::New(self.result)),
            Sent::Guarded(item) => {
                let item = item.ok_or_else(|| StoreError::no_record("TransactWriteItems"))?;
                repeated(&item, key).map(Committed::Repeated)
            }
            Sent::GuardBusy { .. } => Err(CommitError::InFlight {
                operation: key.operation,
                advice: Advice::RetryAfter(Duration::from_secs(1)),
            }),
        }
    }
}

/// Writes that the request is done, unless there is one already that hasn't expired.
fn guard(
    shared: &Shared,
    key: &IdempotencyKey,
    ttl: Duration,
    commit: &str,
    result: String,
) -> Result<Put, BuildError> {
    let now = Millis::now(&shared.clock);
    let record = RequestRecord {
        pk: request::key(&key.caller, &key.operation, &key.key).pk,
        hash: key.body_hash.clone(),
        result,
        commit: commit.to_owned(),
        expires_at: now.plus(ttl).ceil(),
    };
    Put::builder()
        .table_name(&shared.table)
        .set_item(Some(record.item()))
        .condition_expression("attribute_not_exists(#pk) OR #expires_at <= :now")
        .expression_attribute_names("#pk", PK)
        .expression_attribute_names("#expires_at", EXPIRES_AT)
        .expression_attribute_values(":now", number(now.floor()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
}

/// The result of the first one, when it was the same request.
fn repeated<T: DeserializeOwned>(item: &Item, key: IdempotencyKey) -> Result<T, CommitError> {
    let first = RequestRecord::read(item)?;
    if first.hash != key.body_hash {
        return Err(CommitError::KeyReused {
            operation: key.operation,
        });
    }
    serde_json::from_str(&first.result).map_err(CommitError::Result)
}

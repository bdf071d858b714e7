//! The relay's calls on the table, each bounded in time.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, Update,
};
use fanfare::{Backoff, BoxError};

use super::RelayError;
use super::change::Change;
use super::unordered::NEVER;
use crate::StoreError;
use crate::call::CallError;
use crate::record::{DUE, Item, Key, Millis, PENDING, PK, SHARD, SK, head, number, outbox, text};
use crate::store::Shared;

/// Keys that one BatchGetItem takes.
pub(super) const BATCH_GET: usize = 100;

/// How often keys that a BatchGetItem left unread are asked for again without any of them coming.
const UNREAD_TRIES: u32 = 6;
const UNREAD_PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// The store's table, as the relay uses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a>(pub(super) &'a Shared);

/// What became of a conditional write.
#[derive(Debug)]
pub(super) enum Written {
    /// It was made.
    Done,
    /// The record is no longer as it was read: this is it now, if it is there at all.
    Differs(Option<Item>),
}

/// A page of a query or scan.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Item>,
}

impl<'a> Table<'a> {
    /// Reads a record, strongly consistent.
    pub(super) async fn get(self, key: &Key) -> Result<Option<Item>, RelayError> {
        let get = self
            .0
            .client
            .get_item()
            .table_name(&self.0.table)
            .set_key(Some(key.item()))
            .consistent_read(true);
        let output = self.0.call(get.send()).await;
        Ok(output.map_err(|error| error.into_store("GetItem"))?.item)
    }

    /// Reads records, strongly consistent, each once and in any order. Those that are gone are left out.
    pub(super) async fn get_all(self, keys: &[Key]) -> Result<Vec<Item>, RelayError> {
        let mut items = Vec::with_capacity(keys.len());
        // An index can show a record at its old place and its new one, and a batch with a key twice
        // is refused.
        let keys: Vec<_> = keys.iter().collect::<BTreeSet<_>>().into_iter().collect();
        for keys in keys.chunks(BATCH_GET) {
            self.get_batch(keys.iter().map(|key| key.item()).collect(), &mut items)
                .await?;
        }
        Ok(items)
    }

    async fn get_batch(self, mut keys: Vec<Item>, items: &mut Vec<Item>) -> Result<(), RelayError> {
        let mut tries = 0;
        while !keys.is_empty() {
            let asked = keys.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(|error| failed("BatchGetItem", error))?;
            let get = self
                .0
                .client
                .batch_get_item()
                .request_items(&self.0.table, request);
            let output = self.0.call(get.send()).await;
            let output = output.map_err(|error| error.into_store("BatchGetItem"))?;
            items.extend(
                output
                    .responses
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, items)| items),
            );
            keys = output
                .unprocessed_keys
                .into_iter()
                .flatten()
                .flat_map(|(_, unread)| unread.keys)
                .collect();
            if keys.len() < asked {
                tries = 0;
            } else {
                tries += 1;
                if tries == UNREAD_TRIES {
                    return Err(RelayError::Unread {
                        table: self.0.table.clone(),
                        left: keys.len(),
                    });
                }
            }
            if !keys.is_empty() {
                tokio::time::sleep(UNREAD_PAUSES.delay(tries + 1)).await;
            }
        }
        Ok(())
    }

    /// A page of the index: the keys of what is due in this shard until then, the longest due first.
    /// An index lags behind its table: what it shows may be done, and what is due may be missing.
    pub(super) async fn due(
        self,
        shard: &str,
        until: Millis,
        from: Option<Item>,
    ) -> Result<Page, RelayError> {
        let query = self
            .0
            .client
            .query()
            .table_name(&self.0.table)
            .index_name(PENDING)
            .key_condition_expression("#shard = :shard AND #due <= :until")
            .expression_attribute_names("#shard", SHARD)
            .expression_attribute_names("#due", DUE)
            .expression_attribute_values(":shard", text(shard))
            .expression_attribute_values(":until", number(until))
            .set_exclusive_start_key(from);
        let output = self.0.call(query.send()).await;
        let output = output.map_err(|error| error.into_store("Query"))?;
        Ok(Page {
            items: output.items.unwrap_or_default(),
            next: output.last_evaluated_key,
        })
    }

    /// A page of a scan for records of published events, strongly consistent.
    pub(super) async fn scan_outbox(self, from: Option<Item>) -> Result<Page, RelayError> {
        let scan = self
            .0
            .client
            .scan()
            .table_name(&self.0.table)
            .consistent_read(true)
            .filter_expression("#sk = :commit OR begins_with(#sk, :sequence)")
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":commit", text(outbox::SORT))
            .expression_attribute_values(":sequence", text(head::PUBLISHED))
            .set_exclusive_start_key(from);
        let output = self.0.call(scan.send()).await;
        let output = output.map_err(|error| error.into_store("Scan"))?;
        Ok(Page {
            items: output.items.unwrap_or_default(),
            next: output.last_evaluated_key,
        })
    }

    /// A page of a key's published events, in their order, strongly consistent.
    pub(super) async fn published(self, pk: &str, from: Option<Item>) -> Result<Page, RelayError> {
        let query = self
            .0
            .client
            .query()
            .table_name(&self.0.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sequence)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":sequence", text(head::PUBLISHED))
            .set_exclusive_start_key(from);
        let output = self.0.call(query.send()).await;
        let output = output.map_err(|error| error.into_store("Query"))?;
        Ok(Page {
            items: output.items.unwrap_or_default(),
            next: output.last_evaluated_key,
        })
    }

    /// Whether the table, not its index, has anything that is to be published. Reads all of it.
    pub(super) async fn is_anything_pending(self) -> Result<bool, RelayError> {
        let mut from = None;
        loop {
            let scan = self
                .0
                .client
                .scan()
                .table_name(&self.0.table)
                .consistent_read(true)
                .select(Select::Count)
                .filter_expression("#due < :never")
                .expression_attribute_names("#due", DUE)
                .expression_attribute_values(":never", number(NEVER))
                .set_exclusive_start_key(from);
            let output = self.0.call(scan.send()).await;
            let output = output.map_err(|error| error.into_store("Scan"))?;
            if output.count > 0 {
                return Ok(true);
            }
            match output.last_evaluated_key {
                Some(next) => from = Some(next),
                None => return Ok(false),
            }
        }
    }

    /// Changes a record, if its condition holds.
    pub(super) async fn change(self, change: Change) -> Result<Written, RelayError> {
        let (expression, condition) = (change.update_expression(), change.condition());
        let update = self
            .0
            .client
            .update_item()
            .table_name(&self.0.table)
            .set_key(Some(change.key.item()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values).filter(|values| !values.is_empty()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.0.call(update.send()).await {
            Ok(_) => Ok(Written::Done),
            Err(CallError::Sdk(error)) => match error.into_service_error() {
                UpdateItemError::ConditionalCheckFailedException(failed) => Ok(Written::Differs(failed.item)),
                error => Err(failed("UpdateItem", error)),
            },
            Err(error) => Err(error.into_store("UpdateItem").into()),
        }
    }

    /// Changes a record, if its condition holds, and puts others in the same transaction.
    pub(super) async fn change_and_put(self, change: Change, puts: Vec<Item>) -> Result<Written, RelayError> {
        let update = Update::builder()
            .table_name(&self.0.table)
            .set_key(Some(change.key.item()))
            .update_expression(change.update_expression())
            .condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values).filter(|values| !values.is_empty()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| failed("TransactWriteItems", error))?;
        let mut transaction = self
            .0
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build());
        for item in puts {
            let put = Put::builder()
                .table_name(&self.0.table)
                .set_item(Some(item))
                .build()
                .map_err(|error| failed("TransactWriteItems", error))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match self.0.call(transaction.send()).await {
            Ok(_) => Ok(Written::Done),
            Err(CallError::Sdk(error)) => match error.into_service_error() {
                TransactWriteItemsError::TransactionCanceledException(mut cancelled) => {
                    let reasons = cancelled.cancellation_reasons.as_mut();
                    match reasons.and_then(|reasons| reasons.first_mut()) {
                        Some(reason) if reason.code() == Some("ConditionalCheckFailed") => {
                            Ok(Written::Differs(reason.item.take()))
                        }
                        _ => Err(failed("TransactWriteItems", cancelled)),
                    }
                }
                error => Err(failed("TransactWriteItems", error)),
            },
            Err(error) => Err(error.into_store("TransactWriteItems").into()),
        }
    }
}

fn failed(call: &'static str, source: impl Into<BoxError>) -> RelayError {
    let source = source.into();
    StoreError::Sdk { call, source }.into()
}

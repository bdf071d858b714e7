//! The one table of our records.

use std::time::Duration;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};

use crate::call::CallError;
use crate::record::{DUE, EXPIRES_AT, PENDING, PK, SHARD, SK};
use crate::store::Shared;
use crate::{Store, StoreError};

/// How long a new table may take to become ready; on AWS it is some ten seconds.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_secs(1);

const NEEDS: &str = "the keys `pk` and `sk` (S), and an index `pending` of `shard` (S) and `due` (N)";

impl Store {
    /// Makes the table: its keys, the sparse index of pending records, and expiry; billed by request. One
    /// that is there is checked, and given expiry when it has none. It has no stream: nothing here reads
    /// one, and the embedded database looks through all of a stream for each record it adds.
    ///
    /// For development and tests; on AWS the infrastructure makes it. Waits up to two minutes for it
    /// to become ready. May be dropped and called again.
    ///
    /// # Errors
    /// [`StoreError::Table`] when there is another table of that name, [`StoreError::NotReady`], or
    /// DynamoDB refuses.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        if shared.describe().await?.is_none() {
            shared.create().await?;
        }
        shared.ready().await?;
        shared.expire().await
    }
}

impl Shared {
    async fn create(&self) -> Result<(), StoreError> {
        let create = || {
            let attributes = [(PK, 'S'), (SK, 'S'), (SHARD, 'S'), (DUE, 'N')];
            let pending = GlobalSecondaryIndex::builder()
                .index_name(PENDING)
                .set_key_schema(Some(key_schema(SHARD, DUE)?))
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::KeysOnly)
                        .build(),
                )
                .build()?;
            let call = self
                .client
                .create_table()
                .table_name(&self.table)
                .set_attribute_definitions(Some(
                    attributes
                        .map(|(name, ty)| attribute(name, ty))
                        .into_iter()
                        .collect::<Result<_, _>>()?,
                ))
                .set_key_schema(Some(key_schema(PK, SK)?))
                .global_secondary_indexes(pending)
                .billing_mode(BillingMode::PayPerRequest);
            Ok(call)
        };
        let call = create().map_err(|error: BuildError| StoreError::Sdk {
            call: "CreateTable",
            source: error.into(),
        })?;
        match self.call(call.send()).await {
            Ok(_) => Ok(()),
            // Somebody else has just made it, or this call did when its answer was lost.
            Err(CallError::Sdk(error)) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(error.into_store("CreateTable")),
        }
    }

    /// Waits until the table and its index can be used, and checks that they are the right ones.
    async fn ready(&self) -> Result<(), StoreError> {
        let since = tokio::time::Instant::now();
        loop {
            if let Some(table) = self.describe().await? {
                self.check_table(&table)?;
                if is_ready(&table) {
                    return Ok(());
                }
            }
            if since.elapsed() >= READY_WITHIN {
                return Err(StoreError::NotReady {
                    table: self.table.clone(),
                    after: READY_WITHIN,
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn describe(&self) -> Result<Option<TableDescription>, StoreError> {
        let call = self.client.describe_table().table_name(&self.table).send();
        match self.call(call).await {
            Ok(answer) => Ok(answer.table),
            Err(CallError::Sdk(error))
                if error
                    .as_service_error()
                    .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into_store("DescribeTable")),
        }
    }

    fn check_table(&self, table: &TableDescription) -> Result<(), StoreError> {
        let index = table
            .global_secondary_indexes()
            .iter()
            .find(|index| index.index_name() == Some(PENDING));
        let keys = names(table.key_schema());
        let index_keys = index.map(|index| names(index.key_schema()));
        if keys == [PK, SK] && index_keys.as_deref() == Some(&[SHARD, DUE]) {
            return Ok(());
        }
        let has = match index_keys {
            Some(index_keys) => format!("the keys {keys:?}, and an index `{PENDING}` of {index_keys:?}"),
            None => format!("the keys {keys:?}, and no index `{PENDING}`"),
        };
        Err(StoreError::Table {
            table: self.table.clone(),
            has,
            needs: NEEDS,
        })
    }

    /// Turns expiry on.
    async fn expire(&self) -> Result<(), StoreError> {
        let call = self.client.describe_time_to_live().table_name(&self.table).send();
        let now = self
            .call(call)
            .await
            .map_err(|error| error.into_store("DescribeTimeToLive"))?;
        let status = now
            .time_to_live_description
            .and_then(|description| description.time_to_live_status);
        if let Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) = status {
            return Ok(());
        }
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(EXPIRES_AT)
            .enabled(true)
            .build()
            .map_err(|error| StoreError::Sdk {
                call: "UpdateTimeToLive",
                source: error.into(),
            })?;
        let call = self
            .client
            .update_time_to_live()
            .table_name(&self.table)
            .time_to_live_specification(specification)
            .send();
        self.call(call)
            .await
            .map_err(|error| error.into_store("UpdateTimeToLive"))?;
        Ok(())
    }
}

fn is_ready(table: &TableDescription) -> bool {
    table.table_status() == Some(&TableStatus::Active)
        && table
            .global_secondary_indexes()
            .iter()
            .all(|index| index.index_status() == Some(&IndexStatus::Active))
}

fn attribute(name: &str, ty: char) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(match ty {
            'N' => ScalarAttributeType::N,
            _ => ScalarAttributeType::S,
        })
        .build()
}

fn key_schema(hash: &str, range: &str) -> Result<Vec<KeySchemaElement>, BuildError> {
    [(hash, KeyType::Hash), (range, KeyType::Range)]
        .into_iter()
        .map(|(name, ty)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(ty)
                .build()
        })
        .collect()
}

/// A key's attributes, the hash key first.
fn names(schema: &[KeySchemaElement]) -> Vec<&str> {
    let mut schema: Vec<_> = schema.iter().collect();
    schema.sort_by_key(|element| *element.key_type() != KeyType::Hash);
    schema.into_iter().map(KeySchemaElement::attribute_name).collect()
}

//! Tables on DynamoDB, from their descriptions; and the description of our own one.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement,
    KeyType as SchemaKey, Projection, ProjectionType, StreamSpecification, TableDescription, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use fanfare::table::{Index, Key, Table};

use crate::call::{CallError, bounded};
use crate::record::{DUE, EXPIRES_AT, PENDING, PK, SHARD, SK};
use crate::{Store, StoreError};

/// How long a new table may take to become ready; on AWS it is some ten seconds.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a call may take, the SDK's retries included.
const CALL: Duration = Duration::from_secs(10);

/// The description of a store's table: its keys, the sparse index of pending records, and expiry.
///
/// It has no stream, which nothing needs but a function that relays
/// ([`Relay::stream`](crate::Relay::stream)). That one needs new images, as below. Old images as well do it
/// no harm; with keys alone it reads what it could have ignored. The mapping needs
/// `ReportBatchItemFailures`.
///
/// ```
/// let table = fanfare_store::table("shop-fanfare");
/// assert_eq!(table.expiry.as_deref(), Some("expires_at"));
/// assert_eq!(table.indexes[0].name, "pending");
///
/// use fanfare::table::Stream;
/// let relayed = table.stream(Stream::NewImage);
/// assert_eq!(relayed.stream.map(Stream::name), Some("NEW_IMAGE"));
/// ```
pub fn table(name: impl Into<String>) -> Table {
    let pending = Index::new(PENDING, Key::text(SHARD))
        .sort(Key::number(DUE))
        .keys_only();
    Table::new(name, Key::text(PK))
        .sort(Key::text(SK))
        .expiry(EXPIRES_AT)
        .index(pending)
}

impl Store {
    /// Makes the table, as [`table`] describes it: without a stream. One that is there is checked, and
    /// given expiry when it has none.
    ///
    /// For development and tests, as [`create_table`] is, which makes it with a stream too.
    ///
    /// # Errors
    /// As [`create_table`].
    pub async fn create_table(&self) -> Result<(), StoreError> {
        create_table(&self.shared.client, &table(&self.shared.table)).await
    }
}

/// Makes a table from its description, billed by request, and waits up to two minutes until it can be
/// used. One that is there is checked (its keys, and the keys of its indexes), and given expiry when it
/// has none. Point-in-time recovery is left alone.
///
/// For development and tests; on AWS the infrastructure makes tables. May be dropped and called again.
///
/// ```
/// use fanfare::{Clock, fault::Life, table::{Key, Table}};
/// use fanfare_local::Dynamo;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let client = Dynamo::memory(Clock::system())?.client(&Life::default()); // or any other
/// let orders = Table::new("shop-orders", Key::text("order_id"));
/// fanfare_store::create_table(&client, &orders).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`StoreError::Table`] when there is another table of that name, [`StoreError::NotReady`], or
/// DynamoDB refuses.
pub async fn create_table(client: &Client, table: &Table) -> Result<(), StoreError> {
    if describe(client, &table.name).await?.is_none() {
        create(client, table).await?;
    }
    ready(client, table).await?;
    match &table.expiry {
        Some(attribute) => expire(client, &table.name, attribute).await,
        None => Ok(()),
    }
}

/// The request that makes a table from its description, billed by request. Expiry and point-in-time
/// recovery are switched on by calls of their own, once it is there.
///
/// ```
/// use fanfare::table::{Key, Table};
///
/// let orders = Table::new("shop-orders", Key::text("order_id"));
/// let request = fanfare_store::create_table_input(&orders)?;
/// assert_eq!(request.get_table_name().as_deref(), Some("shop-orders"));
/// # Ok::<(), aws_sdk_dynamodb::error::BuildError>(())
/// ```
///
/// # Errors
/// None, as things are: the SDK checks that nothing is left out.
pub fn create_table_input(table: &Table) -> Result<CreateTableInputBuilder, BuildError> {
    let indexes: Vec<_> = table.indexes.iter().map(index).collect::<Result<_, _>>()?;
    let stream = table.stream.map(|stream| {
        StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(stream.name().into())
            .build()
    });
    Ok(CreateTableInputBuilder::default()
        .table_name(&table.name)
        .set_attribute_definitions(Some(attributes(&table.attributes())?))
        .set_key_schema(Some(key_schema(&table.key, table.sort.as_ref())?))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .set_stream_specification(stream.transpose()?)
        .billing_mode(BillingMode::PayPerRequest))
}

async fn create(client: &Client, table: &Table) -> Result<(), StoreError> {
    let input = create_table_input(table).map_err(|error| failed("CreateTable", error))?;
    match bounded(CALL, input.send_with(client)).await {
        Ok(_) => Ok(()),
        // Somebody else has just made it, or this call did when its answer was lost.
        Err(CallError::Sdk(error)) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(error.into_store("CreateTable")),
    }
}

/// Waits until the table and its indexes can be used, and checks that they are the right ones.
async fn ready(client: &Client, table: &Table) -> Result<(), StoreError> {
    let since = tokio::time::Instant::now();
    loop {
        if let Some(there) = describe(client, &table.name).await? {
            check(&there, table)?;
            if is_ready(&there) {
                return Ok(());
            }
        }
        if since.elapsed() >= READY_WITHIN {
            return Err(StoreError::NotReady {
                table: table.name.clone(),
                after: READY_WITHIN,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn describe(client: &Client, table: &str) -> Result<Option<TableDescription>, StoreError> {
    let call = client.describe_table().table_name(table).send();
    match bounded(CALL, call).await {
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

fn check(there: &TableDescription, table: &Table) -> Result<(), StoreError> {
    let index_keys = |name: &str| {
        let index = there
            .global_secondary_indexes()
            .iter()
            .find(|index| index.index_name() == Some(name));
        index.map(|index| names(index.key_schema()))
    };
    let indexes = table.indexes.iter();
    let has = shape(
        &names(there.key_schema()),
        indexes
            .clone()
            .map(|index| (&*index.name, index_keys(&index.name))),
    );
    let needs = shape(
        &key_names(&table.key, table.sort.as_ref()),
        indexes.map(|index| (&*index.name, Some(key_names(&index.key, index.sort.as_ref())))),
    );
    match has == needs {
        true => Ok(()),
        false => Err(StoreError::Table {
            table: table.name.clone(),
            has,
            needs,
        }),
    }
}

/// Keys and indexes, in words.
fn shape<'a>(keys: &[&str], indexes: impl Iterator<Item = (&'a str, Option<Vec<&'a str>>)>) -> String {
    let mut shape = format!("the keys {keys:?}");
    for (name, keys) in indexes {
        shape += &match keys {
            Some(keys) => format!(", and an index `{name}` of {keys:?}"),
            None => format!(", and no index `{name}`"),
        };
    }
    shape
}

/// Turns expiry on.
async fn expire(client: &Client, table: &str, attribute: &str) -> Result<(), StoreError> {
    let call = client.describe_time_to_live().table_name(table).send();
    let now = bounded(CALL, call)
        .await
        .map_err(|error| error.into_store("DescribeTimeToLive"))?;
    let status = now
        .time_to_live_description
        .and_then(|description| description.time_to_live_status);
    if let Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) = status {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder()
        .attribute_name(attribute)
        .enabled(true)
        .build()
        .map_err(|error| failed("UpdateTimeToLive", error))?;
    let call = client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(specification)
        .send();
    bounded(CALL, call)
        .await
        .map_err(|error| error.into_store("UpdateTimeToLive"))?;
    Ok(())
}

fn failed(call: &'static str, error: BuildError) -> StoreError {
    StoreError::Sdk {
        call,
        source: error.into(),
    }
}

fn is_ready(table: &TableDescription) -> bool {
    table.table_status() == Some(&TableStatus::Active)
        && table
            .global_secondary_indexes()
            .iter()
            .all(|index| index.index_status() == Some(&IndexStatus::Active))
}

fn attributes(keys: &[Key]) -> Result<Vec<AttributeDefinition>, BuildError> {
    let attribute = |key: &Key| {
        AttributeDefinition::builder()
            .attribute_name(&key.name)
            .attribute_type(key.kind.name().into())
            .build()
    };
    keys.iter().map(attribute).collect()
}

fn index(index: &Index) -> Result<GlobalSecondaryIndex, BuildError> {
    let holds = match index.keys_only {
        true => ProjectionType::KeysOnly,
        false => ProjectionType::All,
    };
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.key, index.sort.as_ref())?))
        .projection(Projection::builder().projection_type(holds).build())
        .build()
}

fn key_schema(key: &Key, sort: Option<&Key>) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |(key, kind): (&Key, SchemaKey)| {
        KeySchemaElement::builder()
            .attribute_name(&key.name)
            .key_type(kind)
            .build()
    };
    let sort = sort.map(|sort| (sort, SchemaKey::Range));
    [Some((key, SchemaKey::Hash)), sort]
        .into_iter()
        .flatten()
        .map(element)
        .collect()
}

fn key_names<'a>(key: &'a Key, sort: Option<&'a Key>) -> Vec<&'a str> {
    [Some(key), sort]
        .into_iter()
        .flatten()
        .map(|key| &*key.name)
        .collect()
}

/// A key's attributes, the hash key first.
fn names(schema: &[KeySchemaElement]) -> Vec<&str> {
    let mut schema: Vec<_> = schema.iter().collect();
    schema.sort_by_key(|element| *element.key_type() != SchemaKey::Hash);
    schema.into_iter().map(KeySchemaElement::attribute_name).collect()
}

//! The embedded DynamoDB as the SDK's own client sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can not go on fails"
)]

mod expiry;
mod faults;
mod folder;
mod operations;
mod replay;
mod tokens;

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, Put, ScalarAttributeType, TimeToLiveSpecification, TransactWriteItem,
};
use fanfare::Clock;
use fanfare::fault::Life;
use fanfare_local::Dynamo;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// An instant in 2023 from which virtual time runs.
pub(crate) fn clock() -> Clock {
    Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

pub(crate) fn memory() -> Dynamo {
    Dynamo::memory(clock()).unwrap()
}

/// A client, and the table `things` (pk, sk; index `by_owner`; expiry by `expires`) for it.
pub(crate) async fn with_table(dynamo: &Dynamo) -> Client {
    let client = dynamo.client(&Life::default());
    create_table(&client).await;
    client
}

pub(crate) async fn create_table(client: &Client) {
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    client
        .create_table()
        .table_name("things")
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk", "owner"].map(attribute).into()))
        .set_key_schema(Some(vec![key("pk", KeyType::Hash), key("sk", KeyType::Range)]))
        .global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name("by_owner")
                .set_key_schema(Some(vec![key("owner", KeyType::Hash), key("sk", KeyType::Range)]))
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    client
        .update_time_to_live()
        .table_name("things")
        .time_to_live_specification(
            TimeToLiveSpecification::builder()
                .attribute_name("expires")
                .enabled(true)
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn key(pk: &str, sk: &str) -> Item {
    [("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))].into()
}

pub(crate) fn item(pk: &str, sk: &str, more: &[(&str, AttributeValue)]) -> Item {
    let mut item = key(pk, sk);
    item.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    item
}

pub(crate) async fn put(client: &Client, item: Item) {
    client
        .put_item()
        .table_name("things")
        .set_item(Some(item))
        .send()
        .await
        .unwrap();
}

pub(crate) async fn get(client: &Client, pk: &str, sk: &str) -> Option<Item> {
    client
        .get_item()
        .table_name("things")
        .set_key(Some(key(pk, sk)))
        .consistent_read(true)
        .send()
        .await
        .unwrap()
        .item
}

/// A put of a transaction that fails when the item is there.
pub(crate) fn put_new(item: Item) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("things")
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(
            aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
        )
        .build()
        .unwrap();
    TransactWriteItem::builder().put(put).build()
}

pub(crate) fn put_any(item: Item) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("things")
        .set_item(Some(item))
        .build()
        .unwrap();
    TransactWriteItem::builder().put(put).build()
}

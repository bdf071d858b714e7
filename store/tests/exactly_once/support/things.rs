//! The application's table, and writes on it.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Delete, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, Update,
};

use super::{n, s};

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const TABLE: &str = "things";

pub(crate) async fn create(client: &Client) {
    let id = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S)
        .build();
    let key = KeySchemaElement::builder()
        .attribute_name("id")
        .key_type(KeyType::Hash)
        .build();
    let create = client
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(id.unwrap())
        .key_schema(key.unwrap())
        .billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
}

/// Puts an item, whatever was there.
pub(crate) fn put(id: &str, value: &str) -> Put {
    let put = Put::builder().table_name(TABLE).item("id", s(id));
    put.item("value", s(value)).build().unwrap()
}

/// Puts an item that must not be there yet.
pub(crate) fn put_new(id: &str, value: &str) -> Put {
    let mut put = put(id, value);
    put.condition_expression = Some("attribute_not_exists(id)".into());
    put
}

/// Adds one: shows how often it was applied.
pub(crate) fn count(id: &str) -> Update {
    Update::builder()
        .table_name(TABLE)
        .key("id", s(id))
        .update_expression("ADD #count :one")
        .expression_attribute_names("#count", "count")
        .expression_attribute_values(":one", n(1))
        .build()
        .unwrap()
}

pub(crate) fn delete(id: &str) -> Delete {
    Delete::builder()
        .table_name(TABLE)
        .key("id", s(id))
        .build()
        .unwrap()
}

/// Checks that the item is there.
pub(crate) fn check(id: &str) -> ConditionCheck {
    ConditionCheck::builder()
        .table_name(TABLE)
        .key("id", s(id))
        .condition_expression("attribute_exists(id)")
        .build()
        .unwrap()
}

#[track_caller]
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    match item.get(name).map(AttributeValue::as_s) {
        Some(Ok(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

#[track_caller]
pub(crate) fn number(item: &Item, name: &str) -> u64 {
    match item.get(name).map(AttributeValue::as_n) {
        Some(Ok(text)) => text.parse().unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

//! The shop's own table: one item a thing, with numbers that only grow by what is added to them, so
//! that an effect applied twice shows.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Update,
    builders::UpdateBuilder,
};

pub(crate) const TABLE: &str = "shop";

pub(crate) async fn create(client: &Client) -> anyhow::Result<()> {
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("id")
                .key_type(KeyType::Hash)
                .build()?,
        )
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("id")
                .attribute_type(ScalarAttributeType::S)
                .build()?,
        )
        .send()
        .await?;
    Ok(())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The key of a thing of this kind, such as `payment#web-1`.
pub(crate) fn id(kind: &str, of: &str) -> AttributeValue {
    AttributeValue::S(format!("{kind}#{of}"))
}

/// Adds to a number of an item, which counts as 0 before.
pub(crate) fn add(kind: &str, of: &str, attribute: &str, amount: i64) -> UpdateBuilder {
    Update::builder()
        .table_name(TABLE)
        .key("id", id(kind, of))
        .update_expression("ADD #number :amount")
        .expression_attribute_names("#number", attribute)
        .expression_attribute_values(":amount", number(amount))
}

/// An item's numbers and texts, by attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) numbers: BTreeMap<String, i64>,
    pub(crate) texts: BTreeMap<String, String>,
}

impl Item {
    pub(crate) fn number(&self, attribute: &str) -> i64 {
        self.numbers.get(attribute).copied().unwrap_or(0)
    }
}

/// Everything in the table, by kind and then by what it is of.
pub(crate) type Contents = BTreeMap<String, BTreeMap<String, Item>>;

pub(crate) async fn read(client: &Client) -> anyhow::Result<Contents> {
    let mut contents = Contents::new();
    let mut pages = client
        .scan()
        .table_name(TABLE)
        .consistent_read(true)
        .into_paginator()
        .items()
        .send();
    while let Some(attributes) = pages.try_next().await? {
        let mut item = Item::default();
        let mut key = String::new();
        for (name, value) in attributes {
            match value {
                AttributeValue::S(text) if name == "id" => key = text,
                AttributeValue::S(text) => {
                    item.texts.insert(name, text);
                }
                AttributeValue::N(text) => {
                    item.numbers.insert(name, text.parse()?);
                }
                other => anyhow::bail!("{name} is {other:?}"),
            }
        }
        let (kind, of) = key.split_once('#').unwrap_or((&key, ""));
        contents
            .entry(kind.to_owned())
            .or_default()
            .insert(of.to_owned(), item);
    }
    Ok(contents)
}

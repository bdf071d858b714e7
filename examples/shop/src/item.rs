//! Items of the tables as Rust values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::Order;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// An item that isn't what this version of the shop writes.
#[derive(Debug, thiserror::Error)]
#[error("an item of `{table}` has no {expected} `{attribute}`: it was written by something else")]
#[non_exhaustive]
pub struct Unreadable {
    /// The table.
    pub table: &'static str,
    /// The attribute.
    pub attribute: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

/// A text as an attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as an attribute.
pub fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// Reads a text.
///
/// # Errors
/// There is none under that name.
pub fn get_text<'a>(
    table: &'static str,
    item: &'a Item,
    attribute: &'static str,
) -> Result<&'a str, Unreadable> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(Unreadable {
            table,
            attribute,
            expected: "text",
        }),
    }
}

/// Reads a whole number.
///
/// # Errors
/// There is none under that name, or it doesn't fit.
pub fn get_number<T: std::str::FromStr>(
    table: &'static str,
    item: &Item,
    attribute: &'static str,
) -> Result<T, Unreadable> {
    let number = match item.get(attribute) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    };
    number.ok_or(Unreadable {
        table,
        attribute,
        expected: "whole number",
    })
}

/// Adds an order's fields to an item.
pub fn put_order(item: &mut Item, order: &Order) {
    item.extend(
        [
            ("order_id", text(&order.id)),
            ("customer_id", text(&order.customer)),
            ("placed_on", text(&order.placed_on)),
            ("quantity", number(order.quantity)),
            ("total_cents", number(order.total_cents)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
}

/// Reads an order's fields.
///
/// # Errors
/// One is missing, or of another type.
pub fn get_order(table: &'static str, item: &Item) -> Result<Order, Unreadable> {
    Ok(Order {
        id: get_text(table, item, "order_id")?.to_owned(),
        customer: get_text(table, item, "customer_id")?.to_owned(),
        placed_on: get_text(table, item, "placed_on")?.to_owned(),
        quantity: get_number(table, item, "quantity")?,
        total_cents: get_number(table, item, "total_cents")?,
    })
}

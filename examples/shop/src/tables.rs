//! The services' own tables, a few for each and none shared.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use std::time::Duration;

use crate::item::Item;

/// The table of the store: inbox, leases and outbox of all services.
pub const FANFARE: &str = "shop-fanfare";

/// A table, all of whose keys are texts.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The partition key.
    pub key: &'static str,
    /// The sort key, if it has one.
    pub sort: Option<&'static str>,
}

const fn table(name: &'static str, key: &'static str) -> Table {
    Table {
        name,
        key,
        sort: None,
    }
}

/// Checkout's orders.
pub const ORDERS: Table = table("shop-orders", "order_id");
/// Payment's ledger: under its order, each entry under an id of its own.
pub const LEDGER: Table = Table {
    name: "shop-ledger",
    key: "order_id",
    sort: Some("entry"),
};
/// Bookkeeping's balances.
pub const BOOKS: Table = table("shop-books", "account");
/// Inventory's shelves.
pub const SHELVES: Table = table("shop-shelves", "shelf");
/// Inventory's decisions, one an order.
pub const RESERVATIONS: Table = table("shop-reservations", "order_id");
/// Shipping's parcels: under their order, each under an id of its own.
pub const SHIPMENTS: Table = Table {
    name: "shop-shipments",
    key: "order_id",
    sort: Some("shipment"),
};
/// Analytics' sums.
pub const SALES: Table = table("shop-sales", "of");
/// The read model of orders-view.
pub const VIEWS: Table = table("shop-views", "order_id");
/// Loyalty's points.
pub const POINTS: Table = table("shop-points", "customer_id");

/// All of them.
pub const ALL: [Table; 9] = [
    ORDERS,
    LEDGER,
    BOOKS,
    SHELVES,
    RESERVATIONS,
    SHIPMENTS,
    SALES,
    VIEWS,
    POINTS,
];

/// How long a table may take to become active.
const CREATION: Duration = Duration::from_secs(60);

/// Creates the services' tables, billed by request. Those that are there stay as they are.
///
/// # Errors
/// DynamoDB refuses one, or it doesn't become active within a minute.
pub async fn create(dynamo: &Client) -> anyhow::Result<()> {
    for table in ALL {
        table.create(dynamo).await?;
    }
    Ok(())
}

impl Table {
    async fn create(&self, dynamo: &Client) -> anyhow::Result<()> {
        let mut request = dynamo
            .create_table()
            .table_name(self.name)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [(Some(self.key), KeyType::Hash), (self.sort, KeyType::Range)] {
            let Some(name) = name else { continue };
            request = request.attribute_definitions(text_attribute(name)?).key_schema(
                KeySchemaElement::builder()
                    .attribute_name(name)
                    .key_type(kind)
                    .build()?,
            );
        }
        if let Err(error) = request.send().await
            && !error
                .as_service_error()
                .is_some_and(|error| error.is_resource_in_use_exception())
        {
            return Err(anyhow::Error::new(error).context(format!("can't create the table {}", self.name)));
        }
        dynamo
            .wait_until_table_exists()
            .table_name(self.name)
            .wait(CREATION)
            .await?;
        Ok(())
    }

    /// Reads every item of it, strongly consistent: for small tables and for audits.
    ///
    /// # Errors
    /// DynamoDB can't be read.
    pub async fn scan(&self, dynamo: &Client) -> anyhow::Result<Vec<Item>> {
        let mut pages = dynamo
            .scan()
            .table_name(self.name)
            .consistent_read(true)
            .into_paginator()
            .send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            items.extend(page?.items.unwrap_or_default());
        }
        Ok(items)
    }
}

fn text_attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

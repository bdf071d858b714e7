//! The services' own tables, a few for each and none shared.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType, TableDescription};
use fanfare::table::{Key, Stream};
use fanfare_store::StoreError;

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

/// What the mail provider was asked for, where it is no folder: under each mail's key the mail itself
/// and every call.
pub const MAILS: Table = Table {
    name: "shop-mails",
    key: "mail",
    sort: Some("entry"),
};

/// All of them.
pub const ALL: [Table; 10] = [
    ORDERS,
    LEDGER,
    BOOKS,
    SHELVES,
    RESERVATIONS,
    SHIPMENTS,
    SALES,
    VIEWS,
    POINTS,
    MAILS,
];

/// All tables there are to be, the store's among them, as data.
pub fn described() -> Vec<fanfare::table::Table> {
    let own = ALL.iter().map(Table::described);
    own.chain([store()]).collect()
}

/// The table of the store with its stream, for a relay that is a function. While nobody reads it, it
/// costs nothing.
pub(crate) fn store() -> fanfare::table::Table {
    fanfare_store::table(FANFARE).stream(Stream::NewImage)
}

/// Creates the services' tables, billed by request. Those that are there stay as they are.
///
/// # Errors
/// DynamoDB refuses one, or it doesn't become active within two minutes.
pub async fn create(dynamo: &Client) -> Result<(), StoreError> {
    for table in ALL {
        fanfare_store::create_table(dynamo, &table.described()).await?;
    }
    Ok(())
}

/// Gives the store's table its stream, unless it has it: for the embedded database, where a stream costs
/// something and is made only when it is read.
pub(crate) async fn add_stream(dynamo: &Client) -> anyhow::Result<()> {
    let table = dynamo.describe_table().table_name(FANFARE).send().await?.table;
    let stream = table.as_ref().and_then(TableDescription::stream_specification);
    if stream.is_some_and(StreamSpecification::stream_enabled) {
        return Ok(());
    }
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build()?;
    let update = dynamo.update_table().table_name(FANFARE);
    update.stream_specification(stream).send().await?;
    Ok(())
}

impl Table {
    fn described(&self) -> fanfare::table::Table {
        let table = fanfare::table::Table::new(self.name, Key::text(self.key));
        match self.sort {
            Some(sort) => table.sort(Key::text(sort)),
            None => table,
        }
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

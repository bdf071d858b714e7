//! A world to test the store in: an embedded DynamoDB on tokio's paused clock, and deliveries.

mod tap;
pub(crate) mod things;
mod vocabulary;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::fault::{FaultPlan, Life};
use fanfare::{Clock, Delivery, Envelope, Lost, Message, Router};
use fanfare_local::Dynamo;
use fanfare_store::Store;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tower::{Service, ServiceExt};

pub(crate) use tap::{Deed, Tap};
pub(crate) use things::{Item, number, text};
pub(crate) use vocabulary::*;

/// The store's table.
pub(crate) const TABLE: &str = "records";

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When every test begins: 2026-11-21T00:00:00Z.
pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_219_200)
}

/// An embedded DynamoDB with the store's table and one of the application's, `things` (key `id`).
pub(crate) struct World {
    pub(crate) dynamo: Dynamo,
    pub(crate) clock: Clock,
    /// For looking at the tables: not counted, not under faults.
    look: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Clock::tokio(start());
        let dynamo = Dynamo::memory(clock.clone()).unwrap();
        let look = dynamo.client(&Life::default());
        let world = Self { dynamo, clock, look };
        world.store().create_table().await.unwrap();
        things::create(&world.look).await;
        world
    }

    /// A store on a client of its own.
    pub(crate) fn store(&self) -> Store {
        self.store_of(&Life::default())
    }

    /// The store of a host that can be killed.
    pub(crate) fn store_of(&self, life: &Life) -> Store {
        self.store_by(self.dynamo.client(life))
    }

    /// A store whose calls meet this plan's faults.
    pub(crate) fn store_under(&self, plan: &FaultPlan, life: &Life) -> Store {
        self.store_by(self.dynamo.clone().with_faults(plan.clone()).client(life))
    }

    /// A store whose every call passes through a tap first.
    pub(crate) fn store_through(&self, tap: &Tap) -> Store {
        self.store_by(tap.client(&self.dynamo))
    }

    /// A store whose host's clock is off by this much.
    pub(crate) fn store_ahead(&self, ahead: Duration) -> Store {
        self.store().clock(Clock::tokio(self.clock.now() + ahead))
    }

    pub(crate) fn store_behind(&self, behind: Duration) -> Store {
        self.store().clock(Clock::tokio(self.clock.now() - behind))
    }

    fn store_by(&self, client: Client) -> Store {
        Store::new(client, TABLE).clock(self.clock.clone())
    }

    /// How often each operation was called since.
    pub(crate) fn calls_since(&self, before: &BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
        let mut calls = self.dynamo.calls();
        calls.retain(|name, count| {
            *count -= before.get(name).copied().unwrap_or(0);
            *count > 0
        });
        calls
    }

    /// Every record of the store, sorted by its key.
    pub(crate) async fn records(&self) -> Vec<Item> {
        self.scan(TABLE).await
    }

    /// The store's records of a kind, by how their key begins.
    pub(crate) async fn records_of(&self, kind: &str) -> Vec<Item> {
        let mut records = self.records().await;
        records.retain(|record| text(record, "pk").starts_with(kind));
        records
    }

    /// Every inbox record.
    pub(crate) async fn inbox(&self) -> Vec<Item> {
        self.records_of("inbox#").await
    }

    /// Every event in an unordered outbox record.
    pub(crate) async fn outbox(&self) -> Vec<Envelope> {
        let records = self.records_of("outbox#").await;
        let events = records.iter().flat_map(|record| record["events"].as_l().unwrap());
        events
            .map(|event| Envelope::parse(text(event.as_m().unwrap(), "envelope")).unwrap())
            .collect()
    }

    /// The application's item of this id.
    pub(crate) async fn thing(&self, id: &str) -> Option<Item> {
        let things = self.scan(things::TABLE).await;
        things.into_iter().find(|thing| text(thing, "id") == id)
    }

    /// How often [`count`] was applied to this id.
    pub(crate) async fn counted(&self, id: &str) -> u64 {
        match self.thing(id).await {
            Some(thing) => number(&thing, "count"),
            None => 0,
        }
    }

    async fn scan(&self, table: &str) -> Vec<Item> {
        let pages = self.look.scan().table_name(table).consistent_read(true);
        let mut items: Vec<Item> = pages
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .unwrap();
        items.sort_by_key(|item| format!("{:?} {:?}", item.get("pk").or(item.get("id")), item.get("sk")));
        items
    }

    /// Deletes the store's records of a kind behind its back.
    pub(crate) async fn meddle_away(&self, kind: &str) {
        for mut record in self.records_of(kind).await {
            record.retain(|name, _| name == "pk" || name == "sk");
            let delete = self.look.delete_item().table_name(TABLE).set_key(Some(record));
            delete.send().await.unwrap();
        }
    }

    /// Changes one of the store's records behind its back.
    pub(crate) async fn meddle(&self, record: &Item, change: impl FnOnce(&mut Item)) {
        let mut record = record.clone();
        change(&mut record);
        let put = self.look.put_item().table_name(TABLE).set_item(Some(record));
        put.send().await.unwrap();
    }
}

/// An envelope of [`Placed`], as `checkout` publishes it at this time.
pub(crate) fn placed(id: &str, time: SystemTime) -> Envelope {
    envelope("/checkout", id, Some(time))
}

pub(crate) fn envelope(source: &str, id: &str, time: Option<SystemTime>) -> Envelope {
    let mut json = serde_json::json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": "order.placed",
        "data": {"order": id},
    });
    if let Some(time) = time {
        json["time"] = OffsetDateTime::from(time).format(&Rfc3339).unwrap().into();
    }
    Envelope::parse(&json.to_string()).unwrap()
}

/// The envelope as this consumer gets it: a new delivery each time, as after a redelivery.
pub(crate) async fn deliver(consumer: &str, envelope: &Envelope) -> Delivery<Placed> {
    deliver_with(consumer, envelope, Lost::never()).await
}

/// The same, with the host's signal that it lost the message.
pub(crate) async fn deliver_with(consumer: &str, envelope: &Envelope, lost: Lost) -> Delivery<Placed> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let take = move |delivery: Delivery<Placed>| {
        let sender = sender.clone();
        async move {
            sender.send(delivery)?;
            Ok(fanfare::Handled::Applied)
        }
    };
    let mut service = Router::new(consumer)
        .on::<Placed>(take)
        .emits::<Charged>()
        .emits::<Posted>()
        .sends::<Refund>()
        .strict(true)
        .into_service()
        .unwrap();
    let mut message = Message::new(envelope.to_json());
    message.lost = lost;
    let outcome = service.ready().await.unwrap().call(message).await.unwrap();
    receiver
        .try_recv()
        .unwrap_or_else(|_| panic!("not delivered: {outcome:?}"))
}

/// What a failure says, with everything below it.
pub(crate) fn said(error: impl Into<fanfare::Failure>) -> String {
    error.into().to_string()
}

/// Whether a host would dead-letter it at once.
pub(crate) fn is_terminal(error: impl Into<fanfare::Failure>) -> bool {
    error.into().is_terminal()
}

/// An attribute value of type S.
pub(crate) fn s(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// An attribute value of type N.
pub(crate) fn n(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

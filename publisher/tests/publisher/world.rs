//! The application that publishes.

use std::borrow::Cow;
use std::future::Future;

use fanfare::port::{Publish, PublishError};
use fanfare::{
    Account, App, Clock, Command, Delivery, Draft, Event, Failure, Handled, Outgoing, Producer, Router,
    Topology,
};
use fanfare_publisher::Publisher;
use serde::{Deserialize, Serialize};

use crate::aws::Aws;

macro_rules! message {
    ($name:ident) => {
        #[derive(Debug, Default, Serialize, Deserialize)]
        pub(crate) struct $name {
            pub(crate) text: String,
            pub(crate) key: Option<String>,
            pub(crate) tenant: Option<String>,
        }
    };
}

message!(Placed);
message!(Posted);
message!(Pay);
message!(Book);

macro_rules! keys {
    () => {
        fn key(&self) -> Option<Cow<'_, str>> {
            self.key.as_deref().map(Cow::from)
        }
        fn tenant(&self) -> Option<Cow<'_, str>> {
            self.tenant.as_deref().map(Cow::from)
        }
    };
}

impl Event for Placed {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
    keys!();
}

impl Event for Posted {
    const TYPE: &'static str = "entry.posted";
    const TOPIC: &'static str = "ledger.fifo";
    keys!();
}

impl Command for Pay {
    const TYPE: &'static str = "pay";
    const CONSUMER: &'static str = "payment";
    keys!();
}

impl Command for Book {
    const TYPE: &'static str = "book";
    const CONSUMER: &'static str = "bookkeeping";
    keys!();
}

async fn handle<E>(_: Delivery<E>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

pub(crate) fn topology() -> Topology {
    App::new("shop")
        .producer(Producer::new("checkout").emits::<Placed>().emits::<Posted>())
        .consumer(
            Router::new("payment")
                .on::<Placed>(handle)
                .on_command::<Pay>(handle),
        )
        .consumer(
            Router::new("bookkeeping")
                .on::<Posted>(handle)
                .on_command::<Book>(handle),
        )
        .topology()
        .unwrap()
}

pub(crate) fn publisher(aws: &Aws) -> Publisher {
    let account = Account::new("aws", "eu-central-1", "123456789012").unwrap();
    Publisher::new(&aws.config(), &account, &topology())
}

/// An event to a standard topic.
pub(crate) fn placed(text: impl Into<String>) -> Outgoing {
    let text = text.into();
    let event = Placed {
        text,
        ..Placed::default()
    };
    Draft::event(&event).unwrap().first("/checkout", &Clock::system())
}

/// An event to a FIFO topic.
pub(crate) fn posted(key: &str, text: impl Into<String>) -> Outgoing {
    let event = Posted {
        text: text.into(),
        key: Some(key.to_owned()),
        tenant: None,
    };
    Draft::event(&event).unwrap().first("/ledger", &Clock::system())
}

/// A command to a standard queue.
pub(crate) fn pay(text: impl Into<String>) -> Outgoing {
    let command = Pay {
        text: text.into(),
        ..Pay::default()
    };
    Draft::command(&command)
        .unwrap()
        .first("/checkout", &Clock::system())
}

/// A command to a FIFO queue.
pub(crate) fn book(key: Option<&str>) -> Outgoing {
    let command = Book {
        key: key.map(str::to_owned),
        ..Book::default()
    };
    Draft::command(&command)
        .unwrap()
        .first("/ledger", &Clock::system())
}

/// So many events.
pub(crate) fn many(count: usize) -> Vec<Outgoing> {
    (0..count).map(|number| placed(number.to_string())).collect()
}

pub(crate) fn ids(outgoing: &[Outgoing]) -> Vec<String> {
    outgoing
        .iter()
        .map(|outgoing| outgoing.envelope.id().to_owned())
        .collect()
}

/// Publishes one.
pub(crate) async fn one(publisher: &Publisher, outgoing: Outgoing) -> Result<(), PublishError> {
    publisher.publish(vec![outgoing]).await.remove(0)
}

/// Each in a task of its own, all at once.
pub(crate) fn side_by_side<F>(futures: impl IntoIterator<Item = F>) -> Vec<tokio::task::JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    futures.into_iter().map(tokio::spawn).collect()
}

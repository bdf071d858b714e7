//! What an application consists of: topics, queues, and who publishes and takes what.

mod derive;
mod encryption;
mod function;
mod objectives;
mod policy;
mod process;
mod queue;
mod service;
mod table_use;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use self::derive::{consumer, unhandled};
pub use self::encryption::Encryption;
pub use self::function::{FunctionSettings, Hosting, Pollers};
pub use self::objectives::Objectives;
pub use self::policy::{queue_policy, topic_policy};
pub use self::process::Service;
pub use self::queue::QueueSettings;
pub use self::service::ServiceSettings;
pub use self::table_use::{TableAction, TableUse};
use crate::wiring::{WiringError, WiringErrors};
use crate::{Destination, Router, is_fifo};

/// The whole of an application's wiring, derived from its [`App`](crate::App): what `dev` sets up,
/// and what infrastructure is made from.
///
/// ```
/// use fanfare::{App, Delivery, Failure, Handled, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// let shipping = Router::new("shipping").on::<OrderPlaced>(ship);
/// let topology = App::new("shop").consumer(shipping).topology()?;
/// assert_eq!(topology.consumer("shipping").unwrap().handlers.len(), 1);
/// assert!(topology.consumer("billing").is_none());
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Topology {
    /// The application's name, the prefix of all names in the account.
    pub app: String,
    /// Every topic that is published to or taken from, by name.
    pub topics: Vec<Topic>,
    /// Every consumer, in the order of the [`App`](crate::App).
    pub consumers: Vec<Consumer>,
    /// Every producer that is no consumer.
    pub producers: Vec<Producer>,
    /// Every service that serves no queue.
    pub services: Vec<Service>,
    /// The attributes that messages have, by which subscriptions can filter: those of the contract, and
    /// the application's own.
    pub attributes: Vec<String>,
    /// By which key messages are encrypted.
    pub encryption: Encryption,
    /// How long consumers remember what they have handled; 30 days by default. The store's window.
    pub dedupe_window: Duration,
    /// The store's table, which all consumers use.
    pub store: Option<String>,
    /// Where a relay of its own runs, if there is one.
    pub relay: Option<Hosting>,
}

/// The attributes that every message can have; see [`Outgoing::attributes`](crate::Outgoing::attributes).
pub(crate) const ROUTING: [&str; 4] = ["type", "version", "source", "key"];
/// How long a store remembers what was handled, unless it says otherwise.
pub(crate) const DEDUPE_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A topic.
///
/// ```
/// use fanfare::{App, Delivery, Failure, Handled, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// let shipping = Router::new("shipping").on::<OrderPlaced>(ship);
/// let topology = App::new("shop").consumer(shipping).topology()?;
/// assert_eq!(topology.topics[0].name, "orders");
/// assert!(!topology.topics[0].fifo);
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Topic {
    /// Its name as in [`Event::TOPIC`](crate::Event::TOPIC).
    pub name: String,
    /// Whether it is FIFO.
    pub fifo: bool,
    /// The types published to it.
    pub types: Vec<String>,
}

/// A consumer: its queue, its subscriptions and its handlers.
///
/// ```
/// use fanfare::{App, Delivery, Failure, Handled, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// let shipping = Router::new("shipping").on::<OrderPlaced>(ship);
/// let topology = App::new("shop").consumer(shipping).topology()?;
/// let consumer = &topology.consumers[0];
/// assert_eq!((consumer.name.as_str(), consumer.fifo), ("shipping", false));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// Whether its queue is FIFO: when all its topics are.
    pub fifo: bool,
    /// How its queue is set up.
    pub queue: QueueSettings,
    /// Where it runs, and how it is set up there.
    pub hosting: Hosting,
    /// What is expected of it, for alarms to watch.
    pub objectives: Objectives,
    /// The topics that it takes from, each with the filter policy that its handlers make.
    pub subscriptions: Vec<Subscription>,
    /// The tables that its handlers use, besides the store's.
    pub tables: Vec<TableUse>,
    /// Its handlers.
    pub handlers: Vec<HandlerOf>,
}

/// From a topic to a consumer's queue, with raw delivery.
///
/// ```
/// use fanfare::{App, Delivery, Failure, Handled, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// let shipping = Router::new("shipping").on::<OrderPlaced>(ship);
/// let topology = App::new("shop").consumer(shipping).topology()?;
/// let subscription = &topology.consumers[0].subscriptions[0];
/// assert_eq!(subscription.filter_policy["type"][0], "order.placed");
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Subscription {
    /// The topic's name.
    pub topic: String,
    /// The filter policy, on message attributes: the types that are handled.
    pub filter_policy: Value,
}

/// What one handler takes, emits and sends.
///
/// ```
/// use fanfare::{App, Delivery, Failure, Handled, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// let shipping = Router::new("shipping").on::<OrderPlaced>(ship);
/// let topology = App::new("shop").consumer(shipping).topology()?;
/// let handler = &topology.consumers[0].handlers[0];
/// assert_eq!((handler.ty.as_str(), handler.version), ("order.placed", 1));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HandlerOf {
    /// The type it takes.
    pub ty: String,
    /// The version it takes.
    pub version: u16,
    /// Where that comes from: a topic, or straight to this consumer.
    pub from: Destination,
    /// What it emits and sends: the type, and where to.
    pub sends: Vec<(String, Destination)>,
}

/// A part of the application that publishes without consuming, such as an HTTP API.
///
/// ```
/// use fanfare::{App, Destination, Producer};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// let app = App::new("shop").producer(Producer::new("checkout").emits::<OrderPlaced>());
/// let producer = &app.topology()?.producers[0];
/// assert_eq!(producer.sends, [("order.placed".to_owned(), Destination::Topic("orders".into()))]);
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Producer {
    /// Its name.
    pub name: String,
    /// What it emits and sends: the type, and where to.
    pub sends: Vec<(String, Destination)>,
}

impl Topology {
    /// Derives it, unless there are problems, those that were found before among them.
    pub(crate) fn new(
        app: &str,
        routers: &[Router],
        producers: Vec<Producer>,
        mut problems: Vec<WiringError>,
    ) -> Result<Self, WiringErrors> {
        let consumers: Vec<_> = routers
            .iter()
            .map(|router| consumer(router, &mut problems))
            .collect();
        let mut topics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let published = consumers
            .iter()
            .flat_map(|consumer| &consumer.handlers)
            .flat_map(|handler| &handler.sends);
        for (ty, to) in published.chain(producers.iter().flat_map(|producer| &producer.sends)) {
            if let Destination::Topic(topic) = to {
                topics.entry(topic.clone()).or_default().insert(ty.clone());
            }
        }
        for subscription in consumers.iter().flat_map(|consumer| &consumer.subscriptions) {
            topics.entry(subscription.topic.clone()).or_default();
        }
        problems.extend(unhandled(routers, &producers));
        WiringErrors::check(problems)?;
        let topics = topics
            .into_iter()
            .map(|(name, types)| Topic {
                fifo: is_fifo(&name),
                types: types.into_iter().collect(),
                name,
            })
            .collect();
        Ok(Self {
            app: app.to_owned(),
            topics,
            consumers,
            producers,
            services: Vec::new(),
            attributes: ROUTING.map(str::to_owned).to_vec(),
            encryption: Encryption::default(),
            dedupe_window: DEDUPE_WINDOW,
            store: None,
            relay: None,
        })
    }

    /// The consumer of this name.
    pub fn consumer(&self, name: &str) -> Option<&Consumer> {
        self.consumers.iter().find(|consumer| consumer.name == name)
    }
}

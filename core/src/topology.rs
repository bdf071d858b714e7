//! What an application consists of: topics, queues, and who publishes and takes what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::wiring::{WiringError, WiringErrors};
use crate::{Backoff, Destination, Router, is_fifo};

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
}

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
    /// The topics that it takes from, each with the filter policy that its handlers make.
    pub subscriptions: Vec<Subscription>,
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

/// How a consumer's queue is set up.
///
/// ```
/// let settings = fanfare::topology::QueueSettings::default();
/// assert_eq!(settings.max_receives, 5);
/// assert_eq!(settings.dead_letter_retention.as_secs(), 14 * 24 * 60 * 60);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueSettings {
    /// How long it keeps a message; 4 days by default.
    pub retention: Duration,
    /// How long its dead-letter queue keeps one; 14 days, the most there is.
    pub dead_letter_retention: Duration,
    /// How long a received message is hidden; 30 s by default.
    pub visibility_timeout: Duration,
    /// How often a message is received before it becomes a dead letter; 5 by default.
    pub max_receives: u32,
    /// The pauses between tries. The host's, not the queue's.
    #[serde(skip)]
    pub backoff: Backoff,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            retention: 4 * DAY,
            dead_letter_retention: 14 * DAY,
            visibility_timeout: Duration::from_secs(30),
            max_receives: 5,
            backoff: Backoff::default(),
        }
    }
}

impl QueueSettings {
    fn check(&self, consumer: &str) -> Vec<WiringError> {
        let within = |setting, fits: bool, value: String, range| {
            let error = WiringError::OutOfRange {
                consumer: consumer.to_owned(),
                setting,
                value,
                range,
            };
            (!fits).then_some(error)
        };
        let minute = Duration::from_secs(60);
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        [
            within(
                "retention",
                (minute..=14 * DAY).contains(&self.retention),
                seconds(self.retention),
                "60 s to 14 days",
            ),
            within(
                "visibility timeout",
                self.visibility_timeout <= DAY / 2,
                seconds(self.visibility_timeout),
                "0 s to 12 h",
            ),
            within(
                "max_receives",
                (1..=1000).contains(&self.max_receives),
                self.max_receives.to_string(),
                "1 to 1000",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
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
        })
    }

    /// The consumer of this name.
    pub fn consumer(&self, name: &str) -> Option<&Consumer> {
        self.consumers.iter().find(|consumer| consumer.name == name)
    }
}

fn consumer(router: &Router, problems: &mut Vec<WiringError>) -> Consumer {
    problems.extend(router.check());
    problems.extend(router.queue.check(router.name()));
    let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for registration in &router.registrations {
        if let Destination::Topic(topic) = &registration.from {
            types.entry(topic).or_default().insert(registration.ty);
        }
    }
    let (fifo, standard): (Vec<&str>, Vec<&str>) = types.keys().partition(|topic| is_fifo(topic));
    if !fifo.is_empty() && !standard.is_empty() {
        problems.push(WiringError::MixedFifo {
            consumer: router.name().to_owned(),
            fifo: fifo.iter().map(ToString::to_string).collect(),
            standard: standard.iter().map(ToString::to_string).collect(),
        });
    }
    for (topic, types) in types.iter().filter(|(_, types)| types.len() > 150) {
        problems.push(WiringError::TooManyTypes {
            consumer: router.name().to_owned(),
            topic: topic.to_string(),
            types: types.len(),
        });
    }
    Consumer {
        name: router.name().to_owned(),
        fifo: !fifo.is_empty(),
        queue: router.queue.clone(),
        subscriptions: types
            .iter()
            .map(|(topic, types)| Subscription {
                topic: topic.to_string(),
                filter_policy: json!({ "type": types }),
            })
            .collect(),
        handlers: router
            .registrations
            .iter()
            .map(|registration| HandlerOf {
                ty: registration.ty.to_owned(),
                version: registration.version,
                from: registration.from.clone(),
                sends: registration
                    .sends
                    .iter()
                    .map(|(ty, to)| (ty.to_string(), to.clone()))
                    .collect(),
            })
            .collect(),
    }
}

/// Commands that are sent to a consumer that doesn't handle them.
fn unhandled(routers: &[Router], producers: &[Producer]) -> Vec<WiringError> {
    let handles = |addressee: &str, ty: &str| {
        routers
            .iter()
            .filter(|router| router.name() == addressee)
            .flat_map(|router| &router.registrations)
            .any(|registration| registration.ty == ty)
    };
    let by_handlers = routers.iter().flat_map(|router| {
        let sends = router
            .registrations
            .iter()
            .flat_map(|registration| &registration.sends);
        sends.map(|(ty, to)| (router.name(), *ty, to))
    });
    let by_producers = producers.iter().flat_map(|producer| {
        let sends = producer.sends.iter();
        sends.map(|(ty, to)| (producer.name.as_str(), ty.as_str(), to))
    });
    by_handlers
        .chain(by_producers)
        .filter_map(|(by, ty, to)| match to {
            Destination::Consumer(addressee) if !handles(addressee, ty) => {
                Some(WiringError::CommandUnhandled {
                    by: by.to_owned(),
                    ty: ty.to_owned(),
                    addressee: addressee.clone(),
                })
            }
            _ => None,
        })
        .collect()
}

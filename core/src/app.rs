//! An application: its consumers and producers.

use std::collections::BTreeMap;
use std::panic::Location;
use std::time::Duration;

use crate::topology::{DEDUPE_WINDOW, Encryption, Hosting, Producer as ProducerOf, Service, Topology};
use crate::wiring::{Place, WiringError, WiringErrors, check_name, check_topic};
use crate::{Command, Destination, Event, Router, RouterService};

/// All of an application's consumers and producers: what hosts, the topology and the command line
/// are built from. One function of the application makes it.
///
/// ```
/// use fanfare::{App, Delivery, Failure, Handled, Producer, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// let app = App::new("shop")
///     .producer(Producer::new("checkout").emits::<OrderPlaced>())
///     .consumer(Router::new("shipping").on::<OrderPlaced>(ship));
///
/// let topology = app.topology()?;
/// assert_eq!(topology.topics[0].name, "orders");
/// assert_eq!(topology.consumers[0].subscriptions[0].filter_policy.to_string(), r#"{"type":["order.placed"]}"#);
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct App {
    name: String,
    at: Place,
    routers: Vec<Router>,
    producers: Vec<Producer>,
    services: Vec<(Place, Service)>,
    attributes: Vec<String>,
    encryption: Encryption,
    dedupe_window: Duration,
    store: Option<String>,
    relay: Option<Hosting>,
}

/// A part of an application that publishes without consuming, such as an HTTP API.
///
/// ```
/// use fanfare::{App, Producer};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// let app = App::new("shop").producer(Producer::new("checkout").emits::<OrderPlaced>());
/// assert_eq!(app.topology()?.producers[0].name, "checkout");
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    name: String,
    at: Place,
    sends: Vec<(String, Destination)>,
}

impl Producer {
    /// A producer of this name, which is the `/source` of what it publishes: 1 to 35 characters of
    /// `a-z`, `0-9` and `-`.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            at: Location::caller(),
            sends: Vec::new(),
        }
    }

    /// Says that it emits `E`.
    #[must_use]
    pub fn emits<E: Event>(mut self) -> Self {
        self.sends
            .push((E::TYPE.to_owned(), Destination::Topic(E::TOPIC.to_owned())));
        self
    }

    /// Says that it sends the command `C`.
    #[must_use]
    pub fn sends<C: Command>(mut self) -> Self {
        self.sends
            .push((C::TYPE.to_owned(), Destination::Consumer(C::CONSUMER.to_owned())));
        self
    }
}

impl App {
    /// An application of this name, the prefix of its topics, queues and tables: 1 to 35 characters
    /// of `a-z`, `0-9` and `-`.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            at: Location::caller(),
            routers: Vec::new(),
            producers: Vec::new(),
            services: Vec::new(),
            attributes: Vec::new(),
            encryption: Encryption::default(),
            dedupe_window: DEDUPE_WINDOW,
            store: None,
            relay: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a consumer.
    #[must_use]
    pub fn consumer(mut self, router: Router) -> Self {
        self.routers.push(router);
        self
    }

    /// Adds a producer.
    #[must_use]
    pub fn producer(mut self, producer: Producer) -> Self {
        self.producers.push(producer);
        self
    }

    /// Adds a service that serves no queue, such as an HTTP API: so that it has a role and a place to run.
    #[must_use]
    #[track_caller]
    pub fn service(mut self, service: Service) -> Self {
        self.services.push((Location::caller(), service));
        self
    }

    /// Says that every message also has this attribute of the application's own, which its publisher
    /// sets: so that it counts against the ten that a message may have.
    ///
    /// ```
    /// let topology = fanfare::App::new("shop").attribute("team").topology()?;
    /// assert_eq!(topology.attributes, ["type", "version", "source", "key", "team"]);
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>) -> Self {
        self.attributes.push(name.into());
        self
    }

    /// Has topics and queues encrypted by this key of the account's own in KMS (its id, ARN or alias),
    /// rather than queues by SQS's own keys.
    #[must_use]
    pub fn encryption_key(mut self, key: impl Into<String>) -> Self {
        self.encryption = Encryption::Key(key.into());
        self
    }

    /// Says how long the store remembers what was handled, if it isn't 30 days: it must be longer than any
    /// queue and its dead-letter queue together keep a message. The store is held to it at the start.
    #[must_use]
    pub fn dedupe_window(mut self, window: Duration) -> Self {
        self.dedupe_window = window;
        self
    }

    /// Names the store's table, with the inbox and the outbox of all consumers: their roles need it.
    ///
    /// ```
    /// let topology = fanfare::App::new("shop").store("shop-fanfare").topology()?;
    /// assert_eq!(topology.store.as_deref(), Some("shop-fanfare"));
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    #[must_use]
    pub fn store(mut self, table: impl Into<String>) -> Self {
        self.store = Some(table.into());
        self
    }

    /// Says that a relay of its own publishes the outbox, and where it runs: needed where all consumers are
    /// functions, since a worker can relay what it commits itself. It is the one that measures the outbox,
    /// for alarms.
    ///
    /// ```
    /// use fanfare::topology::{FunctionSettings, Hosting};
    /// let relay = Hosting::Function(FunctionSettings::default().batch(100));
    /// let topology = fanfare::App::new("shop").store("shop-fanfare").relay(relay.clone()).topology()?;
    /// assert_eq!(topology.relay, Some(relay));
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    #[must_use]
    pub fn relay(mut self, hosting: Hosting) -> Self {
        self.relay = Some(hosting);
        self
    }

    /// Its consumers, in the order they were added.
    pub fn consumers(&self) -> &[Router] {
        &self.routers
    }

    /// The same application with each consumer changed by `change`: layers or limits that belong to
    /// where it runs rather than to what it is.
    #[must_use]
    pub fn map_consumers(mut self, change: impl FnMut(Router) -> Router) -> Self {
        self.routers = self.routers.into_iter().map(change).collect();
        self
    }

    /// What it consists of, derived from its handlers.
    ///
    /// # Errors
    /// Every mistake in its wiring, each with its place.
    pub fn topology(&self) -> Result<Topology, WiringErrors> {
        let producers = self
            .producers
            .iter()
            .map(|producer| ProducerOf {
                name: producer.name.clone(),
                sends: producer.sends.clone(),
            })
            .collect();
        let mut topology = Topology::new(&self.name, &self.routers, producers, self.check_names())?;
        topology.services = self.services.iter().map(|(_, service)| service.clone()).collect();
        topology.attributes.extend(self.attributes.iter().cloned());
        topology.encryption = self.encryption.clone();
        topology.dedupe_window = self.dedupe_window;
        topology.store = self.store.clone();
        topology.relay = self.relay.clone();
        Ok(topology)
    }

    /// A service for each consumer, for a host to serve.
    ///
    /// # Errors
    /// Every mistake in its wiring, each with its place.
    pub fn services(&self) -> Result<Vec<RouterService>, WiringErrors> {
        self.topology()?;
        self.routers.iter().cloned().map(Router::into_service).collect()
    }

    fn check_names(&self) -> Vec<WiringError> {
        let mut first = BTreeMap::new();
        let mut problems: Vec<_> = check_name(&self.name, self.at).into_iter().collect();
        for router in &self.routers {
            if let Some(before) = first.insert(router.name(), router.at) {
                problems.push(WiringError::TwoConsumers {
                    name: router.name().to_owned(),
                    first: before,
                    second: router.at,
                });
            }
        }
        for producer in &self.producers {
            problems.extend(check_name(&producer.name, producer.at));
            let topics = producer.sends.iter();
            problems.extend(topics.filter_map(|(_, to)| check_topic(to, producer.at)));
        }
        for (at, service) in &self.services {
            problems.extend(check_name(&service.name, at));
            problems.extend(service.settings.check(&service.name));
            if let Some(before) = first.insert(&service.name, at) {
                problems.push(WiringError::ServiceNameTaken {
                    name: service.name.clone(),
                    first: before,
                    second: at,
                });
            }
        }
        problems
    }
}

//! From a message to the handler of what is in it.

mod decode;
mod registration;
mod service;

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

use crate::delivery::Declared;
use crate::topology::{
    FunctionSettings, Hosting, Objectives, QueueSettings, ServiceSettings, TableAction, TableUse,
};
use crate::wiring::{Place, WiringError, check_topic};
use crate::{Backoff, BoxError, Command, Destination, Event, Handler, Message, Outcome};

pub(crate) use decode::Upcast;
pub(crate) use registration::Registration;
pub use service::RouterService;

type BoxService = BoxCloneSyncService<Message, Outcome, BoxError>;
type AddLayer = Arc<dyn Fn(BoxService) -> BoxService + Send + Sync>;

/// A consumer: its name, its handlers, one for each type of event or command it takes, and how its
/// queue is set up.
///
/// A router is a description and does nothing by itself. A host serves the
/// [`RouterService`] made from it, an [`App`](crate::App) derives queue, filter policy and
/// permissions. Mistakes in the wiring are collected and reported there, all at once.
///
/// ```
/// use fanfare::{Delivery, Failure, Handled, Router};
/// # macro_rules! event { ($name:ident, $ty:literal) => {
/// #     #[derive(serde::Serialize, serde::Deserialize)]
/// #     struct $name { order: String }
/// #     impl fanfare::Event for $name {
/// #         const TYPE: &'static str = $ty;
/// #         const TOPIC: &'static str = "orders";
/// #     }
/// # } }
/// # event!(OrderPlaced, "order.placed");
/// # event!(OrderShipped, "order.shipped");
/// async fn ship(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
///     Ok(Handled::Applied)
/// }
///
/// let shipping = Router::new("shipping").on::<OrderPlaced>(ship).emits::<OrderShipped>();
/// let service = shipping.into_service()?;
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone)]
pub struct Router {
    pub(crate) name: Arc<str>,
    pub(crate) at: Place,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) upcasts: Vec<Upcast>,
    pub(crate) queue: QueueSettings,
    pub(crate) hosting: Hosting,
    pub(crate) objectives: Objectives,
    pub(crate) tables: Vec<TableUse>,
    pub(crate) problems: Vec<WiringError>,
    layers: Vec<AddLayer>,
    ignore_unknown: bool,
    strict: bool,
}

impl Router {
    /// A consumer of this name without handlers yet. The name is part of every dedupe key and of the
    /// queue's name: 1 to 35 characters of `a-z`, `0-9` and `-`, and never changed once in use.
    #[track_caller]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            at: Location::caller(),
            registrations: Vec::new(),
            upcasts: Vec::new(),
            queue: QueueSettings::default(),
            hosting: Hosting::default(),
            objectives: Objectives::default(),
            tables: Vec::new(),
            problems: Vec::new(),
            layers: Vec::new(),
            ignore_unknown: false,
            strict: cfg!(debug_assertions),
        }
    }

    /// The consumer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Handles events of type `E` with this handler. One handler a type: a second one is an error
    /// that names both places.
    #[must_use]
    #[track_caller]
    pub fn on<E: Event>(self, handler: impl Handler<E>) -> Self {
        let to = Destination::Topic(E::TOPIC.to_owned());
        let registration = Registration::new(E::TYPE, E::VERSION, to, handler, Location::caller());
        self.register(registration)
    }

    /// Handles commands of type `C` with this handler.
    ///
    /// A command that is addressed to another consumer ([`Command::CONSUMER`]) is an error.
    ///
    /// ```
    /// # use fanfare::{App, Command, Delivery, Failure, Handled, Producer, Router};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct RefundPayment { order: String }
    ///
    /// impl Command for RefundPayment {
    ///     const TYPE: &'static str = "RefundPayment";
    ///     const CONSUMER: &'static str = "payment";
    /// }
    /// # async fn refund(_: Delivery<RefundPayment>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
    /// let app = App::new("shop")
    ///     .consumer(Router::new("payment").on_command::<RefundPayment>(refund))
    ///     .producer(Producer::new("desk").sends::<RefundPayment>());
    /// app.topology()?;
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn on_command<C: Command>(self, handler: impl Handler<C>) -> Self {
        let to = Destination::Consumer(C::CONSUMER.to_owned());
        let registration = Registration::new(C::TYPE, C::VERSION, to, handler, Location::caller());
        self.register(registration)
    }

    fn register(mut self, registration: Registration) -> Self {
        self.problems
            .extend(check_topic(&registration.from, registration.at));
        self.registrations.push(registration);
        self
    }

    /// Says that the handler registered last emits `E`. What isn't said here is not in the topology,
    /// so that emitting it fails in a [strict](Self::strict) router.
    #[must_use]
    #[track_caller]
    pub fn emits<E: Event>(self) -> Self {
        self.declares(E::TYPE, Destination::Topic(E::TOPIC.to_owned()))
    }

    /// Says that the handler registered last sends the command `C`.
    #[must_use]
    #[track_caller]
    pub fn sends<C: Command>(self) -> Self {
        self.declares(C::TYPE, Destination::Consumer(C::CONSUMER.to_owned()))
    }

    #[track_caller]
    fn declares(mut self, ty: &'static str, to: Destination) -> Self {
        self.problems.extend(check_topic(&to, Location::caller()));
        match self.registrations.last_mut() {
            Some(registration) => registration.sends.push((ty, to)),
            None => self.problems.push(WiringError::EmitsBeforeHandler {
                consumer: self.name.to_string(),
                ty,
                at: Location::caller(),
            }),
        }
        self
    }

    /// Reads events of the older version `Old` as `New`, which is handled here or again older than
    /// what is: V1 to V2 to V3 is one `older` for each step.
    ///
    /// ```
    /// # use fanfare::{Delivery, Failure, Handled, Router};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct OrderPlacedV1 { dollars: u64 }
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct OrderPlaced { cents: u64 }
    ///
    /// impl fanfare::Event for OrderPlacedV1 {
    ///     const TYPE: &'static str = "order.placed";
    ///     const TOPIC: &'static str = "orders";
    /// }
    /// impl fanfare::Event for OrderPlaced {
    ///     const TYPE: &'static str = "order.placed";
    ///     const VERSION: u16 = 2;
    ///     const TOPIC: &'static str = "orders";
    /// }
    /// impl From<OrderPlacedV1> for OrderPlaced {
    ///     fn from(old: OrderPlacedV1) -> Self {
    ///         Self { cents: old.dollars * 100 }
    ///     }
    /// }
    /// # async fn charge(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
    /// let router = Router::new("payment").on::<OrderPlaced>(charge).older::<OrderPlacedV1, OrderPlaced>();
    /// # router.into_service().unwrap();
    /// ```
    #[must_use]
    #[track_caller]
    pub fn older<Old: Event, New: Event + From<Old>>(mut self) -> Self {
        self.upcasts.push(Upcast::new::<Old, New>(Location::caller()));
        self
    }

    /// Deletes messages whose type nobody handles here, instead of putting them back for 20 minutes
    /// and then dead-lettering them. For a queue that others feed with more than you want.
    #[must_use]
    pub fn ignore_unknown(mut self) -> Self {
        self.ignore_unknown = true;
        self
    }

    /// Whether emitting what isn't declared is an error (true) or a line in the log (false). By
    /// default true with debug assertions, so in tests, and false without.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Wraps the handling of each message in a tower layer: a timeout, a concurrency or rate limit,
    /// one's own. Layers added later are further out. An error of a layer is a failed attempt. A
    /// service that can't be cloned, such as tower's rate limit, goes behind tower's `buffer`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tower::timeout::TimeoutLayer;
    /// let router = fanfare::Router::new("email").layer(TimeoutLayer::new(Duration::from_secs(20)));
    /// ```
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<BoxService> + Send + Sync + 'static,
        L::Service: Service<Message, Response = Outcome> + Clone + Send + Sync + 'static,
        <L::Service as Service<Message>>::Error: Into<BoxError> + 'static,
        <L::Service as Service<Message>>::Future: Send,
    {
        self.layers.push(Arc::new(move |service| {
            BoxCloneSyncService::new(layer.layer(service).map_err(Into::<BoxError>::into))
        }));
        self
    }

    /// How long the queue keeps a message (`MessageRetentionPeriod`): 60 s to 14 days, 4 days by
    /// default. Its dead-letter queue keeps them 14 days.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.queue.retention = retention;
        self
    }

    /// How often a message is received before it becomes a dead letter (`maxReceiveCount`): 1 to
    /// 1,000, 5 by default.
    #[must_use]
    pub fn max_receives(mut self, max_receives: u32) -> Self {
        self.queue.max_receives = max_receives;
        self
    }

    /// How long a received message is hidden from others (`VisibilityTimeout`): up to 12 h, 30 s by
    /// default. A host extends it while a handler works, so this is how long a crash delays.
    #[must_use]
    pub fn visibility_timeout(mut self, timeout: Duration) -> Self {
        self.queue.visibility_timeout = timeout;
        self
    }

    /// The pauses between tries: by default 1 s to 15 min, with full jitter.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.queue.backoff = backoff;
        self
    }

    /// Has it run as a Lambda function, set up like this, rather than as a service on ECS. The handlers
    /// are the same, and so is what they promise.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fanfare::topology::FunctionSettings;
    /// let function = FunctionSettings::default().timeout(Duration::from_secs(20));
    /// let billing = fanfare::Router::new("billing")
    ///     .visibility_timeout(Duration::from_secs(6 * 20))
    ///     .function(function);
    /// fanfare::App::new("shop").consumer(billing).topology()?;
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    #[must_use]
    pub fn function(mut self, settings: FunctionSettings) -> Self {
        self.hosting = Hosting::Function(settings);
        self
    }

    /// Has it run as a service on ECS, set up like this.
    ///
    /// ```
    /// use fanfare::topology::ServiceSettings;
    /// let billing = fanfare::Router::new("billing").service(ServiceSettings::default().tasks(2, 20));
    /// fanfare::App::new("shop").consumer(billing).topology()?;
    /// # Ok::<(), fanfare::WiringErrors>(())
    /// ```
    #[must_use]
    pub fn service(mut self, settings: ServiceSettings) -> Self {
        self.hosting = Hosting::Service(settings);
        self
    }

    /// How old the oldest message of its queue may be before an alarm tells: a minute or more, 5 minutes
    /// by default.
    #[must_use]
    pub fn objective(mut self, oldest: Duration) -> Self {
        self.objectives.oldest = oldest;
        self
    }

    /// Says what its handlers do with a table, by its name: its role allows them that and nothing else.
    /// What the inbox and the outbox do with the store's table goes without saying.
    ///
    /// ```
    /// use fanfare::topology::TableAction;
    /// let billing = fanfare::Router::new("billing").table("shop-ledger", [TableAction::Put, TableAction::Check]);
    /// ```
    #[must_use]
    pub fn table(mut self, name: impl Into<String>, actions: impl IntoIterator<Item = TableAction>) -> Self {
        TableUse::add(&mut self.tables, name.into(), actions);
        self
    }

    /// Where it runs: as a service unless [`function`](Self::function) says otherwise.
    pub fn hosting(&self) -> &Hosting {
        &self.hosting
    }

    fn declared(&self, registration: &Registration) -> Declared {
        Declared {
            sends: registration.sends.clone(),
            strict: self.strict,
        }
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router")
            .field("name", &self.name)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

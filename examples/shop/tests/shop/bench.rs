//! A bench for one service: its tables, what it is given, and what it publishes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use fanfare::fault::Life;
use fanfare::port::{BoxFuture, Publish, PublishError};
use fanfare::{Clock, Command, Destination, Draft, Event, Message, Outcome, Outgoing};
use fanfare_local::Dynamo;
use fanfare_store::{Mutation, Store};
use shop::email::{Folder, Provider};
use shop::item::Item;
use shop::tables::{self, FANFARE, Table};
use shop::{Deps, Order, app, inventory};
use tempfile::TempDir;
use tower::{Service, ServiceExt};

/// An order of customer 4, two CDs for 29.33.
pub(crate) fn order(id: &str) -> Order {
    Order {
        id: id.into(),
        customer: "00004".into(),
        placed_on: "1997-01-01".into(),
        quantity: 2,
        total_cents: 2_933,
    }
}

/// The same order at another price.
pub(crate) fn priced(id: &str, total_cents: i64) -> Order {
    Order {
        total_cents,
        ..order(id)
    }
}

/// The same order of more or fewer CDs.
pub(crate) fn of_size(id: &str, quantity: u32) -> Order {
    Order {
        quantity,
        ..order(id)
    }
}

/// Late 2001, on tokio's clock.
pub(crate) fn clock() -> Clock {
    Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

/// Keeps what is published.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Outgoing>>>);

impl Publish for Kept {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let results = outgoing.iter().map(|_| Ok(())).collect();
            self.0.lock().expect("nobody panicked").extend(outgoing);
            results
        })
    }
}

/// One service, or any of them, without a broker.
pub(crate) struct Bench {
    pub(crate) deps: Deps,
    pub(crate) dynamo: Dynamo,
    pub(crate) mail: TempDir,
    kept: Kept,
}

impl Bench {
    /// With 640 CDs, ten on each shelf.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        Self::with(640, |store| store, None).await
    }

    /// With this many CDs.
    pub(crate) async fn stocked(stock: u32) -> anyhow::Result<Self> {
        Self::with(stock, |store| store, None).await
    }

    /// With a store that handles duplicates again.
    pub(crate) async fn without_dedupe() -> anyhow::Result<Self> {
        Self::with(640, |store| store.mutate(Mutation::NoDedupe), None).await
    }

    /// With this mail provider.
    pub(crate) async fn mailing(provider: Arc<dyn Provider>) -> anyhow::Result<Self> {
        Self::with(640, |store| store, Some(provider)).await
    }

    async fn with(
        stock: u32,
        change: impl FnOnce(Store) -> Store,
        provider: Option<Arc<dyn Provider>>,
    ) -> anyhow::Result<Self> {
        let clock = clock();
        let dynamo = Dynamo::memory(clock.clone())?;
        let client = dynamo.client(&Life::default());
        let store = change(Store::new(client.clone(), FANFARE).clock(clock.clone()));
        store.create_table().await?;
        tables::create(&client).await?;
        inventory::fill_shelves(&client, stock).await?;
        let mail = tempfile::tempdir()?;
        let folder: Arc<dyn Provider> = Arc::new(Folder::open(mail.path(), clock.clone())?);
        let deps = Deps {
            dynamo: client,
            store,
            mail: provider.unwrap_or(folder),
            mail_lease: Duration::from_secs(30),
            clock,
        };
        Ok(Self {
            deps,
            dynamo,
            mail,
            kept: Kept::default(),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.deps.dynamo
    }

    /// An event as it travels, from a source of its own.
    pub(crate) fn event<E: Event>(&self, event: &E) -> anyhow::Result<Outgoing> {
        Ok(Draft::event(event)?.first("/test", &self.deps.clock))
    }

    /// A command as it travels.
    pub(crate) fn command<C: Command>(&self, command: &C) -> anyhow::Result<Outgoing> {
        Ok(Draft::command(command)?.first("/test", &self.deps.clock))
    }

    /// Gives a consumer a message, and says what became of it.
    pub(crate) async fn deliver(&self, consumer: &str, outgoing: &Outgoing) -> anyhow::Result<Outcome> {
        let services = app(&self.deps).services()?;
        let service = services
            .into_iter()
            .find(|service| service.consumer() == consumer);
        let mut service = service.expect("a consumer of that name");
        let message = Message::new(outgoing.envelope.to_json());
        Ok(service.ready().await?.call(message).await?)
    }

    /// Gives a consumer an event, which must be applied.
    pub(crate) async fn apply<E: Event>(&self, consumer: &str, event: &E) -> anyhow::Result<()> {
        let outcome = self.deliver(consumer, &self.event(event)?).await?;
        anyhow::ensure!(outcome.name() == "applied", "{outcome:?}");
        Ok(())
    }

    /// All that was published so far: types and where to, sorted by them.
    pub(crate) async fn published(&self) -> anyhow::Result<Vec<Outgoing>> {
        self.deps.store.relay(self.kept.clone()).drain().await?;
        let mut published = self.kept.0.lock().expect("nobody panicked").clone();
        published.sort_by_key(|outgoing| {
            let envelope = &outgoing.envelope;
            (
                envelope.ty().to_owned(),
                outgoing.key.clone(),
                envelope.sequence(),
            )
        });
        Ok(published)
    }

    /// The types of all that was published so far, sorted.
    pub(crate) async fn types(&self) -> anyhow::Result<Vec<String>> {
        let published = self.published().await?;
        let types = published.iter().map(|outgoing| outgoing.envelope.ty().to_owned());
        Ok(types.collect())
    }

    /// All items of a table.
    pub(crate) async fn items(&self, table: Table) -> anyhow::Result<Vec<Item>> {
        table.scan(self.client()).await
    }
}

/// The topic or consumer that something goes to.
pub(crate) fn goes_to(outgoing: &Outgoing) -> String {
    match &outgoing.destination {
        Destination::Topic(topic) => topic.clone(),
        Destination::Consumer(consumer) => format!("consumer {consumer}"),
    }
}

/// A number of an item.
pub(crate) fn number(item: &Item, attribute: &str) -> i64 {
    item[attribute]
        .as_n()
        .expect("a number")
        .parse()
        .expect("a whole one")
}

/// A text of an item.
pub(crate) fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    item[attribute].as_s().expect("a text")
}

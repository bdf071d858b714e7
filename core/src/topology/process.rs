//! A process that serves no queue.

use serde::Serialize;

use super::{ServiceSettings, TableAction, TableUse};

/// A service of an application that serves no queue, and commits to the store: an HTTP API. It relays what it
/// commits itself. What it publishes, a [`Producer`](crate::Producer) says.
///
/// ```
/// use fanfare::App;
/// use fanfare::topology::{Service, ServiceSettings, TableAction};
/// let api = Service::new("api")
///     .table("shop-orders", [TableAction::Put])
///     .port(8080)
///     .settings(ServiceSettings::default().tasks(2, 2));
/// let topology = App::new("shop").store("shop-fanfare").service(api).topology()?;
/// assert_eq!((topology.services[0].port, topology.services[0].tables.len()), (Some(8080), 1));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Service {
    /// Its name, which no consumer has.
    pub name: String,
    /// How it is set up. There is no backlog that it could scale by: it has as many tasks as at least.
    pub settings: ServiceSettings,
    /// The tables that it uses, besides the store's.
    pub tables: Vec<TableUse>,
    /// The port that it listens on, if it does.
    pub port: Option<u16>,
}

impl Service {
    /// A service of this name, 1 to 35 characters of `a-z`, `0-9` and `-`, that listens on no port.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            settings: ServiceSettings::default(),
            tables: Vec::new(),
            port: None,
        }
    }

    /// Sets how large it is, and how many tasks it has.
    #[must_use]
    pub fn settings(mut self, settings: ServiceSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Says that it uses this table, and how: its role allows that and nothing else.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>, actions: impl IntoIterator<Item = TableAction>) -> Self {
        TableUse::add(&mut self.tables, name.into(), actions);
        self
    }

    /// Says that it listens on this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

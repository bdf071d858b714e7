//! What a command line is for.

use fanfare::table::Table;
use fanfare::{App, Command, Event};
use fanfare_infra::Program;
use schemars::JsonSchema;

use crate::payload::Payload;

/// An application: what it consists of, the tables that it needs, and what its payloads look like.
///
/// ```
/// use fanfare::table::{Key, Table};
/// use fanfare::{App, Router};
/// use fanfare_cli::Application;
///
/// let shop = Application::new(App::new("shop").consumer(Router::new("payment")))
///     .tables([Table::new("shop-ledger", Key::text("order_id"))])
///     .table(fanfare_store::table("shop-fanfare"));
/// assert_eq!(shop.tables.len(), 2);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Application {
    /// What it consists of.
    pub app: App,
    /// Its own tables and the store's.
    pub tables: Vec<Table>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) program: Option<Program>,
}

impl Application {
    /// An application without tables.
    pub fn new(app: App) -> Self {
        Self {
            app,
            tables: Vec::new(),
            payloads: Vec::new(),
            program: None,
        }
    }

    /// How its binary is told which part of it it is, for `topology cloudformation`, where that isn't
    /// [as usual](Program::new).
    ///
    /// ```
    /// use fanfare_cli::Application;
    /// use fanfare_infra::Program;
    ///
    /// let mut program = Program::new("shop");
    /// program.worker = ["serve", "{consumer}"].map(str::to_owned).to_vec();
    /// program.healthy.clear(); // it has no port to ask
    /// let shop = Application::new(fanfare::App::new("shop")).program(program);
    /// ```
    #[must_use]
    pub fn program(mut self, program: Program) -> Self {
        self.program = Some(program);
        self
    }

    /// Adds a table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.tables([table])
    }

    /// Adds tables.
    #[must_use]
    pub fn tables(mut self, tables: impl IntoIterator<Item = Table>) -> Self {
        self.tables.extend(tables);
        self
    }

    /// Describes the payload of an event by its Rust type, for `topology asyncapi` and `topology schemas`:
    /// each version that is written or read, so also those that [`older`](fanfare::Router::older) lifts.
    ///
    /// ```
    /// use fanfare_cli::{Application, schemars::{self, JsonSchema}};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize, JsonSchema)]
    /// struct OrderPlaced {
    ///     order: String,
    /// }
    /// impl fanfare::Event for OrderPlaced {
    ///     const TYPE: &'static str = "order.placed";
    ///     const TOPIC: &'static str = "orders";
    /// }
    /// let shop = Application::new(fanfare::App::new("shop")).event::<OrderPlaced>();
    /// ```
    #[must_use]
    pub fn event<E: Event + JsonSchema>(mut self) -> Self {
        self.payloads.push(Payload::event::<E>());
        self
    }

    /// Describes the payload of a command by its Rust type, as [`event`](Self::event) does.
    ///
    /// ```
    /// use fanfare_cli::{Application, schemars::{self, JsonSchema}};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize, JsonSchema)]
    /// struct RefundPayment {
    ///     order: String,
    /// }
    /// impl fanfare::Command for RefundPayment {
    ///     const TYPE: &'static str = "RefundPayment";
    ///     const CONSUMER: &'static str = "payment";
    /// }
    /// let shop = Application::new(fanfare::App::new("shop")).command::<RefundPayment>();
    /// ```
    #[must_use]
    pub fn command<C: Command + JsonSchema>(mut self) -> Self {
        self.payloads.push(Payload::command::<C>());
        self
    }
}

impl From<App> for Application {
    fn from(app: App) -> Self {
        Self::new(app)
    }
}

//! What a command line is for.

use fanfare::App;
use fanfare::table::Table;

/// An application: what it consists of, and the tables that it needs.
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
}

impl Application {
    /// An application without tables.
    pub fn new(app: App) -> Self {
        Self {
            app,
            tables: Vec::new(),
        }
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
}

impl From<App> for Application {
    fn from(app: App) -> Self {
        Self::new(app)
    }
}

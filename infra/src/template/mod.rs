//! The CloudFormation template of an application, made from its topology.

mod alarms;
mod dashboard;
mod document;
mod error;
mod functions;
mod ids;
mod intrinsic;
mod messaging;
mod outputs;
mod parameters;
mod program;
mod relay;
mod resources;
mod roles;
mod scaling;
mod services;
mod tables;

use std::collections::BTreeMap;

use fanfare::Topology;
use fanfare::table::Table;
use fanfare::topology::{Consumer, Hosting};

use self::document::Document;
pub use self::error::TemplateError;
use self::ids::Ids;
pub use self::program::Program;

/// An application's CloudFormation template: its topics, queues and tables as
/// [`Deployment`](crate::Deployment) makes them, and what runs on them: functions, services, their roles,
/// alarms and a dashboard.
///
/// The same application gives the same text. What belongs to a consumer is named after it, so that another
/// consumer adds its own and changes nothing else.
///
/// ```
/// use fanfare::{App, Router};
/// use fanfare_infra::{Template, Table};
///
/// let app = App::new("shop").store("shop-fanfare").consumer(Router::new("payment"));
/// let template = Template::new(&app.topology()?).table(fanfare_store::table("shop-fanfare"));
/// let yaml = template.yaml()?;
/// assert!(yaml.contains("  PaymentQueue:\n    Type: AWS::SQS::Queue\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    topology: Topology,
    tables: Vec<Table>,
    program: Program,
    scaling: bool,
    environment: BTreeMap<String, String>,
}

impl Template {
    /// The template of an application without tables, with the [`Program`] that goes by its name.
    pub fn new(topology: &Topology) -> Self {
        Self {
            program: Program::new(&topology.app),
            topology: topology.clone(),
            tables: Vec::new(),
            scaling: true,
            environment: BTreeMap::new(),
        }
    }

    /// Adds a table. The store's must be among them, and every one that a consumer uses.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }

    /// How the application's binary is told which part of it it is.
    #[must_use]
    pub fn program(mut self, program: Program) -> Self {
        self.program = program;
        self
    }

    /// Whether services scale with their backlog; so they do by default. Without, each has as many tasks
    /// as its parameter says: for an account, or a local AWS, that lacks Application Auto Scaling.
    #[must_use]
    pub fn scaling(mut self, scaling: bool) -> Self {
        self.scaling = scaling;
        self
    }

    /// Gives every function and task this environment variable.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// The template as YAML.
    ///
    /// # Errors
    /// It would be none that CloudFormation takes, or not the one that is meant; see [`TemplateError`].
    pub fn yaml(&self) -> Result<String, TemplateError> {
        self.document()?.yaml()
    }

    /// The template as JSON, which CloudFormation takes as well.
    ///
    /// # Errors
    /// As [`yaml`](Self::yaml).
    pub fn json(&self) -> Result<serde_json::Value, TemplateError> {
        self.document()?.json()
    }

    fn document(&self) -> Result<Document, TemplateError> {
        self.check()?;
        let mut build = Build {
            template: self,
            ids: Ids::new(self)?,
            out: Document::new(&self.topology.app),
        };
        parameters::add(&mut build);
        messaging::topics(&mut build);
        tables::add(&mut build);
        for consumer in &self.topology.consumers {
            messaging::consumer(&mut build, consumer);
            match &consumer.hosting {
                Hosting::Function(settings) => functions::add(&mut build, consumer, settings),
                Hosting::Service(settings) => services::add(&mut build, consumer, settings),
                other => return Err(TemplateError::hosting(&consumer.name, other)),
            }
            alarms::consumer(&mut build, consumer);
        }
        for service in &self.topology.services {
            services::alone(&mut build, service);
        }
        relay::add(&mut build)?;
        if self.has_services() {
            services::shared(&mut build);
        }
        alarms::shared(&mut build);
        dashboard::add(&mut build);
        outputs::add(&mut build);
        build.out.check()?;
        Ok(build.out)
    }

    /// What is used and not described.
    fn check(&self) -> Result<(), TemplateError> {
        let described = |name: &str| self.tables.iter().any(|table| table.name == name);
        let missing = |name: &String, by: &str| {
            let (table, by) = (name.clone(), by.to_owned());
            (!described(name)).then_some(TemplateError::NoTable { table, by })
        };
        let store = self.topology.store.iter();
        let store = store.filter_map(|store| missing(store, "the store"));
        let own = self.topology.consumers.iter().flat_map(|consumer| {
            let by = format!("consumer `{}`", consumer.name);
            let tables = consumer.tables.iter();
            tables.filter_map(move |used| missing(&used.name, &by))
        });
        let alone = self.topology.services.iter().flat_map(|service| {
            let by = format!("service `{}`", service.name);
            let tables = service.tables.iter();
            tables.filter_map(move |used| missing(&used.name, &by))
        });
        store.chain(own).chain(alone).next().map_or(Ok(()), Err)
    }

    fn hostings(&self) -> impl Iterator<Item = &Hosting> {
        let consumers = self.topology.consumers.iter();
        consumers
            .map(|consumer| &consumer.hosting)
            .chain(&self.topology.relay)
    }

    fn has_services(&self) -> bool {
        !self.topology.services.is_empty()
            || self
                .hostings()
                .any(|hosting| matches!(hosting, Hosting::Service(_)))
    }

    fn has_functions(&self) -> bool {
        self.hostings()
            .any(|hosting| matches!(hosting, Hosting::Function(_)))
    }
}

/// A template in the making.
struct Build<'a> {
    template: &'a Template,
    ids: Ids,
    out: Document,
}

impl<'a> Build<'a> {
    fn topology(&self) -> &'a Topology {
        &self.template.topology
    }

    fn app(&self) -> &'a str {
        &self.template.topology.app
    }

    fn table(&self, name: &str) -> Option<&'a Table> {
        self.template.tables.iter().find(|table| table.name == name)
    }
}

/// The beginning of the names of a consumer's resources.
fn of(consumer: &Consumer) -> String {
    ids::pascal(&consumer.name)
}

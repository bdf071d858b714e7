//! What was made, changed, found or deleted.

use std::fmt;
use std::time::Duration;

use crate::Difference;

/// A thing in the account.
///
/// ```
/// use fanfare_infra::{Kind, Resource};
/// let resource = Resource::new(Kind::Queue, "shop-shipping");
/// assert_eq!(resource.to_string(), "queue shop-shipping");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// Its name; of a subscription topic and queue, as in `shop-orders to shop-shipping`, and of a mapping
    /// source and function, as in `queue shop-shipping to shop-shipping`.
    pub name: String,
}

/// A kind of thing in an account.
///
/// ```
/// assert_eq!(fanfare_infra::Kind::Table.name(), "table");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// An SNS topic.
    Topic,
    /// An SQS queue.
    Queue,
    /// A DynamoDB table.
    Table,
    /// A subscription of a queue to a topic.
    Subscription,
    /// A Lambda function.
    Function,
    /// An event-source mapping: from a queue or a table's stream to a function.
    Mapping,
}

/// What became of a thing.
///
/// ```
/// use fanfare_infra::Outcome;
/// assert_ne!(Outcome::Made, Outcome::There);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It wasn't there, or an earlier run had not finished it.
    Made,
    /// It was there otherwise, and these settings were changed.
    Changed(Vec<Difference>),
    /// It was there already.
    There,
    /// It was deleted.
    Deleted,
    /// There was nothing to delete.
    Absent,
}

/// One thing of a report.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// # let caller = fanfare_infra::caller(&config).await?;
/// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
/// let report = deployment.provision().await?;
/// assert_eq!(report.entries()[0].to_string(), "made      queue shop-shipping-dlq");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The thing.
    pub resource: Resource,
    /// What became of it.
    pub outcome: Outcome,
}

/// All that was made, changed, found or deleted, in that order of work; its text has a line for each.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// # let caller = fanfare_infra::caller(&config).await?;
/// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
/// let report = deployment.provision().await?;
/// assert!(!report.is_unchanged());
/// assert!(report.to_string().ends_with("2 made, 0 changed, 0 there already"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    entries: Vec<Entry>,
    notes: Vec<String>,
    /// It tells what would be done.
    planned: bool,
}

/// What is told while a run goes on, one line each.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// # let caller = fanfare_infra::caller(&config).await?;
/// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
/// let mut lines = Vec::new();
/// deployment.provision_telling(|step| lines.push(step.to_string())).await?;
/// assert_eq!(lines, ["made      queue shop-shipping-dlq", "made      queue shop-shipping"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Something is being made, and told of again when it is ready: a table.
    Begun(Resource),
    /// What became of a thing.
    Done(Entry),
    /// Nothing is done for so long.
    Waiting {
        /// How long.
        time: Duration,
        /// What for: `until ...`.
        until: &'static str,
    },
}

/// A report as it is written, and whoever is told of each step at once.
pub(crate) struct Log<T> {
    report: Report,
    tell: T,
}

impl<T: FnMut(&Step)> Log<T> {
    pub(crate) fn new(tell: T) -> Self {
        let report = Report::new(false);
        Self { report, tell }
    }

    pub(crate) fn begun(&mut self, resource: Resource) {
        tracing::info!(%resource, "begun");
        (self.tell)(&Step::Begun(resource));
    }

    pub(crate) fn add(&mut self, resource: Resource, outcome: Outcome) {
        tracing::info!(%resource, "{}", outcome.word(false));
        (self.tell)(&Step::Done(Entry {
            resource: resource.clone(),
            outcome: outcome.clone(),
        }));
        self.report.add(resource, outcome);
    }

    pub(crate) fn waiting(&mut self, time: Duration, until: &'static str) {
        tracing::info!(?time, "waiting until {until}");
        (self.tell)(&Step::Waiting { time, until });
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }
}

impl Resource {
    /// The thing of this kind and name.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl Kind {
    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Queue => "queue",
            Self::Table => "table",
            Self::Subscription => "subscription",
            Self::Function => "function",
            Self::Mapping => "mapping",
        }
    }
}

impl Report {
    pub(crate) fn new(planned: bool) -> Self {
        Self {
            entries: Vec::new(),
            notes: Vec::new(),
            planned,
        }
    }

    pub(crate) fn add(&mut self, resource: Resource, outcome: Outcome) {
        self.entries.push(Entry { resource, outcome });
    }

    /// Each thing, in the order of work.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What else there is to know, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether everything was already as it is to be: there, or for a removal gone.
    pub fn is_unchanged(&self) -> bool {
        let unchanged = |entry: &Entry| matches!(entry.outcome, Outcome::There | Outcome::Absent);
        self.entries.iter().all(unchanged)
    }

    /// Its text without the lines of each thing: the sums, and the notes.
    pub fn summary(&self) -> String {
        let made = self.count(|outcome| *outcome == Outcome::Made);
        let changed = self.count(|outcome| matches!(outcome, Outcome::Changed(_)));
        let there = self.count(|outcome| *outcome == Outcome::There);
        let deleted = self.count(|outcome| *outcome == Outcome::Deleted);
        let absent = self.count(|outcome| *outcome == Outcome::Absent);
        let sums = match (self.planned, deleted + absent) {
            (true, _) => format!("{made} to make, {changed} to change, {there} there already"),
            (false, 0) => format!("{made} made, {changed} changed, {there} there already"),
            (false, _) => format!("{deleted} deleted, {absent} not there"),
        };
        [&[sums], &*self.notes].concat().join("\n")
    }

    fn count(&self, outcome: impl Fn(&Outcome) -> bool) -> usize {
        self.entries
            .iter()
            .filter(|entry| outcome(&entry.outcome))
            .count()
    }
}

impl Outcome {
    fn word(&self, planned: bool) -> &'static str {
        match (self, planned) {
            (Self::Made, false) => "made",
            (Self::Made, true) => "to make",
            (Self::Changed(_), false) => "changed",
            (Self::Changed(_), true) => "to change",
            (Self::There, _) => "there",
            (Self::Deleted, _) => "deleted",
            (Self::Absent, _) => "absent",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

impl Entry {
    fn write(&self, planned: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {}", self.outcome.word(planned), self.resource)?;
        if let Outcome::Changed(differences) = &self.outcome {
            for (at, difference) in differences.iter().enumerate() {
                let before = difference.is.as_deref().unwrap_or("nothing");
                let after = match difference.should_be.as_str() {
                    "" => "nothing",
                    should_be => should_be,
                };
                let sign = if at == 0 { ':' } else { ',' };
                write!(f, "{sign} {} from {before} to {after}", difference.setting)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(false, f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            entry.write(self.planned, f)?;
            writeln!(f)?;
        }
        f.write_str(&self.summary())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(resource) => write!(f, "begun     {resource}"),
            Self::Done(entry) => entry.fmt(f),
            Self::Waiting { time, until } => {
                let seconds = time.as_millis().div_ceil(1_000);
                write!(f, "waiting   {seconds} s until {until}")
            }
        }
    }
}

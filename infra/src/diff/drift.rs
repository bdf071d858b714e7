//! What is otherwise in an account than in the code.

use std::fmt;

use crate::{Difference, Resource};

/// One thing that is otherwise.
///
/// ```
/// use fanfare_infra::{Drifted, Kind, Resource};
/// let queue = Resource::new(Kind::Queue, "shop-billing");
/// assert_eq!(Drifted::Added(queue).to_string(), "added     queue shop-billing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drifted {
    /// It is in the code, and not deployed; of a table, perhaps not whole.
    Added(Resource),
    /// It is deployed, and not in the code.
    Removed(Resource),
    /// It is deployed otherwise than the code says.
    Changed(Difference),
}

/// All that is otherwise in an account than in the code; its text has a line for each, and the sums.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// # let caller = fanfare_infra::caller(&config).await?;
/// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
/// let text = "\
/// added     queue shop-shipping-dlq
/// added     queue shop-shipping
/// 2 added and not deployed, 0 removed and still deployed, 0 changed, 0 as the code says";
/// assert_eq!(deployment.diff().await?.to_string(), text);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    entries: Vec<Drifted>,
    same: usize,
    changed: usize,
}

impl Drift {
    /// Each thing that is otherwise: what the code says in its order, then what it doesn't.
    pub fn entries(&self) -> &[Drifted] {
        &self.entries
    }

    /// Whether everything is as the code says.
    pub fn is_none(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its text without the lines of each thing.
    pub fn summary(&self) -> String {
        let count = |counts: fn(&Drifted) -> bool| self.entries.iter().filter(|entry| counts(entry)).count();
        format!(
            "{} added and not deployed, {} removed and still deployed, {} changed, {} as the code says",
            count(|entry| matches!(entry, Drifted::Added(_))),
            count(|entry| matches!(entry, Drifted::Removed(_))),
            self.changed,
            self.same
        )
    }

    pub(crate) fn added(&mut self, resource: &Resource) {
        self.entries.push(Drifted::Added(resource.clone()));
    }

    pub(crate) fn removed(&mut self, resource: Resource) {
        self.entries.push(Drifted::Removed(resource));
    }

    /// One thing that is there, with what is otherwise about it.
    pub(crate) fn compared(&mut self, differences: Vec<Difference>) {
        match differences.is_empty() {
            true => self.same += 1,
            false => self.changed += 1,
        }
        self.entries.extend(differences.into_iter().map(Drifted::Changed));
    }
}

impl fmt::Display for Drifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(resource) => write!(f, "added     {resource}"),
            Self::Removed(resource) => write!(f, "removed   {resource}"),
            Self::Changed(difference) => write!(f, "changed   {difference}"),
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{entry}")?;
        }
        f.write_str(&self.summary())
    }
}

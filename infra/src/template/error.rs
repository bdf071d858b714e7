//! Why there is no template.

use fanfare::AccountError;
use fanfare::topology::Hosting;

/// Why an application has no template.
///
/// ```
/// use fanfare_infra::Template;
/// let app = fanfare::App::new("shop").store("shop-fanfare");
/// let error = Template::new(&app.topology()?).yaml().unwrap_err();
/// assert!(error.to_string().starts_with("the store uses table `shop-fanfare`, which isn't described"));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A table is used that nobody has described.
    #[error("{by} uses table `{table}`, which isn't described: give its description to the application")]
    NoTable {
        /// The table.
        table: String,
        /// Who uses it.
        by: String,
    },
    /// A relay of its own has nothing to relay.
    #[error("there is a relay and no store: name the store's table by `App::store`")]
    NoStore,
    /// A relay that is a function reads the stream of the store's table, and it has none.
    #[error(
        "the relay is a function, and table `{table}` has no stream: add `.stream(Stream::NewImage)` to it"
    )]
    NoStream {
        /// The store's table.
        table: String,
    },
    /// Two parts of it would have the same name in the template.
    #[error("two things would be `{id}` in the template: rename the consumer, topic or table of one of them")]
    SameId {
        /// The name.
        id: String,
    },
    /// CloudFormation takes only so many.
    #[error("the template has {found} {what}, and CloudFormation takes {most}: split the application")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A way to run that templates don't know.
    #[error("`{name}` runs as {hosting}, which the template can't express")]
    Hosting {
        /// The consumer, or the relay.
        name: String,
        /// How it runs.
        hosting: String,
    },
    /// A name that can't be part of an ARN.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// It can't be written down as YAML.
    #[error("the template can't be written as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// It can't be written down as JSON.
    #[error("the template can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl TemplateError {
    pub(super) fn hosting(name: &str, hosting: &Hosting) -> Self {
        Self::Hosting {
            name: name.to_owned(),
            hosting: format!("{hosting:?}"),
        }
    }
}

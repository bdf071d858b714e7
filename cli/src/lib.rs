//! The command line of a fanfare application, as a library that the application's own binary serves:
//! only that binary knows the [`Application`].
//!
//! Flatten [`Command`] into the binary's own commands, and give it the application:
//!
//! ```
//! use clap::Parser;
//! use fanfare::table::{Key, Table};
//! use fanfare::{App, Router};
//! use fanfare_cli::Application;
//!
//! #[derive(Parser)]
//! enum Cli {
//!     /// Starts the service
//!     Serve,
//!     #[command(flatten)]
//!     Fanfare(fanfare_cli::Command),
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), fanfare_cli::CommandError> {
//! let app = App::new("shop").consumer(Router::new("payment"));
//! let shop = Application::new(app)
//!     .table(Table::new("shop-ledger", Key::text("order_id")))
//!     .table(fanfare_store::table("shop-fanfare"));
//! match Cli::parse_from(["shop", "topology", "show"]) {
//!     Cli::Serve => {}
//!     Cli::Fanfare(command) => command.run(&shop, &mut std::io::stdout()).await?,
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Endpoint, region and credentials are the AWS environment's: `AWS_PROFILE`, `AWS_REGION`,
//! `AWS_ENDPOINT_URL` and their like, as AWS's own tools take them.

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/looking-at-it.md")]
mod guide {}

mod application;
mod healthy;
mod infra;
mod payload;
mod table;
mod topology;

use std::io::{self, Write};
use std::path::PathBuf;

use fanfare::WiringErrors;
use fanfare_infra::{InfraError, TemplateError};

pub use application::Application;
pub use schemars;
pub use topology::{Cloudformation, Topology};

/// The commands that every application has.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// What the application consists of: shown, checked, drawn, reckoned
    #[command(subcommand)]
    Topology(Topology),
    /// Makes what the application needs in the AWS account: topics, queues, subscriptions, tables
    ///
    /// What is there as it should be stays as it is. What is there otherwise is named, and then nothing
    /// is done. After a change of queue policies it may wait a minute for them to spread.
    Provision {
        /// Also change what is there otherwise, as far as it can be changed
        #[arg(long)]
        update: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Asks the worker on this port of this host whether it lives: a container's health check
    Healthy {
        /// The port that it was given by `--health`
        port: u16,
    },
    /// Deletes all that `provision` makes, with every message and item in it
    ///
    /// What has the same names and isn't the application's is named, and then nothing is done. On AWS it
    /// waits a minute at the end, until the queues' names are free again.
    Remove {
        /// Yes, delete it
        #[arg(long)]
        yes: bool,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The application has mistakes in its wiring, or could not be deployed as it is.
    #[error(transparent)]
    Wiring(#[from] WiringErrors),
    /// The account isn't as it should be, or can't be reached.
    #[error(transparent)]
    Infra(#[from] InfraError),
    /// What is deployed isn't what the code says; what differs was printed.
    #[error("what is deployed isn't what the code says")]
    Drift,
    /// Nobody has said that everything may be deleted.
    #[error(
        "this deletes the topics, queues and tables of `{app}` with all that is in them: say so with --yes"
    )]
    Unconfirmed {
        /// The application's name.
        app: String,
    },
    /// Types that are published or taken, and whose payloads nobody has described.
    #[error(
        "there is no schema of {}: describe each version by `.event::<..>()` or `.command::<..>()` of the `Application`",
        .types.join(", ")
    )]
    NoSchema {
        /// The types, some with a version.
        types: Vec<String>,
    },
    /// Schemas that have changed in a way that somebody can't take, or that aren't committed.
    #[error("{}", .problems.join("\n"))]
    Schemas {
        /// What is wrong with each, with its field.
        problems: Vec<String>,
    },
    /// A folder or file of schemas that can't be read or written.
    #[error("{} can't be read or written", path.display())]
    Folder {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The application has no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Nobody answers there.
    #[error("nobody answers on port {port} of this host")]
    Unasked {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The worker there says that it isn't well.
    #[error("the worker on port {port} answers `{answer}`")]
    Unhealthy {
        /// The port.
        port: u16,
        /// The beginning of its answer.
        answer: String,
    },
    /// Its output can't be written.
    #[error("the output can't be written")]
    Output(#[from] io::Error),
}

impl Command {
    /// Runs the command for this application, with its output to `out`. Only `provision`, `remove`
    /// and `topology diff` look at the AWS environment, and call AWS. May be dropped: what was made stays, and the next run
    /// goes on from there.
    ///
    /// # Errors
    /// The application has mistakes in its wiring, or could not be deployed as it is; the account has something otherwise, or a call fails;
    /// a removal isn't confirmed; what is deployed isn't what the code says; or the output can't be written.
    pub async fn run(self, application: &Application, out: &mut impl Write) -> Result<(), CommandError> {
        match self {
            Self::Topology(command) => topology::run(command, application, out).await?,
            Self::Provision { update, dry_run } => {
                let topology = topology::validated(application, out)?;
                let deed = infra::Deed::Provision { update, dry_run };
                infra::run(&infra::config().await, &topology, &application.tables, deed, out).await?;
            }
            Self::Healthy { port } => healthy::healthy(port)?,
            Self::Remove { yes: false } => {
                let app = application.app.name().to_owned();
                return Err(CommandError::Unconfirmed { app });
            }
            Self::Remove { yes: true } => {
                let topology = application.app.topology()?;
                let config = infra::config().await;
                infra::run(&config, &topology, &application.tables, infra::Deed::Remove, out).await?;
            }
        }
        Ok(())
    }
}

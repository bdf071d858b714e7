//! The command line of a fanfare application, as a library that the application's own binary serves:
//! only that binary knows the [`App`].
//!
//! Flatten [`Command`] into the binary's own commands, and give it the application:
//!
//! ```
//! use clap::Parser;
//! use fanfare::{App, Router};
//!
//! #[derive(Parser)]
//! enum Cli {
//!     /// Starts the service
//!     Serve,
//!     #[command(flatten)]
//!     Fanfare(fanfare_cli::Command),
//! }
//!
//! let app = App::new("shop").consumer(Router::new("payment"));
//! match Cli::parse_from(["shop", "topology", "show"]) {
//!     Cli::Serve => {}
//!     Cli::Fanfare(command) => command.run(&app, &mut std::io::stdout())?,
//! }
//! # Ok::<(), fanfare_cli::CommandError>(())
//! ```

mod table;
mod topology;

use std::io::{self, Write};

use fanfare::{App, WiringErrors};

/// The commands that every application has.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// What the application consists of
    #[command(subcommand)]
    Topology(Topology),
}

/// What can be done with an application's topology.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
#[non_exhaustive]
pub enum Topology {
    /// Shows what each consumer takes and emits, and its queue
    Show {
        /// As JSON, with filter policies and all settings
        #[arg(long)]
        json: bool,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The application has mistakes in its wiring.
    #[error(transparent)]
    Wiring(#[from] WiringErrors),
    /// Its output can't be written.
    #[error("the output can't be written")]
    Output(#[from] io::Error),
}

impl Command {
    /// Runs the command for this application, with its output to `out`.
    ///
    /// # Errors
    /// The application has mistakes in its wiring, or the output can't be written.
    pub fn run(self, app: &App, out: &mut impl Write) -> Result<(), CommandError> {
        match self {
            Self::Topology(Topology::Show { json }) => topology::show(&app.topology()?, json, out)?,
        }
        Ok(())
    }
}

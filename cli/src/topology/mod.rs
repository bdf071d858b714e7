//! What can be made from an application's topology.

mod asyncapi;
mod cloudformation;
mod cost;
mod diff;
mod flow;
mod mermaid;
mod schemas;
mod show;
mod svg;

use std::io::Write;
use std::path::PathBuf;

use fanfare::{Topology as Described, WiringErrors};

pub use self::cloudformation::Cloudformation;
use crate::{Application, CommandError, infra};

/// What can be done with an application's topology.
///
/// Each checks it first ([`Topology::validate`](fanfare::Topology::validate)), and prints to standard output.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
#[non_exhaustive]
pub enum Topology {
    /// Shows what each consumer takes and emits, its queue, and how it runs
    Show {
        /// As JSON, with filter policies and all settings
        #[arg(long)]
        json: bool,
    },
    /// Checks it against AWS's limits, and tells what is strange
    Validate,
    /// Prints who sends what to whom as a Mermaid diagram
    Mermaid,
    /// Prints who sends what to whom as a picture, for a file with the ending .svg
    Svg,
    /// Reckons what so many events cost, and shows how
    Cost {
        /// How many events and commands are published each second, all kinds together
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        events_per_second: u32,
        /// How large a message is, in bytes: its body and attributes
        #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=262_144))]
        body: u32,
        /// How long a handler takes, in milliseconds; only functions are paid by time
        #[arg(long, value_name = "MS", default_value_t = 20)]
        handler_ms: u32,
    },
    /// Compares what is deployed with what the code says, and fails when they differ
    ///
    /// Looks at topics, queues, subscriptions, tables, functions and event-source mappings, and at whatever
    /// else lies under the application's names. A line for each: `added` is in the code and not deployed,
    /// `removed` is deployed and not in the code, `changed` is deployed otherwise.
    Diff {
        /// Not what is deployed under names that begin so and isn't in the code; may be given several times
        #[arg(long, value_name = "PREFIX")]
        ignore: Vec<String>,
    },
    /// Prints the CloudFormation template: queues, topics, tables, functions, services, roles, alarms
    Cloudformation(Cloudformation),
    /// Prints an AsyncAPI 3.0 document: channels, operations and messages with their schemas
    Asyncapi,
    /// Prints the JSON schema of every version of every event and command
    Schemas {
        /// Hold them against those in this folder instead: a change that old consumers or stored events can't
        /// take is refused, and so is one that isn't written down there
        #[arg(long, value_name = "DIR", conflicts_with = "write")]
        check: Option<PathBuf>,
        /// Write them to this folder instead, unless that is a change which somebody can't take
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

pub(crate) async fn run(
    command: Topology,
    application: &Application,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let topology = application.app.topology()?;
    let warnings = topology.validate()?;
    match command {
        Topology::Show { json } => show::show(&topology, json, out)?,
        Topology::Validate => {
            for warning in &warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}", counted(&topology, warnings.len()))?;
        }
        Topology::Mermaid => write!(out, "{}", mermaid::mermaid(&topology))?,
        Topology::Svg => write!(out, "{}", svg::svg(&topology))?,
        Topology::Cost {
            events_per_second,
            body,
            handler_ms,
        } => {
            let load = cost::Load {
                events_per_second,
                body,
                handler_ms,
            };
            write!(out, "{}", cost::cost(&topology, &load))?;
        }
        Topology::Cloudformation(options) => {
            cloudformation::cloudformation(&topology, application, options, out)?;
        }
        Topology::Diff { ignore } => {
            let config = infra::config().await;
            diff::diff(&config, &topology, &application.tables, ignore, out).await?;
        }
        Topology::Asyncapi => {
            schemas::complete(&topology, &application.payloads)?;
            writeln!(out, "{:#}", asyncapi::document(&topology, &application.payloads))?;
        }
        Topology::Schemas { check, write } => {
            let deed = match (&check, &write) {
                (Some(folder), _) => schemas::Deed::Check(folder),
                (None, Some(folder)) => schemas::Deed::Write(folder),
                (None, None) => schemas::Deed::Print,
            };
            schemas::run(&topology, &application.payloads, deed, out)?;
        }
    }
    Ok(())
}

/// The topology, once it can be deployed, with its warnings to `out`.
pub(crate) fn validated(application: &Application, out: &mut impl Write) -> Result<Described, CommandError> {
    let topology = application.app.topology()?;
    let told: Result<_, WiringErrors> = topology.validate();
    for warning in told? {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(topology)
}

fn counted(topology: &Described, warnings: usize) -> String {
    format!(
        "{} consumers, {} topics, {} producers: nothing is refused, {warnings} warnings",
        topology.consumers.len(),
        topology.topics.len(),
        topology.producers.len()
    )
}

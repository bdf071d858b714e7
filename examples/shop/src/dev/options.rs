//! What `dev` can be told.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use crate::functions::NAMES;

/// Runs the whole shop in this process, places every order, and audits what came of it.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "SHOP_SMTP_URL=smtps://user:password@host in the environment sends the mails to that server, \
                  rather than into a folder."
)]
pub struct Options {
    /// Orders to place: CSV with the header of orders.csv, or NDJSON; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,

    /// Run in the account that the AWS environment names (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, ...):
    /// makes there what isn't there, and leaves it. Without --orders the first thousand of the bundled
    /// orders
    #[arg(long, conflicts_with_all = ["faults", "data"])]
    pub aws: bool,

    /// Run these as Lambda functions, with Lambda's pollers in front of them: consumers' names or `relay`, with
    /// commas between
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',', conflicts_with = "aws",
          value_parser = PossibleValuesParser::new(NAMES))]
    pub lambda: Vec<String>,

    /// Inject faults of every kind, drawn from this seed
    #[arg(long, value_name = "SEED")]
    pub faults: Option<u64>,

    /// Handle what comes twice twice, to see the audit fail
    #[arg(long, requires = "faults")]
    pub no_dedupe: bool,

    /// Serve the HTTP API on 127.0.0.1 once the audit is done, until Ctrl-C
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "8080")]
    pub serve: Option<u16>,

    /// Keep all state in this folder, and go on from what is there
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// CDs in stock at first
    #[arg(long, value_name = "CDS", default_value_t = 14_000)]
    pub stock: u32,

    /// End the output with the report as one line of JSON
    #[arg(long)]
    pub json: bool,
}

impl Default for Options {
    /// The bundled orders, everything in memory, no faults.
    fn default() -> Self {
        Self {
            orders: None,
            aws: false,
            lambda: Vec::new(),
            faults: None,
            no_dedupe: false,
            serve: None,
            data: None,
            stock: 14_000,
            json: false,
        }
    }
}

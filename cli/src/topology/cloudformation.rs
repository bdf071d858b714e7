//! `topology cloudformation`: the template that deploys an application.

use std::io::Write;

use fanfare::topology::Topology;
use fanfare_infra::Template;

use crate::{Application, CommandError};

/// How the template is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Cloudformation {
    /// Leave out how services scale, where Application Auto Scaling isn't there: each has as many tasks as its
    /// parameter says
    #[arg(long)]
    pub without_scaling: bool,
    /// Give every function and task this environment variable; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// As JSON rather than YAML
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn cloudformation(
    topology: &Topology,
    application: &Application,
    options: Cloudformation,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let mut template = Template::new(topology).scaling(!options.without_scaling);
    if let Some(program) = &application.program {
        template = template.program(program.clone());
    }
    for table in &application.tables {
        template = template.table(table.clone());
    }
    for (name, value) in options.env {
        template = template.environment(name, value);
    }
    if options.json {
        writeln!(out, "{:#}", template.json()?)?;
        return Ok(());
    }
    writeln!(
        out,
        "# Made by `topology cloudformation`: change the application, and make it again."
    )?;
    write!(out, "{}", template.yaml()?)?;
    Ok(())
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name() {
        let endpoint = (
            "AWS_ENDPOINT_URL".to_owned(),
            "http://127.0.0.1:4566/?a=b".to_owned(),
        );
        assert_eq!(
            variable("AWS_ENDPOINT_URL=http://127.0.0.1:4566/?a=b"),
            Ok(endpoint)
        );
        assert_eq!(variable("EMPTY="), Ok(("EMPTY".to_owned(), String::new())));
        assert_eq!(variable("=1"), Err("a variable is NAME=VALUE".to_owned()));
        assert_eq!(variable("NAME"), Err("a variable is NAME=VALUE".to_owned()));
    }
}

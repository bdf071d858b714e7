//! `topology schemas`: the JSON schema of every version of every event and command, and whether a change of
//! them can be taken by whoever is there already.

mod bounds;
mod compat;
mod folder;
#[cfg(test)]
mod tests;
mod variants;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use fanfare::topology::Topology;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use self::compat::{Problem, unreadable};
use self::folder::{Schemas, file};
use crate::CommandError;
use crate::payload::Payload;

/// What is to be done with a folder of committed schemas.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed<'a> {
    Print,
    Check(&'a Path),
    Write(&'a Path),
}

pub(crate) fn run(
    topology: &Topology,
    payloads: &[Payload],
    deed: Deed<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    complete(topology, payloads)?;
    let current = current(payloads);
    match deed {
        Deed::Print => print(&current, out)?,
        Deed::Check(folder) => {
            let committed = folder::read(folder, &current)?;
            let problems = incompatible(&current, &committed);
            let stale = stale(&current, &committed, folder);
            refuse(problems.into_iter().chain(stale).collect())?;
            writeln!(out, "{} schemas are as committed", current.len())?;
        }
        Deed::Write(folder) => {
            if folder.exists() {
                refuse(incompatible(&current, &folder::read(folder, &current)?))?;
            }
            folder::write(folder, &current)?;
            writeln!(out, "{} schemas written to {}", current.len(), folder.display())?;
        }
    }
    Ok(())
}

/// Refuses payloads that don't describe everything that the topology speaks of.
pub(crate) fn complete(topology: &Topology, payloads: &[Payload]) -> Result<(), CommandError> {
    let described = |ty: &str, version: Option<u16>| {
        let mut of_type = payloads.iter().filter(|payload| payload.ty == ty);
        of_type.any(|payload| version.is_none_or(|version| payload.version == version))
    };
    let handlers = || topology.consumers.iter().flat_map(|consumer| &consumer.handlers);
    let producers = topology.producers.iter().flat_map(|producer| &producer.sends);
    let sent = producers.chain(handlers().flat_map(|handler| &handler.sends));
    let mut missing: Vec<_> = handlers()
        .filter(|handler| !described(&handler.ty, Some(handler.version)))
        .map(|handler| format!("`{}` version {}", handler.ty, handler.version))
        .chain(
            sent.filter(|(ty, _)| !described(ty, None))
                .map(|(ty, _)| format!("`{ty}`")),
        )
        .collect();
    missing.sort();
    missing.dedup();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(CommandError::NoSchema { types: missing }),
    }
}

fn current(payloads: &[Payload]) -> Schemas {
    let schema = |payload: &Payload| {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let key = (payload.ty.to_owned(), payload.version);
        (key, (payload.whole)(generator).to_value())
    };
    payloads.iter().map(schema).collect()
}

fn print(current: &Schemas, out: &mut impl Write) -> io::Result<()> {
    let mut types: BTreeMap<&str, BTreeMap<u16, &Value>> = BTreeMap::new();
    for ((ty, version), schema) in current {
        types.entry(ty).or_default().insert(*version, schema);
    }
    serde_json::to_writer_pretty(&mut *out, &types)?;
    writeln!(out)
}

/// What was written by the committed schemas and can't be read by the current ones, and the other way round
/// for the newest version of each type.
fn incompatible(current: &Schemas, committed: &Schemas) -> Vec<String> {
    let newest = |ty: &str| {
        current
            .keys()
            .filter(|(other, _)| other == ty)
            .map(|(_, version)| *version)
            .max()
    };
    let mut lines = Vec::new();
    for ((ty, version), before) in committed {
        let Some(now) = current.get(&(ty.clone(), *version)) else {
            lines.push(format!(
                "`{ty}` version {version} isn't described any more, and stored events of it could not be read: \
                 describe it, or delete {} once none can lie anywhere",
                file(ty, *version)
            ));
            continue;
        };
        let mut tell = |problems: Vec<Problem>, which: &str| {
            for Problem { field, what } in problems {
                let field = if field.is_empty() {
                    "the whole".to_owned()
                } else {
                    format!("`{field}`")
                };
                lines.push(format!(
                    "`{ty}` version {version}: in {which} {field} {what}: make it version {} and keep this one for \
                     `.older`, or undo it",
                    version.saturating_add(1)
                ));
            }
        };
        tell(unreadable(now, before), "stored events");
        // Other versions aren't written any more.
        if newest(ty) == Some(*version) {
            tell(unreadable(before, now), "new events, for consumers of before,");
        }
    }
    lines
}

/// What can be taken, and isn't written down yet.
fn stale(current: &Schemas, committed: &Schemas, folder: &Path) -> Vec<String> {
    let write = format!(
        "run `topology schemas --write {}`, and commit it",
        folder.display()
    );
    let line =
        |((ty, version), schema): (&(String, u16), &Value)| match committed.get(&(ty.clone(), *version)) {
            None => Some(format!("{} isn't there: {write}", file(ty, *version))),
            Some(before) if before != schema => Some(format!("{} is of before: {write}", file(ty, *version))),
            Some(_) => None,
        };
    current.iter().filter_map(line).collect()
}

fn refuse(problems: Vec<String>) -> Result<(), CommandError> {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(CommandError::Schemas { problems }),
    }
}

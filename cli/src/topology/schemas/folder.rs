//! Schemas as they are committed: a file for each version of each type.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::CommandError;

/// Schemas by their types and versions.
pub(super) type Schemas = BTreeMap<(String, u16), Value>;

/// The file of a version.
pub(super) fn file(ty: &str, version: u16) -> String {
    let safe = |character: char| match character {
        '/' | '\\' | ':' => '_',
        other => other,
    };
    format!("{}.{version}.json", ty.chars().map(safe).collect::<String>())
}

/// What a file has in it.
pub(super) fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// All that are in a folder; those of types that are known under their own names.
pub(super) fn read(folder: &Path, current: &Schemas) -> Result<Schemas, CommandError> {
    let mut found = Schemas::new();
    let entries = std::fs::read_dir(folder).map_err(|source| failed(folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        let Some((name, version)) = parse(&path) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
        let schema = serde_json::from_str(&text).map_err(|source| failed(&path, source.into()))?;
        let known = current
            .keys()
            .find(|(ty, of)| *of == version && path.ends_with(file(ty, *of)));
        found.insert(known.cloned().unwrap_or((name, version)), schema);
    }
    Ok(found)
}

/// Writes all of them.
pub(super) fn write(folder: &Path, current: &Schemas) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    for ((ty, version), schema) in current {
        let path = folder.join(file(ty, *version));
        std::fs::write(&path, text(schema)).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

/// The type and version that a file is named after; none for other files.
fn parse(path: &Path) -> Option<(String, u16)> {
    let (ty, version) = path
        .file_name()?
        .to_str()?
        .strip_suffix(".json")?
        .rsplit_once('.')?;
    Some((ty.to_owned(), version.parse().ok()?))
}

fn failed(path: &Path, source: io::Error) -> CommandError {
    CommandError::Folder {
        path: PathBuf::from(path),
        source,
    }
}

//! A row of NDJSON.

use super::Row;

pub(super) fn order(line: &[u8]) -> Row {
    serde_json::from_slice(line).map_err(|error| (error.column(), reason(&error)))
}

/// The error without its place, which is reported in the way of all rows.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(place) => text[..place].to_owned(),
        None => text,
    }
}

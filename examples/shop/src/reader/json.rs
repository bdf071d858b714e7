//! A row of NDJSON.

use serde::de::DeserializeOwned;

use super::Row;

pub(super) fn order(line: &[u8]) -> Row {
    object(line).map_err(|bad| (bad.column, bad.reason))
}

/// A text that isn't what was expected.
pub(crate) struct Bad {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column, from 1, in bytes.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) reason: String,
}

/// Reads a JSON object; also a list of its values would do for serde, which says nothing of their
/// names.
pub(crate) fn object<T: DeserializeOwned>(text: &[u8]) -> Result<T, Bad> {
    if matches!(text.trim_ascii_start().first(), Some(first) if *first != b'{') {
        return Err(Bad {
            line: 1,
            column: 1,
            reason: "must be a JSON object".to_owned(),
        });
    }
    serde_json::from_slice(text).map_err(|error| Bad {
        line: error.line(),
        column: error.column(),
        reason: reason(&error),
    })
}

/// The error without its place, which is reported apart.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(place) => text[..place].to_owned(),
        None => text,
    }
}

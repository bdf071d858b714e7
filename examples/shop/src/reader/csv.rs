//! A row of CSV.

use ::csv::{ByteRecord, ReaderBuilder};

use super::{ReadError, Row};
use crate::Order;
use crate::order::COLUMNS;

pub(super) fn check_header(file: &str, line: Option<&[u8]>) -> Result<(), ReadError> {
    let line = line.unwrap_or_default();
    if fields(line).is_some_and(|fields| fields.iter().eq(COLUMNS.map(str::as_bytes))) {
        return Ok(());
    }
    Err(ReadError::Header {
        file: file.to_owned(),
        found: String::from_utf8_lossy(line).chars().take(80).collect(),
    })
}

pub(super) fn order(line: &[u8]) -> Row {
    let fields = fields(line).unwrap_or_default();
    if fields.len() != COLUMNS.len() {
        let place = column(line, fields.len().min(COLUMNS.len()));
        let reason = format!(
            "the row has {} fields: it must have {}",
            fields.len(),
            COLUMNS.len()
        );
        return Err((place, reason));
    }
    let mut texts = [""; COLUMNS.len()];
    for (index, field) in fields.iter().enumerate() {
        texts[index] = std::str::from_utf8(field)
            .map_err(|_| (column(line, index), format!("{}: is not UTF-8", COLUMNS[index])))?;
    }
    Order::from_texts(texts).map_err(|invalid| {
        let index = COLUMNS.iter().position(|name| *name == invalid.column);
        (column(line, index.unwrap_or_default()), invalid.to_string())
    })
}

/// The fields of one line. A quote that is open at its end closes there.
fn fields(line: &[u8]) -> Option<ByteRecord> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .buffer_capacity(line.len().max(1))
        .from_reader(line);
    let mut record = ByteRecord::new();
    // From memory, and of any length: this can't fail.
    reader.read_byte_record(&mut record).ok()?.then_some(record)
}

/// Where a field begins: its column from 1, in characters; one past the end for a field that isn't
/// there.
fn column(line: &[u8], field: usize) -> usize {
    let mut quoted = false;
    let mut before = field;
    let mut at = 0;
    while at < line.len() && before > 0 {
        match line[at] {
            b'"' => quoted = !quoted,
            b',' if !quoted => before -= 1,
            _ => {}
        }
        at += 1;
    }
    String::from_utf8_lossy(&line[..at]).chars().count() + 1
}

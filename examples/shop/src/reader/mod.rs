//! Reads orders from a file: CSV with the header of `orders.csv`, or NDJSON (one JSON object a line,
//! with the same names).
//!
//! A row is a line. One that isn't valid is left out and reported with its place; so is one whose
//! `order_id` stands in an earlier row, whatever else it says: the first one counts.

mod csv;
mod json;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::Order;
use crate::order::COLUMNS;

pub(crate) use json::object;

/// The orders that come with the shop, and what their file is called in reports.
pub const BUNDLED: (&str, &[u8]) = ("orders.csv", include_bytes!("../../data/orders.csv"));

/// What a file holds.
#[derive(Debug, Default)]
pub struct Input {
    /// Its valid orders, each id once, in the order of the file.
    pub orders: Vec<Order>,
    /// The rows that were left out.
    pub rejected: Vec<Rejected>,
    file: String,
    /// The lines of the orders.
    lines: Vec<usize>,
}

impl Input {
    /// Keeps the first so many orders.
    pub fn truncate(&mut self, orders: usize) {
        self.orders.truncate(orders);
        self.lines.truncate(orders);
    }

    /// Leaves an order out after all: one that the shop refuses. Orders behind it move up by one.
    pub fn refuse(&mut self, index: usize, reason: String) {
        self.orders.remove(index);
        self.rejected.push(Rejected {
            file: self.file.clone(),
            line: self.lines.remove(index),
            column: 1,
            reason,
        });
    }
}

/// A row that was left out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
#[non_exhaustive]
pub struct Rejected {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters (in bytes for NDJSON, as its parser counts).
    pub column: usize,
    /// What is wrong, and what is right.
    pub reason: String,
}

/// Why no row of a file can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It can't be read at all.
    #[error("can't read orders from {file}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It doesn't start as a file of orders does.
    #[error(
        "{file}:1:1: the first line is `{found}`: it must be `{}`, or else every line a JSON object",
        COLUMNS.join(",")
    )]
    Header {
        /// The file's name.
        file: String,
        /// Its first line, shortened.
        found: String,
    },
}

/// Reads a file, or standard input when it is called `-`. All of it is read before this returns, so
/// that nothing is placed from a file that turns out unreadable.
///
/// # Errors
/// The file can't be read, or has another header.
pub fn read(file: &Path) -> Result<Input, ReadError> {
    let (name, bytes) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        ("<stdin>".to_owned(), read.map(|_| bytes))
    } else {
        (file.display().to_string(), std::fs::read(file))
    };
    match bytes {
        Ok(bytes) => parse(&name, &bytes),
        Err(source) => Err(ReadError::Unreadable { file: name, source }),
    }
}

/// Reads what a file of this name holds.
///
/// # Errors
/// It has another header.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Input, ReadError> {
    // Spreadsheets begin UTF-8 files with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = lines(bytes).peekable();
    let json = lines.peek().is_some_and(|(_, line)| line.starts_with(b"{"));
    if !json {
        csv::check_header(file, lines.next().map(|(_, line)| line))?;
    }
    let mut input = Input {
        file: file.to_owned(),
        ..Input::default()
    };
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (number, line) in lines {
        let order = match json {
            true => json::order(line),
            false => csv::order(line),
        };
        let order = order.and_then(|order| match first.get(&order.id) {
            Some(earlier) => Err((
                1,
                format!("order_id {} stands in line {earlier} already", order.id),
            )),
            None => Ok(order),
        });
        match order {
            Ok(order) => {
                first.insert(order.id.clone(), number);
                input.orders.push(order);
                input.lines.push(number);
            }
            Err((column, reason)) => input.rejected.push(Rejected {
                file: file.to_owned(),
                line: number,
                column,
                reason,
            }),
        }
    }
    Ok(input)
}

/// The lines that aren't blank, with their numbers.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// A row, or the column from 1 and the reason why it is none.
type Row = Result<Order, (usize, String)>;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "order_id,customer_id,placed_on,quantity,total_cents\n";

    fn csv(rows: &str) -> Input {
        parse("o.csv", format!("{HEADER}{rows}").as_bytes()).unwrap()
    }

    fn rejected(input: &Input) -> Vec<String> {
        input.rejected.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_bundled_file_is_read_whole() {
        let input = parse(BUNDLED.0, BUNDLED.1).unwrap();
        assert_eq!((input.orders.len(), input.rejected.len()), (6_919, 0));
        let cents: i64 = input.orders.iter().map(|order| order.total_cents).sum();
        assert_eq!(cents, 24_409_194);
    }

    #[test]
    fn a_bad_row_is_reported_with_its_place_and_the_others_are_read() {
        let input = csv("a,1,1997-01-01,2,100\nb,1,1997-01-01,none,100\nc,1,1997-01-01,1,1\n");
        let ids: Vec<_> = input.orders.iter().map(|order| order.id.as_str()).collect();
        assert_eq!(ids, ["a", "c"]);
        assert_eq!(
            rejected(&input),
            ["o.csv:3:16: quantity: must be a whole number, digits only"]
        );
    }

    #[test]
    fn too_few_and_too_many_fields_are_reported_where_they_end() {
        let input = csv("a,1,1997-01-01\nb,1,1997-01-01,1,1,zuviel\n");
        assert_eq!(
            rejected(&input),
            [
                "o.csv:2:15: the row has 3 fields: it must have 5",
                "o.csv:3:20: the row has 6 fields: it must have 5"
            ]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_spoils_its_own_row_only() {
        let input = csv("\"a,1,1997-01-01,1,1\nb,1,1997-01-01,1,1\n");
        assert_eq!((input.orders.len(), input.rejected.len()), (1, 1));
    }

    #[test]
    fn quoted_fields_are_read_and_columns_count_the_quotes() {
        let input = csv("\"a,b\",\"1\",1997-01-01,1,1\n\"a,\"\"c\",1,1997-01-01,0,1\n");
        assert_eq!(input.orders[0].id, "a,b");
        assert_eq!(rejected(&input), ["o.csv:3:22: quantity: must be 1 to 10000"]);
    }

    #[test]
    fn columns_are_characters() {
        let input = csv("\u{e9},1,1997-01-01,1,1\na,1,1997-01-01,\u{665},1\n");
        assert_eq!(input.rejected[0].column, 1);
        assert_eq!(input.rejected[1].column, 16);
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend(b"a,\xff,1997-01-01,1,1\n");
        let input = parse("o.csv", &bytes).unwrap();
        assert_eq!(rejected(&input), ["o.csv:2:3: customer_id: is not UTF-8"]);
    }

    #[test]
    fn of_two_rows_with_one_id_the_first_counts_and_the_second_is_reported() {
        let input = csv("a,1,1997-01-01,1,1\n\na,2,1997-01-02,2,2\n");
        assert_eq!(input.orders.len(), 1);
        assert_eq!(input.orders[0].customer, "1");
        assert_eq!(
            rejected(&input),
            ["o.csv:4:1: order_id a stands in line 2 already"]
        );
    }

    #[test]
    fn another_header_is_an_error() {
        for bytes in [
            "",
            "\n",
            "order_id,customer_id\na,1\n",
            "a,1,1997-01-01,1,1\n",
            "[{}]",
        ] {
            let error = parse("o.csv", bytes.as_bytes()).unwrap_err();
            assert!(matches!(error, ReadError::Header { .. }), "{bytes}");
        }
    }

    #[test]
    fn lines_may_end_as_on_windows_and_begin_with_a_mark() {
        let text = format!("\u{feff}{}a,1,1997-01-01,1,1\r\n", HEADER.replace('\n', "\r\n"));
        assert_eq!(parse("o.csv", text.as_bytes()).unwrap().orders.len(), 1);
    }

    #[test]
    fn ndjson_is_read_and_its_bad_rows_reported_with_their_place() {
        let good =
            r#"{"order_id":"a","customer_id":"1","placed_on":"1997-01-01","quantity":1,"total_cents":5}"#;
        let zero = good
            .replace("\"quantity\":1", "\"quantity\":0")
            .replace("\"a\"", "\"b\"");
        let list = r#"["d","1","1997-01-01",1,5]"#;
        let text = format!("{good}\n{zero}\n{list}\n{}\n", good.replace("\"a\"", "\"c\""));
        let input = parse("o.ndjson", text.as_bytes()).unwrap();
        assert_eq!(input.orders.len(), 2);
        let column = zero.find(":0,").unwrap() + 2;
        assert_eq!(
            rejected(&input)[0],
            format!("o.ndjson:2:{column}: quantity: must be 1 to 10000")
        );
        assert_eq!(rejected(&input)[1], "o.ndjson:3:1: must be a JSON object");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_that_names_it() {
        let error = read(Path::new("no/such.csv")).unwrap_err();
        assert_eq!(error.to_string(), "can't read orders from no/such.csv");
    }
}

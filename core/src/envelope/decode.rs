//! What may be said of data that can't be read: where and what was wanted, never what was there.

use serde::de::Error as _;
use serde_json::Error;
use serde_json::error::Category;

/// Texts of serde that say something of the type alone.
const OF_THE_TYPE: [&str; 3] = [
    "missing field `",
    "duplicate field `",
    "data did not match any variant of untagged enum ",
];
/// Texts of serde that quote the value and end in `, expected ..`.
const QUOTING: [&str; 5] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "unknown variant",
    "unknown field",
];

/// The same error without the values that serde quotes: `invalid type: string "4111 1111", expected
/// u64 at line 1 column 9` would put a card number into logs and dead letters.
pub(super) fn without_values(error: &Error) -> Error {
    let text = error.to_string();
    let place = match error.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", error.column()),
    };
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let says = match error.classify() {
        // These are about JSON's grammar and quote nothing.
        Category::Io | Category::Syntax | Category::Eof => text.to_owned(),
        Category::Data => of_data(text),
    };
    // serde_json reads the place back from the end of the text.
    Error::custom(format!("{says}{place}"))
}

fn of_data(text: &str) -> String {
    if OF_THE_TYPE.iter().any(|known| text.starts_with(known)) {
        return text.to_owned();
    }
    let kind = QUOTING.iter().find(|known| text.starts_with(**known));
    match (kind, text.rsplit_once(", expected ")) {
        (Some(kind), Some((_, expected))) if !text.contains(", there are no ") => {
            format!("{kind}, expected {expected}")
        }
        (Some(kind), _) => (*kind).to_owned(),
        (None, _) => "the type refuses a value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Card {
        number: u64,
        kind: Kind,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Debit,
        Credit,
    }

    fn says(json: &str) -> String {
        without_values(&serde_json::from_str::<Card>(json).expect_err("not a card")).to_string()
    }

    #[test]
    fn an_error_says_what_was_expected_and_where_but_not_what_was_there() {
        for (json, text) in [
            (
                r#"{"number":"4111 1111"}"#,
                "invalid type, expected u64 at line 1 column 21",
            ),
            (
                r#"{"number":"4111, expected 1111"}"#,
                "invalid type, expected u64 at line 1 column 31",
            ),
            (
                r#"{"number":-4111}"#,
                "invalid value, expected u64 at line 1 column 15",
            ),
            (
                r#"{"number":1,"kind":"secret"}"#,
                "unknown variant, expected `debit` or `credit` at line 1 column 27",
            ),
            (
                r#"{"secret":1}"#,
                "unknown field, expected `number` or `kind` at line 1 column 9",
            ),
            (r#"{"number":1}"#, "missing field `kind` at line 1 column 12"),
            (r#"{"number":1,"#, "EOF while parsing a value at line 1 column 12"),
            (
                r#"{"number":1 "secret"}"#,
                "expected `,` or `}` at line 1 column 13",
            ),
        ] {
            assert_eq!(says(json), text, "{json}");
        }
    }

    #[test]
    fn a_types_own_text_is_left_out_since_it_may_quote_the_value() {
        let error = Error::custom("4111 is no card number");
        assert_eq!(without_values(&error).to_string(), "the type refuses a value");
    }

    #[test]
    fn the_place_stays_readable_by_a_program() {
        let error = serde_json::from_str::<Card>("{\n\"number\":\"x\"}").expect_err("not a card");
        let error = without_values(&error);
        assert_eq!((error.line(), error.column()), (2, 12));
    }
}

//! An order as it is placed, and what makes one valid.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use time::{Date, Month};

/// An order. Its fields are those of a row of `orders.csv`, and every event of the shop carries it,
/// so that no service has to ask another.
///
/// Reading one checks each field.
///
/// ```
/// let order: shop::Order = serde_json::from_str(
///     r#"{"order_id":"a-1","customer_id":"7","placed_on":"1997-01-01","quantity":2,"total_cents":2933}"#,
/// )?;
/// assert_eq!(order.quantity, 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "An order, as every event of the shop carries it.")]
pub struct Order {
    /// Its id, unique in the shop.
    #[serde(rename = "order_id", deserialize_with = "order_id")]
    #[schemars(length(min = 1, max = MAX_ID))]
    pub id: String,
    /// Whose it is.
    #[serde(rename = "customer_id", deserialize_with = "customer_id")]
    #[schemars(length(min = 1, max = MAX_ID))]
    pub customer: String,
    /// The day it was placed, `YYYY-MM-DD`.
    #[serde(deserialize_with = "placed_on")]
    #[schemars(extend("format" = "date"))]
    pub placed_on: String,
    /// How many CDs: 1 to [`MAX_QUANTITY`].
    #[serde(deserialize_with = "quantity")]
    #[schemars(range(min = 1, max = MAX_QUANTITY))]
    pub quantity: u32,
    /// What they cost together, in US cents: 0 to [`MAX_CENTS`].
    #[serde(deserialize_with = "total_cents")]
    #[schemars(range(min = 0, max = MAX_CENTS))]
    pub total_cents: i64,
}

/// The columns of an order, in the order of the file.
pub const COLUMNS: [&str; 5] = ["order_id", "customer_id", "placed_on", "quantity", "total_cents"];

/// The most CDs of one order: far above any real one, and far from overflowing a sum of millions.
pub const MAX_QUANTITY: u32 = 10_000;

/// The most cents of one order, ten million dollars: so that sums of a billion orders fit 64 bits.
pub const MAX_CENTS: i64 = 1_000_000_000;

/// The longest id of an order or customer, in bytes.
pub const MAX_ID: usize = 100;

/// A field that isn't valid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {reason}")]
#[non_exhaustive]
pub struct Invalid {
    /// Which column of [`COLUMNS`].
    pub column: &'static str,
    /// What is wrong with it, and what is right.
    pub reason: String,
}

impl Order {
    /// An order from the five texts of a row.
    ///
    /// # Errors
    /// The first field that isn't valid.
    pub fn from_texts([id, customer, placed_on, quantity, total_cents]: [&str; 5]) -> Result<Self, Invalid> {
        Ok(Self {
            id: check_id("order_id", id)?.to_owned(),
            customer: check_id("customer_id", customer)?.to_owned(),
            placed_on: check_day("placed_on", placed_on)?.to_owned(),
            quantity: check_quantity(whole("quantity", quantity)?)?,
            total_cents: check_cents(whole("total_cents", total_cents)?)?,
        })
    }
}

fn invalid(column: &'static str, reason: impl Into<String>) -> Invalid {
    Invalid {
        column,
        reason: reason.into(),
    }
}

fn check_id<'a>(column: &'static str, id: &'a str) -> Result<&'a str, Invalid> {
    let fits = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => Ok(id),
        false => Err(invalid(
            column,
            format!("must be 1 to {MAX_ID} ASCII letters, digits and punctuation marks"),
        )),
    }
}

fn check_day<'a>(column: &'static str, day: &'a str) -> Result<&'a str, Invalid> {
    match parse_day(day) {
        Some(_) => Ok(day),
        None => Err(invalid(column, "must be a day of the calendar as YYYY-MM-DD")),
    }
}

fn parse_day(day: &str) -> Option<Date> {
    let digits = |range: std::ops::Range<usize>| {
        let part = day.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part)
    };
    let dashes = day.len() == 10 && day.get(4..5) == Some("-") && day.get(7..8) == Some("-");
    let year = digits(0..4)?.parse().ok()?;
    let month: u8 = digits(5..7)?.parse().ok()?;
    let of_month = digits(8..10)?.parse().ok()?;
    dashes.then_some(())?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, of_month).ok()
}

fn whole(column: &'static str, text: &str) -> Result<i64, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| invalid(column, "must be a whole number, digits only"))
}

fn check_quantity(quantity: i64) -> Result<u32, Invalid> {
    u32::try_from(quantity)
        .ok()
        .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity))
        .ok_or_else(|| invalid("quantity", format!("must be 1 to {MAX_QUANTITY}")))
}

fn check_cents(cents: i64) -> Result<i64, Invalid> {
    match (0..=MAX_CENTS).contains(&cents) {
        true => Ok(cents),
        false => Err(invalid("total_cents", format!("must be 0 to {MAX_CENTS}"))),
    }
}

// One for each field, so that serde_json's line and column point at the field that is wrong.

pub(crate) fn optional_order_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    order_id(from).map(Some)
}

fn order_id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = String::deserialize(from)?;
    check_id("order_id", &id).map_err(D::Error::custom)?;
    Ok(id)
}

pub(crate) fn customer_id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = String::deserialize(from)?;
    check_id("customer_id", &id).map_err(D::Error::custom)?;
    Ok(id)
}

pub(crate) fn placed_on<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let day = String::deserialize(from)?;
    check_day("placed_on", &day).map_err(D::Error::custom)?;
    Ok(day)
}

pub(crate) fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    check_quantity(i64::deserialize(from)?).map_err(D::Error::custom)
}

pub(crate) fn total_cents<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    check_cents(i64::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 5] = ["cdnow-00001", "00004", "1997-01-01", "2", "2933"];

    fn wrong(column: usize, text: &str) -> Invalid {
        let mut texts = GOOD;
        texts[column] = text;
        Order::from_texts(texts).unwrap_err()
    }

    #[test]
    fn a_good_row_is_an_order() {
        let order = Order::from_texts(GOOD).unwrap();
        assert_eq!((order.quantity, order.total_cents), (2, 2933));
        assert_eq!(order.customer, "00004");
    }

    #[test]
    fn a_free_order_is_an_order() {
        let mut texts = GOOD;
        texts[4] = "0";
        assert_eq!(Order::from_texts(texts).unwrap().total_cents, 0);
    }

    #[test]
    fn each_field_is_checked_and_named() {
        let long = "x".repeat(MAX_ID + 1);
        let bad: [(usize, &[&str]); 5] = [
            (0, &["", "a b", "é", &long]),
            (1, &["", "\n"]),
            (
                2,
                &[
                    "1997-02-29",
                    "97-01-01",
                    "1997-1-01",
                    "1997-13-01",
                    "1997/01/01",
                    "+997-01-01",
                    "",
                ],
            ),
            (3, &["0", "-1", "+1", "1.5", "10001", "", "99999999999999999999"]),
            (4, &["-1", "1e3", "1000000001", " 1", ""]),
        ];
        for (column, texts) in bad {
            for text in texts {
                assert_eq!(wrong(column, text).column, COLUMNS[column], "{text:?}");
            }
        }
    }

    #[test]
    fn json_tells_where_a_field_is_wrong() {
        let text =
            r#"{"order_id":"a","customer_id":"b","placed_on":"1997-02-29","quantity":1,"total_cents":1}"#;
        let error = serde_json::from_str::<Order>(text).unwrap_err();
        let end_of_day = text.find("29\"").unwrap() + 3;
        assert_eq!((error.line(), error.column()), (1, end_of_day));
        assert!(
            error.to_string().starts_with("placed_on: must be a day"),
            "{error}"
        );
    }

    #[test]
    fn json_has_the_names_of_the_columns() {
        let order = serde_json::to_value(Order::from_texts(GOOD).unwrap()).unwrap();
        for column in COLUMNS {
            assert!(order.get(column).is_some(), "{column}");
        }
    }
}

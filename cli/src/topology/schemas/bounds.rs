//! How small and how large a number or a length can be.

use serde_json::Value;

/// A lower or an upper bound, and whether it is itself outside.
#[derive(Clone, Debug, PartialEq)]
struct Bound {
    at: f64,
    outside: bool,
    /// As it is written: a large one isn't what `at` is rounded to.
    text: String,
}

/// Where a schema is wider than a reader's, in words.
pub(super) fn wider(reader: &Value, writer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(bound) = lower(reader)
        && lower(writer).is_none_or(|written| bound.is_passed_by(&written, f64::lt))
    {
        let less = if bound.outside {
            "as little as"
        } else {
            "less than"
        };
        found.push(format!("may be {less} {}", bound.text));
    }
    if let Some(bound) = upper(reader)
        && upper(writer).is_none_or(|written| bound.is_passed_by(&written, f64::gt))
    {
        let more = if bound.outside { "as much as" } else { "more than" };
        found.push(format!("may be {more} {}", bound.text));
    }
    for (least, most, what) in [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "elements"),
        ("minProperties", "maxProperties", "members"),
    ] {
        let of = |schema: &Value, name: &str| schema.get(name).and_then(Value::as_u64);
        if let Some(least_taken) =
            of(reader, least).filter(|least_taken| *least_taken > of(writer, least).unwrap_or(0))
        {
            found.push(format!("may have less than {least_taken} {what}"));
        }
        if let Some(most_taken) = of(reader, most)
            && of(writer, most).is_none_or(|written| written > most_taken)
        {
            found.push(format!("may have more than {most_taken} {what}"));
        }
    }
    found
}

impl Bound {
    fn is_passed_by(&self, other: &Self, passes: fn(&f64, &f64) -> bool) -> bool {
        passes(&other.at, &self.at) || (other.at == self.at && self.outside && !other.outside)
    }
}

fn lower(schema: &Value) -> Option<Bound> {
    let bounds = bounds(schema, "minimum", "exclusiveMinimum", |(least, _)| least);
    bounds.max_by(|a, b| a.at.total_cmp(&b.at))
}

fn upper(schema: &Value) -> Option<Bound> {
    let bounds = bounds(schema, "maximum", "exclusiveMaximum", |(_, most)| most);
    bounds.min_by(|a, b| a.at.total_cmp(&b.at))
}

fn bounds(
    schema: &Value,
    inside: &str,
    outside: &str,
    of: fn((String, String)) -> String,
) -> impl Iterator<Item = Bound> {
    let keyword = |name: &str, outside: bool| {
        let at = schema.get(name).filter(|at| at.is_number());
        at.map(|at| (at.to_string(), outside))
    };
    let format = schema.get("format").and_then(Value::as_str).and_then(range);
    let format = format.map(|range| (of(range), false));
    let texts = [keyword(inside, false), keyword(outside, true), format];
    texts.into_iter().flatten().filter_map(|(text, outside)| {
        let at = text.parse().ok()?;
        Some(Bound { at, outside, text })
    })
}

/// What integers of a format are within.
pub(super) fn range(format: &str) -> Option<(String, String)> {
    let of = |least: i128, most: u128| Some((least.to_string(), most.to_string()));
    match format {
        "int8" => of(i8::MIN.into(), i8::MAX as u128),
        "int16" => of(i16::MIN.into(), i16::MAX as u128),
        "int32" => of(i32::MIN.into(), i32::MAX as u128),
        "int64" | "int" => of(i64::MIN.into(), i64::MAX as u128),
        "int128" => of(i128::MIN, i128::MAX as u128),
        "uint8" => of(0, u8::MAX.into()),
        "uint16" => of(0, u16::MAX.into()),
        "uint32" => of(0, u32::MAX.into()),
        "uint64" | "uint" => of(0, u64::MAX.into()),
        "uint128" => of(0, u128::MAX),
        _ => None,
    }
}

//! How small and how large a number or a length can be.

use serde_json::Value;

/// A lower or an upper bound, and whether it is itself outside.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    at: f64,
    outside: bool,
}

/// Where a schema is wider than a reader's, in words.
pub(super) fn wider(reader: &Value, writer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(bound) = lower(reader)
        && lower(writer).is_none_or(|written| bound.is_passed_by(written, f64::lt))
    {
        found.push(format!(
            "may be {} {}",
            if bound.outside {
                "as little as"
            } else {
                "less than"
            },
            bound.at
        ));
    }
    if let Some(bound) = upper(reader)
        && upper(writer).is_none_or(|written| bound.is_passed_by(written, f64::gt))
    {
        found.push(format!(
            "may be {} {}",
            if bound.outside { "as much as" } else { "more than" },
            bound.at
        ));
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
    fn is_passed_by(self, other: Self, passes: fn(&f64, &f64) -> bool) -> bool {
        passes(&other.at, &self.at) || (other.at == self.at && self.outside && !other.outside)
    }
}

fn lower(schema: &Value) -> Option<Bound> {
    bounds(schema, "minimum", "exclusiveMinimum", |(least, _)| least).max_by(|a, b| a.at.total_cmp(&b.at))
}

fn upper(schema: &Value) -> Option<Bound> {
    bounds(schema, "maximum", "exclusiveMaximum", |(_, most)| most).min_by(|a, b| a.at.total_cmp(&b.at))
}

fn bounds(
    schema: &Value,
    inside: &str,
    outside: &str,
    of: fn((f64, f64)) -> f64,
) -> impl Iterator<Item = Bound> {
    let keyword = |name: &str, outside: bool| {
        let at = schema.get(name).and_then(Value::as_f64);
        at.map(|at| Bound { at, outside })
    };
    let format = schema.get("format").and_then(Value::as_str).and_then(range);
    let format = format.map(|range| Bound {
        at: of(range),
        outside: false,
    });
    [keyword(inside, false), keyword(outside, true), format]
        .into_iter()
        .flatten()
}

/// What integers of a format are within.
pub(super) fn range(format: &str) -> Option<(f64, f64)> {
    let (bits, signed) = match format {
        "int8" => (8, true),
        "int16" => (16, true),
        "int32" => (32, true),
        "int64" | "int" => (64, true),
        "int128" => (128, true),
        "uint8" => (8, false),
        "uint16" => (16, false),
        "uint32" => (32, false),
        "uint64" | "uint" => (64, false),
        "uint128" => (128, false),
        _ => return None,
    };
    Some(match signed {
        true => (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1) - 1.0),
        false => (0.0, 2f64.powi(bits) - 1.0),
    })
}

//! Whether what was written by one schema can be read by another.
//!
//! Readers ignore members that they don't know, as serde does, unless their schema says
//! `additionalProperties: false`. A keyword that isn't known here must be the same in both: where it can't be
//! told, the answer is no.

use serde_json::{Value, json};

use super::bounds;
use super::variants::{ANNOTATIONS, Variant, variants};

/// A field that a reader can't take as it may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its path, such as `order.lines[].price`; empty for the whole.
    pub(crate) field: String,
    /// What it may be, and what is taken.
    pub(crate) what: String,
}

/// What a reader of one schema can't take of what was written by the other.
pub(crate) fn unreadable(reader: &Value, writer: &Value) -> Vec<Problem> {
    let check = Check { reader, writer };
    check.schemas(reader, writer, "", &mut Vec::new())
}

struct Check<'a> {
    reader: &'a Value,
    writer: &'a Value,
}

/// The definitions on the way to where we are, of the reader and of the writer.
type Way = Vec<(String, String)>;

const KNOWN: [&str; 24] = [
    "additionalProperties",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "oneOf",
    "pattern",
    "prefixItems",
    "properties",
    "required",
    "type",
    "uniqueItems",
    "$ref",
];

impl Check<'_> {
    fn schemas(&self, reader: &Value, writer: &Value, at: &str, way: &mut Way) -> Vec<Problem> {
        let readers = variants(self.reader, reader);
        let writers = variants(self.writer, writer);
        let mut problems = Vec::new();
        for written in &writers {
            let kin = readers.iter().filter(|read| self.is_kin(read, written));
            let tried: Vec<_> = kin.map(|read| self.variant(read, written, at, way)).collect();
            match tried.into_iter().min_by_key(Vec::len) {
                Some(found) => problems.extend(found),
                None => problems.push(problem(
                    at,
                    format!("may be {}, and that isn't taken", written.name()),
                )),
            }
        }
        problems
    }

    /// Whether this is the reader's variant for it: of the same type, with the same values where both have one.
    fn is_kin(&self, reader: &Variant, writer: &Variant) -> bool {
        let types = match (reader.ty(), writer.ty()) {
            (None, _) => true,
            (Some("number"), Some("integer")) => true,
            (Some(reader), Some(writer)) => reader == writer,
            (Some(_), None) => false,
        };
        let values = reader.value().is_none_or(|value| writer.value() == Some(value));
        let single = |root: &Value, schema: &Value| match &variants(root, schema)[..] {
            [variant] => variant.value().cloned(),
            _ => None,
        };
        let tags = reader.properties().all(|(name, read)| {
            let read = single(self.reader, read);
            let written = writer
                .property(name)
                .and_then(|written| single(self.writer, written));
            match (read, written) {
                (Some(read), Some(written)) => read == written,
                _ => true,
            }
        });
        types && values && tags
    }

    fn variant(&self, reader: &Variant, writer: &Variant, at: &str, way: &mut Way) -> Vec<Problem> {
        let step = reader.definition.clone().zip(writer.definition.clone());
        if let Some(step) = &step {
            // What leads to itself is as good as it is elsewhere.
            if way.contains(step) {
                return Vec::new();
            }
            way.push(step.clone());
        }
        let mut problems = self.keywords(reader, writer, at);
        problems.extend(self.members(reader, writer, at, way));
        problems.extend(self.elements(reader, writer, at, way));
        if step.is_some() {
            way.pop();
        }
        problems
    }

    /// Bounds, formats, patterns, and what isn't known here.
    fn keywords(&self, reader: &Variant, writer: &Variant, at: &str) -> Vec<Problem> {
        let (read, written) = (&reader.schema, &writer.schema);
        if *read == json!(false) {
            return vec![problem(at, "may be there, and nothing is taken".to_owned())];
        }
        let mut problems = Vec::new();
        if writer.value().is_none() {
            let wider = bounds::wider(read, written).into_iter();
            problems.extend(wider.map(|what| problem(at, format!("{what}, and that isn't taken"))));
        }
        for name in ["format", "pattern"] {
            let is_range = |value: &Value| value.as_str().and_then(bounds::range).is_some();
            let taken = read.get(name).filter(|value| !is_range(value));
            let taken = taken.filter(|value| !["float", "double"].iter().any(|format| *value == format));
            if let Some(taken) = taken.filter(|taken| written.get(name) != Some(taken)) {
                problems.push(problem(
                    at,
                    format!("may be of another {name} than {taken}, and that isn't taken"),
                ));
            }
        }
        if read.get("uniqueItems") == Some(&json!(true)) && written.get("uniqueItems") != Some(&json!(true)) {
            problems.push(problem(
                at,
                "may have an element twice, and that isn't taken".to_owned(),
            ));
        }
        let keywords = read.as_object().into_iter().flatten();
        for (name, value) in keywords {
            let known = KNOWN.contains(&&**name) || ANNOTATIONS.contains(&&**name) || name.starts_with("x-");
            if !known && written.get(name) != Some(value) {
                let what = format!("has another `{name}`, of which nobody here knows whether it is taken");
                problems.push(problem(at, what));
            }
        }
        problems
    }

    fn members(&self, reader: &Variant, writer: &Variant, at: &str, way: &mut Way) -> Vec<Problem> {
        let field = |name: &str| match at {
            "" => name.to_owned(),
            _ => format!("{at}.{name}"),
        };
        let mut problems = Vec::new();
        for name in reader.required().filter(|name| !writer.requires(name)) {
            problems.push(problem(
                &field(name),
                "may be missing, and must be there".to_owned(),
            ));
        }
        // Of members that aren't named.
        let rest = |variant: &Variant| variant.schema.get("additionalProperties").cloned();
        let (taken, others) = (rest(reader), rest(writer));
        for (name, written) in writer.properties() {
            match reader.property(name).or(taken.as_ref()) {
                Some(Value::Bool(false)) => {
                    problems.push(problem(&field(name), "may be there, and isn't taken".to_owned()));
                }
                Some(read) => problems.extend(self.schemas(read, written, &field(name), way)),
                None => {}
            }
        }
        for (name, read) in reader
            .properties()
            .filter(|(name, _)| writer.property(name).is_none())
        {
            if let Some(written @ Value::Object(_)) = &others {
                problems.extend(self.schemas(read, written, &field(name), way));
            }
        }
        let is_object = |variant: &Variant| variant.ty() == Some("object");
        match (taken, others) {
            (Some(Value::Bool(false)), None) if is_object(writer) => {}
            (Some(taken), Some(others)) if others != json!(false) && taken != json!(true) => {
                problems.extend(self.schemas(&taken, &others, &field("*"), way));
            }
            (Some(taken @ Value::Object(_)), None)
                if is_object(writer) && writer.properties().next().is_none() =>
            {
                problems.extend(self.schemas(&taken, &json!({}), &field("*"), way));
            }
            _ => {}
        }
        problems
    }

    fn elements(&self, reader: &Variant, writer: &Variant, at: &str, way: &mut Way) -> Vec<Problem> {
        let at = format!("{at}[]");
        let tuple = |variant: &Variant| {
            variant
                .schema
                .get("prefixItems")
                .and_then(Value::as_array)
                .cloned()
        };
        let mut problems = Vec::new();
        match (tuple(reader), tuple(writer)) {
            (Some(read), Some(written)) if read.len() == written.len() => {
                for (read, written) in read.iter().zip(&written) {
                    problems.extend(self.schemas(read, written, &at, way));
                }
            }
            (None, None) => {
                if let Some(read) = reader.schema.get("items") {
                    let anything = json!({});
                    let written = writer.schema.get("items").unwrap_or(&anything);
                    problems.extend(self.schemas(read, written, &at, way));
                }
            }
            (None, Some(_)) if !reader.schema.get("items").is_some_and(Value::is_object) => {}
            _ => problems.push(problem(
                &at,
                "may be another list, and that isn't taken".to_owned(),
            )),
        }
        problems
    }
}

fn problem(field: &str, what: String) -> Problem {
    Problem {
        field: field.to_owned(),
        what,
    }
}

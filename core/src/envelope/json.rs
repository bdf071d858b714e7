//! CloudEvents' JSON format: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::decode::without_values;
use super::{Data, Envelope, EnvelopeError, Parts};

impl Envelope {
    /// Reads a CloudEvent in structured JSON.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the attribute that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, EnvelopeError> {
        let Members {
            mut attributes,
            twice,
        } = members(text)?;
        // An attribute that is null counts as absent (section 2.2). Null data is data (section 3.1.1).
        attributes.retain(|name, value| name == "data" || value.get() != "null");

        match required(&mut attributes, "specversion")?.as_str() {
            "1.0" => {}
            _ => return Err(invalid("specversion", "only 1.0 is known")),
        }
        if let Some(name) = twice {
            return Err(invalid(&name, "it is there twice"));
        }
        let id = required(&mut attributes, "id")?;
        let source = required(&mut attributes, "source")?;
        let ty = required(&mut attributes, "type")?;
        let subject = optional(&mut attributes, "subject")?;
        let schema = optional(&mut attributes, "dataschema")?;
        let content_type = optional(&mut attributes, "datacontenttype")?;
        let time = optional(&mut attributes, "time")?
            .map(|text| OffsetDateTime::parse(&text, &Rfc3339))
            .transpose()
            .map_err(|error| invalid("time", &format!("not RFC 3339: {error}")))?;
        let data = data(
            attributes.remove("data"),
            optional(&mut attributes, "data_base64")?,
        )?;
        let extensions = attributes
            .into_iter()
            .map(|(name, value)| extension(name, value))
            .collect::<Result<_, _>>()?;
        Ok(Self::new(Parts {
            id,
            source,
            ty,
            subject,
            time,
            content_type,
            schema,
            data,
            extensions,
        }))
    }

    /// Writes it as structured JSON, with the required attributes first and the data last.
    pub fn to_json(&self) -> String {
        // Only strings, scalars and valid raw JSON are written: this can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

type Attributes<'a> = BTreeMap<String, &'a RawValue>;

/// The members of a JSON object, and the first name that two of them share: readers differ in which
/// one they take, so that one event would have two meanings.
struct Members<'a> {
    attributes: Attributes<'a>,
    twice: Option<String>,
}

fn members(text: &str) -> Result<Members<'_>, EnvelopeError> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Members {
                attributes: Attributes::new(),
                twice: None,
            };
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                match members.attributes.entry(name) {
                    Entry::Vacant(entry) => {
                        entry.insert(value);
                    }
                    Entry::Occupied(entry) => {
                        members.twice.get_or_insert_with(|| entry.key().clone());
                    }
                }
            }
            Ok(members)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Object);
    members
        .and_then(|members| deserializer.end().map(|()| members))
        .map_err(|error| EnvelopeError::Json(without_values(&error)))
}

fn required(attributes: &mut Attributes<'_>, name: &'static str) -> Result<String, EnvelopeError> {
    optional(attributes, name)?.ok_or(EnvelopeError::Missing(name))
}

fn optional(attributes: &mut Attributes<'_>, name: &'static str) -> Result<Option<String>, EnvelopeError> {
    let Some(raw) = attributes.remove(name) else {
        return Ok(None);
    };
    let text: String = serde_json::from_str(raw.get()).map_err(|_| invalid(name, "not a string"))?;
    if text.is_empty() && name != "data_base64" {
        return Err(invalid(name, "empty"));
    }
    Ok(Some(text))
}

fn data(json: Option<&RawValue>, base64: Option<String>) -> Result<Option<Data>, EnvelopeError> {
    match (json, base64) {
        (Some(raw), Some(_)) if raw.get() != "null" => Err(invalid("data_base64", "there is `data` too")),
        (Some(raw), None) => Ok(Some(Data::Json(raw.to_owned()))),
        (_, Some(text)) => STANDARD
            .decode(text)
            .map(|bytes| Some(Data::Binary(bytes)))
            .map_err(|error| invalid("data_base64", &error.to_string())),
        (None, None) => Ok(None),
    }
}

fn extension(name: String, raw: &RawValue) -> Result<(String, Value), EnvelopeError> {
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        || name.is_empty()
    {
        return Err(invalid(&name, "a name has only the characters a-z and 0-9"));
    }
    let value = serde_json::from_str(raw.get()).map_err(|error| invalid(&name, &error.to_string()))?;
    match value {
        Value::Object(_) | Value::Array(_) => Err(invalid(&name, "neither object nor array is allowed")),
        scalar => Ok((name, scalar)),
    }
}

fn invalid(attribute: &str, reason: &str) -> EnvelopeError {
    EnvelopeError::Invalid {
        attribute: attribute.into(),
        reason: reason.into(),
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &parts.id)?;
        map.serialize_entry("source", &parts.source)?;
        map.serialize_entry("type", &parts.ty)?;
        if let Some(subject) = &parts.subject {
            map.serialize_entry("subject", subject)?;
        }
        if let Some(time) = parts.time {
            let text = time.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
            map.serialize_entry("time", &text)?;
        }
        if let Some(content_type) = &parts.content_type {
            map.serialize_entry("datacontenttype", content_type)?;
        }
        if let Some(schema) = &parts.schema {
            map.serialize_entry("dataschema", schema)?;
        }
        for (name, value) in &parts.extensions {
            map.serialize_entry(name, value)?;
        }
        match &parts.data {
            Some(Data::Json(raw)) => map.serialize_entry("data", raw)?,
            Some(Data::Binary(bytes)) => map.serialize_entry("data_base64", &STANDARD.encode(bytes))?,
            None => {}
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

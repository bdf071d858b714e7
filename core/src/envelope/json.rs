//! CloudEvents' JSON format: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.

use std::borrow::Cow;
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
        let mut members = members(text)?;
        match members.required("specversion")?.as_str() {
            "1.0" => {}
            _ => return Err(invalid("specversion", "only 1.0 is known")),
        }
        if let Some(name) = members.twice() {
            return Err(invalid(name, "it is there twice"));
        }
        let id = members.required("id")?;
        let source = members.required("source")?;
        let ty = members.required("type")?;
        let subject = members.optional("subject")?;
        let schema = members.optional("dataschema")?;
        let content_type = members.optional("datacontenttype")?;
        let time = members
            .optional("time")?
            .map(|text| OffsetDateTime::parse(&text, &Rfc3339))
            .transpose()
            .map_err(|error| invalid("time", &format!("not RFC 3339: {error}")))?;
        // Null data is data (section 3.1.1).
        let data = data(members.take_any("data"), members.optional("data_base64")?)?;
        let extensions = members
            .0
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.filter(|value| value.get() != "null")?)))
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

/// The members of a JSON object, sorted by name.
struct Members<'a>(Vec<(Cow<'a, str>, Option<&'a RawValue>)>);

impl<'a> Members<'a> {
    /// Takes a member out. An attribute that is null counts as absent (section 2.2).
    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.take_any(name).filter(|value| value.get() != "null")
    }

    fn take_any(&mut self, name: &str) -> Option<&'a RawValue> {
        let place = self.0.binary_search_by(|(member, _)| (**member).cmp(name));
        place.ok().and_then(|place| self.0[place].1.take())
    }

    fn required(&mut self, name: &'static str) -> Result<String, EnvelopeError> {
        self.optional(name)?.ok_or(EnvelopeError::Missing(name))
    }

    fn optional(&mut self, name: &'static str) -> Result<Option<String>, EnvelopeError> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        let text = text(raw).ok_or_else(|| invalid(name, "not a string"))?;
        if text.is_empty() && name != "data_base64" {
            return Err(invalid(name, "empty"));
        }
        Ok(Some(text))
    }

    /// A name that two members share: readers differ in which one they take, so that one event would
    /// have two meanings.
    fn twice(&self) -> Option<&str> {
        let twice = self.0.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
        Some(&twice[0].0)
    }
}

/// A name, which is copied only when it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn members(text: &str) -> Result<Members<'_>, EnvelopeError> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(16);
            while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                members.push((name, Some(value)));
            }
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(Members(members))
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Object);
    members
        .and_then(|members| deserializer.end().map(|()| members))
        .map_err(|error| EnvelopeError::Json(without_values(&error)))
}

/// The text, when it is one.
fn text(raw: &RawValue) -> Option<String> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        // It was found to be a JSON string already: without escapes it is what stands there.
        false => Some(inner.to_owned()),
        true => serde_json::from_str(raw.get()).ok(),
    }
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

fn extension(name: Cow<'_, str>, raw: &RawValue) -> Result<(String, Value), EnvelopeError> {
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        || name.is_empty()
    {
        return Err(invalid(&name, "a name has only the characters a-z and 0-9"));
    }
    if let Some(text) = text(raw) {
        return Ok((name.into_owned(), Value::String(text)));
    }
    let value = serde_json::from_str(raw.get()).map_err(|error| invalid(&name, &error.to_string()))?;
    match value {
        Value::Object(_) | Value::Array(_) => Err(invalid(&name, "neither object nor array is allowed")),
        scalar => Ok((name.into_owned(), scalar)),
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

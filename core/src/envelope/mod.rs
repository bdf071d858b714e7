//! The CloudEvents 1.0 document around a payload.

mod decode;
mod json;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use decode::without_values;

/// A CloudEvents 1.0 event in structured JSON: its attributes, its extensions and its data, which
/// stays as it was received until it is [decoded](Self::decode).
///
/// Attributes that fanfare doesn't know are kept, and written again by [`to_json`](Self::to_json).
/// Cheap to clone.
///
/// ```
/// use fanfare::Envelope;
///
/// let envelope = Envelope::parse(
///     r#"{"specversion":"1.0","id":"1","source":"/checkout","type":"order.placed","data":{"cents":5}}"#,
/// )?;
/// assert_eq!(envelope.ty(), "order.placed");
/// assert_eq!(envelope.correlation_id(), "1");
/// # Ok::<(), fanfare::EnvelopeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Envelope(Arc<Parts>);

/// What an envelope is made of; built by [`Draft`](crate::Draft) or read from JSON.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) ty: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<OffsetDateTime>,
    pub(crate) content_type: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) data: Option<Data>,
    pub(crate) extensions: BTreeMap<String, Value>,
}

/// The payload as it travels.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Json(Box<RawValue>),
    Binary(Vec<u8>),
}

/// Extension attributes that fanfare gives a meaning.
pub(crate) mod extension {
    pub(crate) const CORRELATION: &str = "correlationid";
    pub(crate) const CAUSATION: &str = "causationid";
    pub(crate) const TRACEPARENT: &str = "traceparent";
    pub(crate) const TRACESTATE: &str = "tracestate";
    pub(crate) const SEQUENCE: &str = "sequence";
}

impl Envelope {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Unique within the [`source`](Self::source).
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Who published it: a URI reference such as `/payment`.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The type of event, such as `order.placed`. (`type` is a keyword.)
    pub fn ty(&self) -> &str {
        &self.0.ty
    }

    /// The id of the aggregate it tells of, and the ordering key on FIFO.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// When it happened.
    pub fn time(&self) -> Option<SystemTime> {
        self.0.time.map(SystemTime::from)
    }

    /// The URI of the data's schema.
    pub fn dataschema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    /// The media type of the data; JSON when there is none.
    pub fn datacontenttype(&self) -> Option<&str> {
        self.0.content_type.as_deref()
    }

    /// The payload's version: the number that ends [`dataschema`](Self::dataschema) (as `…:2`,
    /// `…/2` or `…/v2`), and 1 where there is none.
    pub fn version(&self) -> u16 {
        let last = self
            .dataschema()
            .and_then(|schema| schema.rsplit([':', '/', '#']).next());
        last.and_then(|last| last.trim_start_matches(['v', 'V']).parse().ok())
            .unwrap_or(1)
    }

    /// The id that the whole chain of events shares: that of its first event, unless a publisher set
    /// another.
    pub fn correlation_id(&self) -> &str {
        self.text(extension::CORRELATION).unwrap_or(self.id())
    }

    /// The id of the event or command that this one follows from.
    pub fn causation_id(&self) -> Option<&str> {
        self.text(extension::CAUSATION)
    }

    /// The W3C trace context it was published in.
    pub fn traceparent(&self) -> Option<&str> {
        self.text(extension::TRACEPARENT)
    }

    /// The vendors' part of the W3C trace context.
    pub fn tracestate(&self) -> Option<&str> {
        self.text(extension::TRACESTATE)
    }

    /// Its number within its key on a FIFO topic, from 1 and without gaps, when it came through the
    /// outbox (CloudEvents extension `sequence`).
    pub fn sequence(&self) -> Option<u64> {
        self.text(extension::SEQUENCE)?.parse().ok()
    }

    /// The same envelope with this [`sequence`](Self::sequence), written with 20 digits so that
    /// text order is number order, as the extension demands.
    #[must_use]
    pub fn with_sequence(&self, sequence: u64) -> Self {
        let mut parts = (*self.0).clone();
        parts
            .extensions
            .insert(extension::SEQUENCE.to_owned(), format!("{sequence:020}").into());
        Self::new(parts)
    }

    /// The same envelope in this W3C trace context. Without a `tracestate` it has none: that of
    /// another `traceparent` must not stay.
    #[must_use]
    pub fn with_trace(&self, traceparent: &str, tracestate: Option<&str>) -> Self {
        let mut parts = (*self.0).clone();
        parts.extensions.remove(extension::TRACESTATE);
        let context = [
            (extension::TRACEPARENT, Some(traceparent)),
            (extension::TRACESTATE, tracestate),
        ];
        for (name, value) in context {
            parts
                .extensions
                .extend(value.map(|value| (name.to_owned(), Value::from(value))));
        }
        Self::new(parts)
    }

    /// An extension attribute, also one that fanfare doesn't know.
    pub fn extension(&self, name: &str) -> Option<&Value> {
        self.0.extensions.get(name)
    }

    /// All extension attributes, by name.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .extensions
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Reads the data as `T`. Fields that `T` doesn't have are ignored.
    ///
    /// # Errors
    /// The data isn't JSON, or not that of a `T`. The text says what was expected and where; what was
    /// there is left out, so that it can go into logs and dead letters.
    ///
    /// ```
    /// let envelope = fanfare::Envelope::parse(
    ///     r#"{"specversion":"1.0","id":"1","source":"/a","type":"card.used","data":{"number":"4111"}}"#,
    /// )?;
    /// #[derive(Debug, serde::Deserialize)]
    /// struct Card { number: u64 }
    /// let error = envelope.decode::<Card>().unwrap_err();
    /// assert_eq!(error.to_string(), "invalid type, expected u64 at line 1 column 16");
    /// # Ok::<(), fanfare::EnvelopeError>(())
    /// ```
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let read = match &self.0.data {
            Some(Data::Json(raw)) => serde_json::from_str(raw.get()),
            Some(Data::Binary(bytes)) => serde_json::from_slice(bytes),
            None => serde_json::from_str("null"),
        };
        read.map_err(|error| without_values(&error))
    }

    /// The data as JSON text, when it is JSON.
    pub fn data(&self) -> Option<&str> {
        match &self.0.data {
            Some(Data::Json(raw)) => Some(raw.get()),
            _ => None,
        }
    }

    /// The data as bytes, when it came as `data_base64`.
    pub fn binary_data(&self) -> Option<&[u8]> {
        match &self.0.data {
            Some(Data::Binary(bytes)) => Some(bytes),
            _ => None,
        }
    }

    fn text(&self, extension: &str) -> Option<&str> {
        let text = self.0.extensions.get(extension)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }
}

/// Why a text is no CloudEvent.
///
/// ```
/// let error = fanfare::Envelope::parse(r#"{"specversion":"1.0","id":"1","type":"a.b"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "the CloudEvents attribute `source` is missing");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is not a JSON object.
    #[error("not a JSON object")]
    Json(#[source] serde_json::Error),
    /// An attribute that CloudEvents requires is missing.
    #[error("the CloudEvents attribute `{0}` is missing")]
    Missing(&'static str),
    /// An attribute has a value that CloudEvents forbids.
    #[error("the CloudEvents attribute `{attribute}` is not valid: {reason}")]
    Invalid {
        /// The attribute's name.
        attribute: String,
        /// What is wrong with it; never the value.
        reason: String,
    },
}

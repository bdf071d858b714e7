//! The forms in which an event lies in a queue: apart from handling, and before it.

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::envelope::{Data, Parts};
use crate::{Envelope, EnvelopeError};

/// The form that a body had.
///
/// ```
/// use fanfare::wire::{self, Form};
/// let body = r#"{"id":"1","source":"aws.ec2","detail-type":"EC2 Started","detail":{"instance":"i-1"}}"#;
/// assert_eq!(wire::parse(body)?.1, Form::EventBridge);
/// # Ok::<(), fanfare::wire::WireError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A CloudEvent in structured JSON: raw message delivery, or sent straight to the queue.
    CloudEvent,
    /// A CloudEvent inside SNS's notification document: a subscription without raw delivery.
    SnsNotification,
    /// An EventBridge event; its detail is the data, or a CloudEvent itself.
    EventBridge,
}

/// Why a body is no event. Such a message becomes a dead letter at once: no try can mend it.
///
/// ```
/// use fanfare::wire::{self, WireError};
/// assert!(matches!(wire::parse("hello"), Err(WireError::Unknown(_))));
/// assert!(matches!(wire::parse(r#"{"specversion":"1.0"}"#), Err(WireError::CloudEvent(_))));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not JSON, or JSON of no form that is known.
    #[error("the body is neither a CloudEvent nor an SNS notification nor an EventBridge event")]
    Unknown(#[source] EnvelopeError),
    /// It says that it is a CloudEvent, and is not a valid one.
    #[error("the body is not a valid CloudEvent")]
    CloudEvent(#[source] EnvelopeError),
    /// An SNS notification with something else in it.
    #[error("the SNS notification's message is not a CloudEvent")]
    SnsNotification(#[source] EnvelopeError),
    /// An EventBridge event that lacks something, or with a broken CloudEvent as its detail.
    #[error("the EventBridge event is not valid")]
    EventBridge(#[source] EnvelopeError),
}

/// Reads a message body in whichever form it came.
///
/// ```
/// use fanfare::wire::{self, Form};
///
/// let event = r#"{"specversion":"1.0","id":"1","source":"/a","type":"a.b"}"#;
/// let (envelope, form) = wire::parse(event)?;
/// assert_eq!((envelope.ty(), form), ("a.b", Form::CloudEvent));
/// assert!(wire::parse("hello").is_err());
/// # Ok::<(), fanfare::wire::WireError>(())
/// ```
///
/// # Errors
/// [`WireError`]: it is none of them.
pub fn parse(body: &str) -> Result<(Envelope, Form), WireError> {
    let error = match Envelope::parse(body) {
        Ok(envelope) => return Ok((envelope, Form::CloudEvent)),
        Err(error) => error,
    };
    // Both wrappers lack `specversion`; anything that has it means to be a CloudEvent.
    if !matches!(error, EnvelopeError::Missing("specversion")) {
        return Err(match error {
            EnvelopeError::Json(_) => WireError::Unknown(error),
            _ => WireError::CloudEvent(error),
        });
    }
    if let Ok(notification) = serde_json::from_str::<SnsNotification>(body)
        && notification.kind == "Notification"
    {
        return Envelope::parse(&notification.message)
            .map(|envelope| (envelope, Form::SnsNotification))
            .map_err(WireError::SnsNotification);
    }
    if let Ok(event) = serde_json::from_str::<EventBridge<'_>>(body) {
        return event
            .envelope()
            .map(|envelope| (envelope, Form::EventBridge))
            .map_err(WireError::EventBridge);
    }
    Err(WireError::Unknown(error))
}

/// What SNS wraps a message in without raw delivery
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>).
#[derive(Deserialize)]
struct SnsNotification {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "TopicArn")]
    _topic: String,
    #[serde(rename = "Message")]
    message: String,
}

/// EventBridge's envelope
/// (<https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>).
#[derive(Deserialize)]
struct EventBridge<'a> {
    id: String,
    source: String,
    #[serde(rename = "detail-type")]
    ty: String,
    time: Option<String>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

impl EventBridge<'_> {
    fn envelope(self) -> Result<Envelope, EnvelopeError> {
        match Envelope::parse(self.detail.get()) {
            Err(EnvelopeError::Missing("specversion") | EnvelopeError::Json(_)) => {}
            parsed => return parsed,
        }
        for (name, value) in [("id", &self.id), ("source", &self.source), ("type", &self.ty)] {
            if value.is_empty() {
                return Err(EnvelopeError::Missing(name));
            }
        }
        let time = self
            .time
            .map(|text| OffsetDateTime::parse(&text, &Rfc3339))
            .transpose();
        let time = time.map_err(|error| EnvelopeError::Invalid {
            attribute: "time".into(),
            reason: format!("not RFC 3339: {error}"),
        })?;
        Ok(Envelope::new(Parts {
            id: self.id,
            source: self.source,
            ty: self.ty,
            subject: None,
            time,
            content_type: Some("application/json".to_owned()),
            schema: None,
            data: Some(Data::Json(self.detail.to_owned())),
            extensions: std::collections::BTreeMap::new(),
        }))
    }
}

//! What leaves a service: an envelope and where it goes.

use std::fmt;

use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::envelope::{Data, Parts, extension};
use crate::{
    Attribute, Attributes, BatchEntry, Clock, Command, Envelope, Event, derived_id, is_fifo, message_group,
    new_id,
};

/// Where an envelope goes.
///
/// ```
/// let topic = fanfare::Destination::Topic("orders".into());
/// assert_eq!(topic.to_string(), "topic orders");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// To a topic, by its name in [`Event::TOPIC`].
    Topic(String),
    /// To the queue of a consumer, by its name in [`Command::CONSUMER`].
    Consumer(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Consumer(name) => write!(f, "consumer {name}"),
        }
    }
}

/// An envelope on its way to a topic or a consumer's queue, as a [`Publish`](crate::port::Publish)
/// takes it and an outbox keeps it.
///
/// ```
/// use fanfare::{Clock, Draft, Outgoing};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// let outgoing = Draft::event(&OrderPlaced { order: "17".into() })?.first("/checkout", &Clock::system());
/// assert_eq!(outgoing.attributes()["type"].text(), Some("order.placed"));
/// assert!(!outgoing.is_ordered());
///
/// let kept = serde_json::to_string(&outgoing)?;
/// assert_eq!(serde_json::from_str::<Outgoing>(&kept)?.envelope.id(), outgoing.envelope.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Outgoing {
    /// Where it goes.
    pub destination: Destination,
    /// The ordering key on FIFO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The fair-queue group on standard queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What travels.
    pub envelope: Envelope,
}

impl Outgoing {
    /// The attributes that filter policies see: `type`, `version`, `source` and, when there is one,
    /// `key`. Four of the ten that a message may have.
    pub fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::from([
            ("type".to_owned(), Attribute::string(self.envelope.ty())),
            ("version".to_owned(), Attribute::number(self.envelope.version())),
            ("source".to_owned(), Attribute::string(self.envelope.source())),
        ]);
        if let Some(key) = self.key.as_deref().filter(|key| !key.is_empty()) {
            attributes.insert("key".to_owned(), Attribute::string(key));
        }
        attributes
    }

    /// What is sent for it, the same with every try and by every publisher.
    ///
    /// On FIFO the message group is made from the key, and the deduplication id from the envelope's
    /// source and id: two processes never share one by chance, and a second try of the same event does.
    /// On standard the group is made from the tenant.
    ///
    /// ```
    /// # use fanfare::{Clock, Draft};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Posted { account: String }
    /// # impl fanfare::Event for Posted {
    /// #     const TYPE: &'static str = "posted";
    /// #     const TOPIC: &'static str = "ledger.fifo";
    /// #     fn key(&self) -> Option<std::borrow::Cow<'_, str>> { Some((&*self.account).into()) }
    /// # }
    /// let posted = Draft::event(&Posted { account: "17".into() })?.first("/ledger", &Clock::system());
    /// let entry = posted.batch_entry(true);
    /// assert_eq!(entry.group.as_deref(), Some("17"));
    /// assert_eq!(entry, posted.batch_entry(true));
    /// # Ok::<(), fanfare::EncodeError>(())
    /// ```
    pub fn batch_entry(&self, fifo: bool) -> BatchEntry {
        let group = if fifo { &self.key } else { &self.tenant };
        let envelope = &self.envelope;
        BatchEntry {
            body: envelope.to_json(),
            attributes: self.attributes(),
            group: group.as_deref().map(|group| message_group(group).into_owned()),
            deduplication_id: fifo.then(|| derived_id(&[envelope.source(), envelope.id()])),
        }
    }

    /// The name of a payload's schema, as envelopes have it (`dataschema`): it ends in the version.
    ///
    /// ```
    /// let name = fanfare::Outgoing::schema_uri("order.placed", 2);
    /// assert_eq!(name, "urn:fanfare:order.placed:2");
    /// ```
    pub fn schema_uri(ty: &str, version: u16) -> String {
        schema(ty, version)
    }

    /// Whether it goes to a FIFO topic, where its key's order counts.
    pub fn is_ordered(&self) -> bool {
        matches!(&self.destination, Destination::Topic(topic) if is_fifo(topic))
    }
}

/// A payload about to become an envelope: what it is and where it goes, not yet from whom and why.
///
/// ```
/// use fanfare::{Clock, Draft};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// let clock = Clock::system();
/// let placed = Draft::event(&OrderPlaced { order: "17".into() })?.first("/checkout", &clock);
/// assert_eq!(placed.envelope.correlation_id(), placed.envelope.id());
/// # Ok::<(), fanfare::EncodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Draft {
    ty: &'static str,
    version: u16,
    destination: Destination,
    key: Option<String>,
    tenant: Option<String>,
    data: Box<RawValue>,
}

/// Why a payload can't travel.
///
/// ```
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// struct Posted;
///
/// impl fanfare::Event for Posted {
///     const TYPE: &'static str = "posted";
///     const TOPIC: &'static str = "ledger.fifo";
/// }
/// let error = fanfare::Draft::event(&Posted).unwrap_err();
/// assert!(error.to_string().contains("implement `Event::key`"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It doesn't serialize to JSON.
    #[error("a `{ty}` can't be written as JSON")]
    Json {
        /// The type on the wire.
        ty: &'static str,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// It goes to a FIFO topic and has no key to be ordered by.
    #[error("a `{ty}` goes to the FIFO topic `{topic}` and has no key: implement `Event::key`")]
    NoKey {
        /// The type on the wire.
        ty: &'static str,
        /// The topic.
        topic: &'static str,
    },
}

impl Draft {
    /// A draft of an event.
    ///
    /// # Errors
    /// It doesn't serialize, or has no key on a FIFO topic.
    pub fn event<E: Event>(event: &E) -> Result<Self, EncodeError> {
        let key = event
            .key()
            .filter(|key| !key.is_empty())
            .map(|key| key.into_owned());
        if key.is_none() && is_fifo(E::TOPIC) {
            return Err(EncodeError::NoKey {
                ty: E::TYPE,
                topic: E::TOPIC,
            });
        }
        Ok(Self {
            ty: E::TYPE,
            version: E::VERSION,
            destination: Destination::Topic(E::TOPIC.to_owned()),
            key,
            tenant: event
                .tenant()
                .filter(|tenant| !tenant.is_empty())
                .map(|tenant| tenant.into_owned()),
            data: raw(E::TYPE, event)?,
        })
    }

    /// A draft of a command.
    ///
    /// # Errors
    /// It doesn't serialize.
    pub fn command<C: Command>(command: &C) -> Result<Self, EncodeError> {
        Ok(Self {
            ty: C::TYPE,
            version: C::VERSION,
            destination: Destination::Consumer(C::CONSUMER.to_owned()),
            key: command
                .key()
                .filter(|key| !key.is_empty())
                .map(|key| key.into_owned()),
            tenant: command
                .tenant()
                .filter(|tenant| !tenant.is_empty())
                .map(|tenant| tenant.into_owned()),
            data: raw(C::TYPE, command)?,
        })
    }

    /// The type on the wire.
    pub fn ty(&self) -> &'static str {
        self.ty
    }

    /// Where it goes.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The first of a chain: a new id (UUIDv7), which is its correlation id too.
    pub fn first(self, source: &str, clock: &Clock) -> Outgoing {
        let id = new_id(clock);
        self.outgoing(source, id.clone(), [(extension::CORRELATION, id)], None, clock)
    }

    /// What a consumer's handling of `cause` leads to: the `ordinal`th thing it emits. The id
    /// follows from these (UUIDv5), so that handling the same event twice emits the same ids; the
    /// correlation and trace are the cause's, the causation id is its id, the source is the
    /// consumer, as `/consumer`.
    pub fn caused_by(self, cause: &Envelope, consumer: &str, ordinal: usize, clock: &Clock) -> Outgoing {
        let id = derived_id(&[cause.source(), cause.id(), consumer, &ordinal.to_string()]);
        let extensions = [
            (extension::CORRELATION, cause.correlation_id().to_owned()),
            (extension::CAUSATION, cause.id().to_owned()),
        ];
        self.outgoing(&format!("/{consumer}"), id, extensions, Some(cause), clock)
    }

    fn outgoing<const N: usize>(
        self,
        source: &str,
        id: String,
        extensions: [(&str, String); N],
        cause: Option<&Envelope>,
        clock: &Clock,
    ) -> Outgoing {
        let mut extensions: std::collections::BTreeMap<_, _> = extensions
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        for name in [extension::TRACEPARENT, extension::TRACESTATE] {
            if let Some(value) = cause.and_then(|cause| cause.extension(name)) {
                extensions.insert(name.to_owned(), value.clone());
            }
        }
        // Milliseconds are what records and ids keep, so an envelope says no more.
        let now = OffsetDateTime::from(clock.now());
        let time = now.replace_millisecond(now.millisecond()).unwrap_or(now);
        Outgoing {
            destination: self.destination,
            tenant: self.tenant,
            envelope: Envelope::new(Parts {
                id,
                source: source.to_owned(),
                ty: self.ty.to_owned(),
                subject: self.key.clone(),
                time: Some(time),
                content_type: Some("application/json".to_owned()),
                schema: Some(schema(self.ty, self.version)),
                data: Some(Data::Json(self.data)),
                extensions,
            }),
            key: self.key,
        }
    }
}

/// The name of a payload's schema. What a URI doesn't allow in it is percent-encoded (RFC 3986).
fn schema(ty: &str, version: u16) -> String {
    let mut name = String::from("urn:fanfare:");
    for byte in ty.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name + &format!(":{version}")
}

fn raw<T: serde::Serialize>(ty: &'static str, payload: &T) -> Result<Box<RawValue>, EncodeError> {
    serde_json::value::to_raw_value(payload).map_err(|source| EncodeError::Json { ty, source })
}

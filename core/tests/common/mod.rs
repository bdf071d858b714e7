//! What the tests of the contract share.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test uses its part")]

pub(crate) mod trace;

use fanfare::{
    Clock, Delivery, Draft, EncodeError, Event, Failure, Handled, Message, Outcome, RouterService,
};
use tower::ServiceExt;

/// An event of this Rust name, type and version, with one field.
macro_rules! event {
    ($name:ident, $ty:literal) => {
        event!($name, $ty, 1, "orders");
    };
    ($name:ident, $ty:literal, $version:literal, $topic:literal) => {
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        struct $name {
            order: String,
        }

        impl fanfare::Event for $name {
            const TYPE: &'static str = $ty;
            const VERSION: u16 = $version;
            const TOPIC: &'static str = $topic;

            fn key(&self) -> Option<std::borrow::Cow<'_, str>> {
                Some(self.order.as_str().into())
            }
        }
    };
}
pub(crate) use event;

/// A command of this Rust name to this consumer.
macro_rules! command {
    ($name:ident, $consumer:literal) => {
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        struct $name {
            order: String,
        }

        impl fanfare::Command for $name {
            const TYPE: &'static str = stringify!($name);
            const CONSUMER: &'static str = $consumer;
        }
    };
}
pub(crate) use command;

/// The event as a queue delivers it for the first time.
pub(crate) fn message<E: Event>(event: &E) -> Result<Message, EncodeError> {
    let outgoing = Draft::event(event)?.first("/test", &Clock::system());
    Ok(Message::new(outgoing.envelope.to_json()))
}

/// A message of this type, version and data.
pub(crate) fn raw(ty: &str, version: u16, data: &str) -> Message {
    Message::new(format!(
        r#"{{"specversion":"1.0","id":"1","source":"/test","type":"{ty}","dataschema":"urn:x:{version}","data":{data}}}"#
    ))
}

pub(crate) async fn handle(service: &RouterService, message: Message) -> Outcome {
    match service.clone().oneshot(message).await {
        Ok(outcome) => outcome,
        Err(never) => match never {},
    }
}

/// A handler that applies whatever it gets.
pub(crate) async fn applied<E>(_: Delivery<E>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

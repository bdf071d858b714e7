//! Payloads of events and commands, with the schemas of their Rust types.

use fanfare::{Command, Destination, Event};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// A version of an event or command, whose Rust type gives its schema.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) ty: &'static str,
    pub(crate) version: u16,
    pub(crate) over: Destination,
    /// Its schema by itself.
    pub(crate) whole: fn(SchemaGenerator) -> Schema,
    /// Its schema among others.
    pub(crate) part: fn(&mut SchemaGenerator) -> Schema,
}

impl Payload {
    pub(crate) fn event<E: Event + JsonSchema>() -> Self {
        Self::new::<E>(E::TYPE, E::VERSION, Destination::Topic(E::TOPIC.to_owned()))
    }

    pub(crate) fn command<C: Command + JsonSchema>() -> Self {
        Self::new::<C>(C::TYPE, C::VERSION, Destination::Consumer(C::CONSUMER.to_owned()))
    }

    fn new<T: JsonSchema>(ty: &'static str, version: u16, over: Destination) -> Self {
        Self {
            ty,
            version,
            over,
            whole: SchemaGenerator::into_root_schema_for::<T>,
            part: SchemaGenerator::subschema_for::<T>,
        }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} version {}", self.ty, self.version)
    }
}

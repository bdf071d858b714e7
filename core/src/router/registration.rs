//! A handler and what it was registered for, with its type erased.

use std::any::{Any, TypeId};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::decode::{Decode, decode};
use crate::delivery::Context;
use crate::port::BoxFuture;
use crate::wiring::Place;
use crate::{Delivery, Destination, Failure, Handled, Handler};

/// A payload of a type that only its handler knows.
pub(super) type Payload = Box<dyn Any + Send>;

type Handle = Arc<dyn Fn(Payload, Context) -> BoxFuture<'static, Result<Handled, Failure>> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Registration {
    pub(crate) ty: &'static str,
    pub(crate) version: u16,
    /// The Rust type that the handler takes.
    pub(super) payload: TypeId,
    /// The topic of an event, the consumer of a command.
    pub(crate) from: Destination,
    /// What its handler emits and sends.
    pub(crate) sends: Vec<(&'static str, Destination)>,
    pub(crate) at: Place,
    pub(super) decode: Decode,
    pub(super) handle: Handle,
}

impl Registration {
    pub(super) fn new<E, H>(ty: &'static str, version: u16, from: Destination, handler: H, at: Place) -> Self
    where
        E: DeserializeOwned + Send + Sync + 'static,
        H: Handler<E>,
    {
        let handler = Arc::new(handler);
        let handle: Handle = Arc::new(move |payload, context| {
            let handler = handler.clone();
            Box::pin(async move {
                // Only a chain of upcasts could end in another type, and such a chain is refused
                // when the service is made.
                match payload.downcast::<E>() {
                    Ok(event) => handler.handle(Delivery::new(*event, context)).await,
                    Err(_) => Err(Failure::terminal(format!("`{ty}` was read as another type"))),
                }
            })
        });
        Self {
            ty,
            version,
            payload: TypeId::of::<E>(),
            from,
            sends: Vec::new(),
            at,
            decode: decode::<E>,
            handle,
        }
    }
}

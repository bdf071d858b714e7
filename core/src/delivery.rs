//! An event in the hands of a handler.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Clock, DedupeKey, Destination, Draft, EncodeError, Envelope, Event, Lost};

/// An event or command as a handler gets it: the payload, and where it came from.
///
/// Dereferences to the payload. It is what the store wants to see before it writes, since it
/// carries the key to deduplicate by.
///
/// ```
/// use fanfare::{Delivery, Failure, Handled};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { cents: u64 }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// async fn charge(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
///     println!("{} asks {} for {} cents", placed.envelope().id(), placed.consumer(), placed.cents);
///     Ok(Handled::Applied)
/// }
/// ```
#[derive(Debug)]
pub struct Delivery<E> {
    payload: E,
    context: Context,
}

impl<E> Delivery<E> {
    pub(crate) fn new(payload: E, context: Context) -> Self {
        Self { payload, context }
    }

    /// A delivery of this event to this consumer, for tests of a handler without a router: as if
    /// received for the first time, from the source `/test`.
    ///
    /// # Errors
    /// The event can't be written as an envelope.
    pub fn of(consumer: &str, event: E) -> Result<Self, EncodeError>
    where
        E: Event,
    {
        let outgoing = Draft::event(&event)?.first("/test", &Clock::system());
        Ok(Self::new(event, Context::new(consumer.into(), outgoing.envelope)))
    }

    /// The envelope it came in.
    pub fn envelope(&self) -> &Envelope {
        &self.context.envelope
    }

    /// The consumer that is to handle it.
    pub fn consumer(&self) -> &str {
        &self.context.consumer
    }

    /// How often the message was received, this time included.
    pub fn receive_count(&self) -> u32 {
        self.context.receive_count
    }

    /// Resolves when the host no longer holds the message; stop what can be stopped then. From that
    /// moment the store refuses to commit for this delivery.
    pub async fn lost(&self) {
        self.context.lost.lost().await;
    }

    /// All but the payload.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The payload, and the rest.
    pub fn into_parts(self) -> (E, Context) {
        (self.payload, self.context)
    }

    /// The same delivery with another payload.
    pub fn map<T>(self, map: impl FnOnce(E) -> T) -> Delivery<T> {
        Delivery {
            payload: map(self.payload),
            context: self.context,
        }
    }
}

impl<E> Deref for Delivery<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.payload
    }
}

/// What a delivery is, whatever its payload: what the store needs to know of it.
///
/// Clones are the same delivery.
///
/// ```
/// use fanfare::Delivery;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// let delivery = Delivery::of("billing", OrderPlaced { order: "17".into() })?;
/// let context = delivery.context();
/// assert_eq!(context.dedupe_key().consumer, "billing");
/// assert!(context.take_write());
/// assert!(!context.take_write());
/// # Ok::<(), fanfare::EncodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    consumer: Arc<str>,
    envelope: Envelope,
    receive_count: u32,
    lost: Lost,
    declared: Option<Arc<Declared>>,
    written: Arc<AtomicBool>,
}

/// What a handler was registered to emit and send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) sends: Vec<(&'static str, Destination)>,
    pub(crate) strict: bool,
}

impl Context {
    pub(crate) fn new(consumer: Arc<str>, envelope: Envelope) -> Self {
        Self {
            consumer,
            envelope,
            receive_count: 1,
            lost: Lost::never(),
            declared: None,
            written: Arc::default(),
        }
    }

    pub(crate) fn received(mut self, receive_count: u32, lost: Lost, declared: Arc<Declared>) -> Self {
        self.receive_count = receive_count;
        self.lost = lost;
        self.declared = Some(declared);
        self
    }

    /// The consumer that is to handle it.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// The envelope it came in.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The key that this handling is deduplicated by.
    pub fn dedupe_key(&self) -> DedupeKey {
        DedupeKey::new(&*self.consumer, self.envelope.source(), self.envelope.id())
    }

    /// How often the message was received, this time included.
    pub fn receive_count(&self) -> u32 {
        self.receive_count
    }

    /// The signal that the host no longer holds the message.
    pub fn lost(&self) -> &Lost {
        &self.lost
    }

    /// Takes the one write that a delivery has: true for the first who asks, false for any later.
    /// Two separate writes for one delivery could not both be guarded by its one inbox record.
    pub fn take_write(&self) -> bool {
        !self.written.swap(true, Ordering::Relaxed)
    }

    /// Gives the write back after one that failed, so that a handler whose write was refused can make
    /// another, such as after a failed condition.
    pub fn return_write(&self) {
        self.written.store(false, Ordering::Relaxed);
    }

    /// Checks that the handler was registered to emit or send this. Where it was not, that is an
    /// error in a router that is [strict](crate::Router::strict), as in tests, and a line in the log
    /// otherwise: the topology, from which queues, filters and permissions are made, is wrong.
    ///
    /// # Errors
    /// [`Undeclared`], from a strict router.
    pub fn check_declared(&self, draft: &Draft) -> Result<(), Undeclared> {
        let Some(declared) = &self.declared else {
            return Ok(());
        };
        let known = declared
            .sends
            .iter()
            .any(|(ty, to)| *ty == draft.ty() && to == draft.destination());
        if known {
            return Ok(());
        }
        let undeclared = Undeclared {
            consumer: self.consumer.to_string(),
            handler: self.envelope.ty().to_owned(),
            ty: draft.ty(),
            destination: draft.destination().clone(),
        };
        if declared.strict {
            return Err(undeclared);
        }
        tracing::error!(consumer = %self.consumer, emitted = draft.ty(), "{undeclared}");
        Ok(())
    }
}

/// A handler emitted or sent something that it was not registered for.
///
/// ```
/// use fanfare::{Delivery, Draft, Failure, Handled, Message, Router};
/// use tower::ServiceExt;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// async fn forward(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
///     // What the store does with everything that a handler emits.
///     placed.context().check_declared(&Draft::event(&*placed)?)?;
///     Ok(Handled::Applied)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let body = r#"{"specversion":"1.0","id":"1","source":"/a","type":"order.placed","data":{"order":"17"}}"#;
/// let undeclared = Router::new("copy").strict(true).on::<OrderPlaced>(forward).into_service().unwrap();
/// let outcome = undeclared.oneshot(Message::new(body)).await.unwrap();
/// assert!(outcome.reason().unwrap().contains("add `.emits::<..>()`"));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error(
    "`{consumer}`'s handler of `{handler}` emits `{ty}` to {destination} and doesn't declare it: \
     add `.emits::<..>()` or `.sends::<..>()` behind its `.on::<..>(..)`"
)]
#[non_exhaustive]
pub struct Undeclared {
    /// The consumer.
    pub consumer: String,
    /// The type whose handler it is.
    pub handler: String,
    /// The type that it emits.
    pub ty: &'static str,
    /// Where to.
    pub destination: Destination,
}

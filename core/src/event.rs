//! What travels: events and commands, as the application defines them.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An immutable fact in the past tense, published to a topic; it names no receiver.
///
/// ```
/// use std::borrow::Cow;
/// use fanfare::Event;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct OrderPlaced {
///     order: String,
///     cents: u64,
/// }
///
/// impl Event for OrderPlaced {
///     const TYPE: &'static str = "order.placed";
///     const TOPIC: &'static str = "orders";
///
///     fn key(&self) -> Option<Cow<'_, str>> {
///         Some(Cow::Borrowed(&self.order))
///     }
/// }
/// assert_eq!(OrderPlaced::VERSION, 1);
/// ```
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type on the wire, such as `order.placed`: never changed once published.
    const TYPE: &'static str;
    /// The version of the payload. A field that old readers may ignore needs no new one; anything
    /// else does, with [`Router::older`](crate::Router::older) at the consumers.
    const VERSION: u16 = 1;
    /// The topic it is published to, one a domain. A name that ends in `.fifo` is a FIFO topic: its
    /// events are delivered in the order of their [`key`](Self::key).
    const TOPIC: &'static str;

    /// The id of the aggregate it tells of: the envelope's `subject`, and the ordering key on FIFO,
    /// where it is required.
    fn key(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Whose it is: the group by which standard queues stay fair between tenants.
    fn tenant(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// Tells one consumer to act, sent straight to that consumer's queue.
///
/// ```
/// use fanfare::Command;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct RefundPayment {
///     order: String,
/// }
///
/// impl Command for RefundPayment {
///     const TYPE: &'static str = "RefundPayment";
///     const CONSUMER: &'static str = "payment";
/// }
/// ```
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type on the wire, in the imperative.
    const TYPE: &'static str;
    /// The version of the payload, as [`Event::VERSION`].
    const VERSION: u16 = 1;
    /// The consumer whose queue it goes to.
    const CONSUMER: &'static str;

    /// The id of the aggregate it is about; the order on a FIFO queue.
    fn key(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Whose it is, as [`Event::tenant`].
    fn tenant(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// Whether a topic or queue of this name is FIFO: AWS demands the suffix `.fifo` of those.
///
/// ```
/// assert!(fanfare::is_fifo("ledger.fifo"));
/// assert!(!fanfare::is_fifo("orders"));
/// ```
pub fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

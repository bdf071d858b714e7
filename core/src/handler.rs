//! What handles an event.

use std::future::Future;

use crate::{Delivery, Failure, Handled};

/// Handles events of one type: `async fn(Delivery<E>) -> Result<Handled, Failure>`, or a type that
/// implements it, with its dependencies as fields.
///
/// Its future may be dropped at any await when the host's drain deadline has passed, and the event
/// is then handled again: what must not happen twice goes through the store.
///
/// ```
/// use fanfare::{Delivery, Failure, Handled, Handler, Router};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { cents: u64 }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// struct Charge {
///     limit: u64,
/// }
///
/// impl Handler<OrderPlaced> for Charge {
///     async fn handle(&self, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
///         if placed.cents > self.limit {
///             return Err(Failure::terminal("over the limit"));
///         }
///         Ok(Handled::Applied)
///     }
/// }
///
/// let router = Router::new("payment").on::<OrderPlaced>(Charge { limit: 25_000 });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{E}`",
    label = "not an `async fn(Delivery<{E}>) -> Result<Handled, Failure>`",
    note = "a handler is a function `async fn(delivery: Delivery<{E}>) -> Result<Handled, Failure>` whose future is `Send`, \
            or a type that implements `Handler<{E}>`"
)]
pub trait Handler<E>: Send + Sync + 'static {
    /// Handles one delivery.
    fn handle(&self, delivery: Delivery<E>) -> impl Future<Output = Result<Handled, Failure>> + Send;
}

/// What an `async fn(Delivery<E>) -> Result<Handled, Failure>` returns. A name for it, so that a
/// function that returns something else is told what is expected.
#[diagnostic::on_unimplemented(
    message = "a handler is an `async fn(Delivery<E>) -> Result<Handled, Failure>`, and this returns `{Self}`",
    label = "not an `async fn` that returns `Result<Handled, Failure>`"
)]
pub trait Handling: Future<Output = Result<Handled, Failure>> {}

#[diagnostic::do_not_recommend]
impl<R: Future<Output = Result<Handled, Failure>>> Handling for R {}

impl<E, F, R> Handler<E> for F
where
    F: Fn(Delivery<E>) -> R + Send + Sync + 'static,
    R: Handling + Send,
{
    fn handle(&self, delivery: Delivery<E>) -> impl Future<Output = Result<Handled, Failure>> + Send {
        self(delivery)
    }
}

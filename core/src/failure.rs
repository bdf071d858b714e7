//! What a handler says at its end.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Any error, as the libraries around tower write it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a handler did.
///
/// ```
/// use fanfare::{Delivery, Failure, Handled};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # struct Shelf;
/// # impl Shelf { async fn reserve(&self, _: &str) -> Result<bool, std::io::Error> { Ok(true) } }
/// async fn reserve(shelf: &Shelf, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
///     match shelf.reserve(&placed.order).await? {
///         true => Ok(Handled::Applied),
///         false => Ok(Handled::Duplicate),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// The event's effect is applied.
    Applied,
    /// It had been applied before; nothing was done.
    Duplicate,
}

/// Why a handler did not handle an event, and what is to become of it.
///
/// Made by `?` from any error, and then retried with a growing pause. [`terminal`](Self::terminal)
/// makes it a dead letter at once. It is no [`Error`] itself, so that `?` works from all that are;
/// an error that must not be retried as usual carries an [`Advice`] as its source.
///
/// ```
/// use fanfare::Failure;
///
/// fn parse(amount: &str) -> Result<u64, Failure> {
///     Ok(amount.parse::<u64>().map_err(Failure::terminal)?)
/// }
/// assert!(parse("five").unwrap_err().is_terminal());
/// ```
pub struct Failure {
    advice: Advice,
    error: BoxError,
}

/// What is to become of a message whose handling failed.
///
/// A library's error tells it to the host by having an `Advice` somewhere in its chain of sources:
/// converting such an error into a [`Failure`] takes it over.
///
/// ```
/// use fanfare::{Advice, Failure};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the card was refused")]
/// struct CardRefused(#[source] Advice);
///
/// let failure = Failure::from(CardRefused(Advice::Terminal));
/// assert!(failure.is_terminal());
/// assert_eq!(failure.to_string(), "the card was refused");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Advice {
    /// Try again, with the host's backoff.
    #[error("worth another try")]
    Retry,
    /// Try again after this long.
    #[error("worth another try in {0:?}")]
    RetryAfter(Duration),
    /// Somebody else is at it and holds it for this long: try again then, and don't count this as a
    /// failed attempt.
    #[error("held by another for {0:?}")]
    Held(Duration),
    /// No try will ever succeed.
    #[error("not worth another try")]
    Terminal,
}

impl Failure {
    /// Retried with the host's backoff.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self {
            advice: Advice::Retry,
            error: error.into(),
        }
    }

    /// Retried after this long.
    pub fn retry_after(after: Duration, error: impl Into<BoxError>) -> Self {
        Self {
            advice: Advice::RetryAfter(after),
            error: error.into(),
        }
    }

    /// Not retried: the message goes to the dead-letter queue with this reason.
    pub fn terminal(error: impl Into<BoxError>) -> Self {
        Self {
            advice: Advice::Terminal,
            error: error.into(),
        }
    }

    /// What is to become of the message.
    pub fn advice(&self) -> Advice {
        self.advice
    }

    /// Whether it is not to be retried.
    pub fn is_terminal(&self) -> bool {
        self.advice == Advice::Terminal
    }

    /// The error behind it.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// The error behind it, owned.
    pub fn into_error(self) -> BoxError {
        self.error
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    /// A retry, unless an [`Advice`] in the error's chain of sources says otherwise.
    fn from(error: E) -> Self {
        let error = error.into();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
        let mut advice = Advice::Retry;
        while let Some(inner) = cause {
            if let Some(found) = inner.downcast_ref::<Advice>() {
                advice = *found;
                break;
            }
            cause = inner.source();
        }
        Self { advice, error }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("advice", &self.advice)
            .field("error", &self.error)
            .finish()
    }
}

impl fmt::Display for Failure {
    /// The error and its sources, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, &*self.error)
    }
}

pub(crate) fn write_chain(f: &mut impl fmt::Write, error: &(dyn Error + 'static)) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(inner) = cause {
        // An advice is for the host, not for people.
        if inner.downcast_ref::<Advice>().is_none() {
            write!(f, ": {inner}")?;
        }
        cause = inner.source();
    }
    Ok(())
}

/// Turns the error of a result into a terminal [`Failure`].
///
/// ```
/// use fanfare::Terminal;
/// fn handler() -> Result<u8, fanfare::Failure> {
///     Ok("300".parse::<u8>().terminal()?)
/// }
/// assert!(handler().unwrap_err().is_terminal());
/// ```
pub trait Terminal<T> {
    /// The same result, whose error isn't worth a retry.
    ///
    /// # Errors
    /// The error it had, as a terminal failure.
    fn terminal(self) -> Result<T, Failure>;
}

impl<T, E: Into<BoxError>> Terminal<T> for Result<T, E> {
    fn terminal(self) -> Result<T, Failure> {
        self.map_err(Failure::terminal)
    }
}

//! What became of a message, and what a host does with it therefore.

use std::time::{Duration, SystemTime};

use crate::wire::WireError;
use crate::{Advice, Backoff, DedupeKey, Failure, Handled, Message};

/// What became of one message in a router.
///
/// ```
/// use fanfare::{Handled, Outcome, RetryPolicy, Verdict, Message};
///
/// let outcome = Outcome::handled(None, Handled::Applied);
/// let verdict = outcome.verdict(&Message::new("{}"), &RetryPolicy::default(), std::time::SystemTime::now());
/// assert_eq!(verdict, Verdict::Delete);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The key of the handling; nothing when the body was no event.
    pub key: Option<DedupeKey>,
    /// What happened.
    pub what: What,
}

/// What happened to a message.
///
/// ```
/// use fanfare::{Failure, Outcome, What};
/// let outcome = Outcome::failed(None, Failure::terminal("no such card"));
/// assert!(matches!(outcome.what, What::Failed(failure) if failure.is_terminal()));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum What {
    /// Its effect is applied.
    Applied,
    /// Its effect had been applied before.
    Duplicate,
    /// Nobody handles its type, and the router ignores such.
    Ignored,
    /// The handler failed, or panicked, or a layer gave up on it.
    Failed(Failure),
    /// Nobody handles its type.
    NoHandler {
        /// The type.
        ty: String,
    },
    /// Its type is handled, but it can't be read as that type and version.
    Undecodable(Undecodable),
    /// Its body is no event at all.
    Malformed(WireError),
}

/// Why an event of a known type can't be read.
///
/// ```
/// use fanfare::{Delivery, Failure, Handled, Message, Router, Undecodable, What};
/// use tower::ServiceExt;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = Router::new("shipping").on::<OrderPlaced>(ship).into_service().unwrap();
/// let body = r#"{"specversion":"1.0","id":"1","source":"/a","type":"order.placed","data":{"order":17}}"#;
/// let outcome = service.oneshot(Message::new(body)).await.unwrap();
/// assert!(matches!(outcome.what, What::Undecodable(Undecodable::Data { version: 1, .. })));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The data isn't that of the type.
    #[error("the data of `{ty}` version {version} can't be read")]
    Data {
        /// The type.
        ty: String,
        /// The version it says it is.
        version: u16,
        /// What and where.
        #[source]
        source: serde_json::Error,
    },
    /// No handler and no `older` reads that version.
    #[error("version {version} of `{ty}` is not known here, only {known:?}")]
    Version {
        /// The type.
        ty: String,
        /// The version it says it is.
        version: u16,
        /// The versions that can be read.
        known: Vec<u16>,
    },
}

/// What a host does with a message.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use fanfare::{Failure, Message, Outcome, RetryPolicy, Verdict};
///
/// let busy = Outcome::failed(None, Failure::retry_after(Duration::from_secs(9), "busy"));
/// let (message, policy) = (Message::new("{}"), RetryPolicy::default());
/// match busy.verdict(&message, &policy, SystemTime::now()) {
///     Verdict::Retry { after } => assert_eq!(after.as_secs(), 9),
///     verdict => panic!("{verdict:?}"),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Done with it.
    Delete,
    /// Give it back: it comes again after this long.
    Retry {
        /// How long it stays invisible.
        after: Duration,
    },
    /// Keep it, invisible to others, and try again in place after this long; not a failed attempt.
    Hold {
        /// How long to wait.
        after: Duration,
    },
    /// To the dead-letter queue, with this reason.
    DeadLetter {
        /// What went wrong.
        reason: String,
    },
}

/// When to try again and when to give up.
///
/// ```
/// use fanfare::RetryPolicy;
/// let patient = RetryPolicy { max_receives: 20, ..RetryPolicy::default() };
/// assert_eq!(patient.unknown_for.as_secs(), 20 * 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a message is received before it is given up: the queue's `maxReceiveCount`.
    pub max_receives: u32,
    /// The pauses in between.
    pub backoff: Backoff,
    /// How long a message whose type nobody handles is put back, counted from when it was sent.
    /// 20 minutes: filter policies take up to 15 to spread, and in a rolling deploy old tasks meet
    /// new types.
    pub unknown_for: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_receives: 5,
            backoff: Backoff::default(),
            unknown_for: Duration::from_secs(20 * 60),
        }
    }
}

impl Outcome {
    /// The outcome of a handler that succeeded.
    pub fn handled(key: Option<DedupeKey>, handled: Handled) -> Self {
        let what = match handled {
            Handled::Applied => What::Applied,
            Handled::Duplicate => What::Duplicate,
        };
        Self { key, what }
    }

    /// The outcome of a handler that failed.
    pub fn failed(key: Option<DedupeKey>, failure: impl Into<Failure>) -> Self {
        Self {
            key,
            what: What::Failed(failure.into()),
        }
    }

    pub(crate) fn new(key: Option<DedupeKey>, what: What) -> Self {
        Self { key, what }
    }

    /// A word for it in metrics and logs.
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::Applied => "applied",
            What::Duplicate => "duplicate",
            What::Ignored => "ignored",
            What::Failed(failure) if failure.is_terminal() => "terminal",
            What::Failed(failure) if matches!(failure.advice(), Advice::Held(_)) => "held",
            What::Failed(_) => "failed",
            What::NoHandler { .. } => "no_handler",
            What::Undecodable(_) => "undecodable",
            What::Malformed(_) => "malformed",
        }
    }

    #[cfg(feature = "host")]
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self.what, What::Applied | What::Duplicate | What::Ignored)
    }

    /// What went wrong, in a line, if something did.
    pub fn reason(&self) -> Option<String> {
        match &self.what {
            What::Applied | What::Duplicate | What::Ignored => None,
            What::Failed(failure) => Some(failure.to_string()),
            What::NoHandler { ty } => Some(format!("no handler for `{ty}`")),
            What::Undecodable(error) => Some(chain(error)),
            What::Malformed(error) => Some(chain(error)),
        }
    }

    /// What a host does with the message: `now` is compared with when it was sent.
    ///
    /// A failure on the last permitted receive becomes a dead letter with its reason, rather than
    /// one without by the queue's own move.
    pub fn verdict(&self, message: &Message, policy: &RetryPolicy, now: SystemTime) -> Verdict {
        let reason = self.reason().unwrap_or_default();
        let last = message.receive_count >= policy.max_receives;
        let again = |after| match last {
            true => Verdict::DeadLetter {
                reason: reason.clone(),
            },
            false => Verdict::Retry { after },
        };
        match &self.what {
            What::Applied | What::Duplicate | What::Ignored => Verdict::Delete,
            What::Malformed(_) => Verdict::DeadLetter { reason },
            What::Undecodable(_) => again(policy.backoff.delay(message.receive_count)),
            What::NoHandler { .. } => match self.unknown_wait(message, policy, now) {
                Some(after) => Verdict::Retry { after },
                None => Verdict::DeadLetter { reason },
            },
            What::Failed(failure) => match failure.advice() {
                Advice::Terminal => Verdict::DeadLetter { reason },
                Advice::Held(after) => Verdict::Hold { after },
                Advice::RetryAfter(after) => again(after),
                Advice::Retry => again(policy.backoff.delay(message.receive_count)),
            },
        }
    }

    /// How long to put a message back that nobody handles: what is left of the time for it, spread
    /// over the receives that are left, so that the queue doesn't give it up before.
    fn unknown_wait(&self, message: &Message, policy: &RetryPolicy, now: SystemTime) -> Option<Duration> {
        let age = now.duration_since(message.sent_at).unwrap_or(Duration::ZERO);
        let left = policy
            .unknown_for
            .checked_sub(age)
            .filter(|left| !left.is_zero())?;
        let receives = policy.max_receives.saturating_sub(message.receive_count);
        // The last receive is the one that finds the time to be up.
        (receives > 0).then(|| left / receives)
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = crate::failure::write_chain(&mut text, error);
    text
}

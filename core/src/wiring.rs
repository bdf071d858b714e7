//! Mistakes in how an application is put together.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::Destination;

/// Where in the source something was registered.
///
/// ```
/// use fanfare::{Place, Router, WiringError};
/// let errors = Router::new("").into_service().unwrap_err();
/// let WiringError::BadName { at, .. } = &errors.errors()[0] else { panic!("{errors}") };
/// let place: &Place = at;
/// assert!(place.line() > 0);
/// ```
pub type Place = &'static Location<'static>;

/// A mistake in the wiring, with its place and how to mend it.
///
/// ```
/// use fanfare::{Router, WiringError};
/// let errors = Router::new("Not a name").into_service().unwrap_err();
/// assert!(matches!(&errors.errors()[0], WiringError::BadName { name, .. } if name == "Not a name"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WiringError {
    /// Two handlers for one type in one consumer.
    #[error("`{consumer}` has two handlers of `{ty}`, at {first} and at {second}: keep one")]
    TwoHandlers {
        /// The consumer.
        consumer: String,
        /// The type.
        ty: &'static str,
        /// Where the first was registered.
        first: Place,
        /// Where the second was.
        second: Place,
    },
    /// Two consumers of one name, which would share their queue and their dedupe keys.
    #[error("two consumers are called `{name}`, at {first} and at {second}: rename one")]
    TwoConsumers {
        /// The name.
        name: String,
        /// The first one.
        first: Place,
        /// The second one.
        second: Place,
    },
    /// A name that can't be part of a queue's name.
    #[error("`{name}` at {at} is no name: use 1 to 35 characters of a-z, 0-9 and `-`")]
    BadName {
        /// The name.
        name: String,
        /// Where.
        at: Place,
    },
    /// A name that can't be part of a topic's name.
    #[error(
        "`{topic}` at {at} is no topic: use 1 to 35 characters of a-z, 0-9 and `-`, and `.fifo` behind \
         them if it is FIFO"
    )]
    BadTopic {
        /// The topic.
        topic: String,
        /// Where.
        at: Place,
    },
    /// `.emits` or `.sends` without a handler before it.
    #[error("`{consumer}` declares at {at} to emit `{ty}`, before any `.on`: put it behind its handler")]
    EmitsBeforeHandler {
        /// The consumer.
        consumer: String,
        /// The type.
        ty: &'static str,
        /// Where.
        at: Place,
    },
    /// `.older` of a type that nobody handles here, or between two types.
    #[error("`.older` at {at} leads from `{ty}` to `{to}`: both must be versions of one type handled here")]
    StrayOlder {
        /// The older type.
        ty: &'static str,
        /// The newer type.
        to: &'static str,
        /// Where.
        at: Place,
    },
    /// A chain of `.older` that doesn't end at the version that is handled.
    #[error(
        "`.older` of `{ty}` at {at} leads from version {from} to {to}, and {handled} is handled: \
         add the step from {to} to {handled}"
    )]
    OlderLeadsNowhere {
        /// The type.
        ty: &'static str,
        /// The version it starts from.
        from: u16,
        /// The version it ends at.
        to: u16,
        /// The version that is handled.
        handled: u16,
        /// Where.
        at: Place,
    },
    /// A chain of `.older` whose next step, or whose handler, takes another Rust type.
    #[error(
        "`.older` at {at} makes version {version} of `{ty}` in another Rust type than the next step or \
         the handler takes: use one type for one version"
    )]
    OlderOfAnotherType {
        /// The type on the wire.
        ty: &'static str,
        /// The version that is made.
        version: u16,
        /// Where.
        at: Place,
    },
    /// Two ways to read one version.
    #[error("`.older` at {at} reads version {version} of `{ty}` a second time: keep one")]
    TwoReaders {
        /// The type.
        ty: &'static str,
        /// The version.
        version: u16,
        /// Where.
        at: Place,
    },
    /// A handler of a command that is addressed to another consumer.
    #[error("`{consumer}` handles `{ty}` at {at}, which is addressed to `{addressee}`: move it there")]
    CommandOfAnother {
        /// The consumer.
        consumer: String,
        /// The command.
        ty: &'static str,
        /// Whom it is addressed to.
        addressee: String,
        /// Where.
        at: Place,
    },
    /// A command that nobody handles.
    #[error("`{by}` sends `{ty}` to `{addressee}`, which has no handler of it: add `.on_command` there")]
    CommandUnhandled {
        /// Who sends it.
        by: String,
        /// The command.
        ty: String,
        /// Whom it is addressed to.
        addressee: String,
    },
    /// FIFO and standard topics into one queue, which SNS doesn't deliver.
    #[error(
        "`{consumer}` takes from the FIFO topics {fifo:?} and from the standard topics {standard:?}: \
         a queue is one or the other, so make two consumers"
    )]
    MixedFifo {
        /// The consumer.
        consumer: String,
        /// The FIFO topics.
        fifo: Vec<String>,
        /// The standard topics.
        standard: Vec<String>,
    },
    /// More types from one topic than a filter policy holds.
    #[error(
        "`{consumer}` takes {types} types from `{topic}`, and a filter policy holds 150: split the consumer"
    )]
    TooManyTypes {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// How many.
        types: usize,
    },
    /// A setting outside what SQS takes.
    #[error("`{consumer}`'s {setting} is {value}: SQS takes {range}")]
    OutOfRange {
        /// The consumer.
        consumer: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A setting outside what Lambda takes.
    #[error("the function of `{consumer}` has a {setting} of {value}: Lambda takes {range}")]
    FunctionOutOfRange {
        /// The consumer.
        consumer: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A batch that Lambda only makes within a window.
    #[error(
        "the function of `{consumer}` has a batch of {batch} and a window of {} s: Lambda takes more than \
         10 messages only with a window of 1 s or more, so set `.window(..)` or a batch of 10",
        window.as_secs_f64()
    )]
    BatchWithoutWindow {
        /// The consumer.
        consumer: String,
        /// The batch.
        batch: usize,
        /// The window.
        window: Duration,
    },
    /// Messages that show again while their invocation may still be tried.
    #[error(
        "the function of `{consumer}` has a timeout of {} s and a window of {} s, so its messages must be \
         hidden for 6 times the one and the other besides: set `.visibility_timeout(..)` to {} s or more, \
         it is {} s",
        timeout.as_secs_f64(),
        window.as_secs_f64(),
        needed.as_secs_f64(),
        visibility_timeout.as_secs_f64()
    )]
    VisibilityTooShort {
        /// The consumer.
        consumer: String,
        /// The queue's visibility timeout.
        visibility_timeout: Duration,
        /// The function's timeout.
        timeout: Duration,
        /// The mapping's window.
        window: Duration,
        /// The shortest visibility timeout that does.
        needed: Duration,
    },
    /// Messages that would be dead letters without a try.
    #[error("the function of `{consumer}` has 0 attempts: set 1 or more")]
    NoAttempts {
        /// The consumer.
        consumer: String,
    },
    /// Messages of a FIFO queue that others, failing ahead of them, could drive to the dead letters.
    #[error(
        "the function of `{consumer}` takes {batch} messages at a time from a FIFO queue and tries each \
         {attempts} times, and all are received whenever the first one fails: set `.max_receives(..)` to \
         {needed} or more (it is {max_receives}), or a smaller batch, or fewer attempts"
    )]
    TooFewReceives {
        /// The consumer.
        consumer: String,
        /// The queue's setting.
        max_receives: u32,
        /// The function's batch.
        batch: usize,
        /// The function's attempts.
        attempts: u32,
        /// The fewest receives that do.
        needed: u32,
    },
}

/// Every mistake that was found.
///
/// ```
/// let errors = fanfare::App::new("Shop").consumer(fanfare::Router::new("")).topology().unwrap_err();
/// assert_eq!(errors.errors().len(), 2);
/// assert_eq!(errors.to_string().lines().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiringErrors(Vec<WiringError>);

impl WiringErrors {
    pub(crate) fn check(problems: Vec<WiringError>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Self(problems)),
        }
    }

    /// The mistakes, in the order of registration; at least one.
    pub fn errors(&self) -> &[WiringError] {
        &self.0
    }
}

impl fmt::Display for WiringErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for WiringErrors {}

/// The longest name of an application, consumer or topic, so that a queue's name, `{app}-{consumer}.fifo`,
/// stays within SQS's 80 characters. Not so the longest made from it, `{app}-{consumer}-undelivered.fifo`,
/// for names of more than 62 characters together: those are refused where queues are made.
const NAME: usize = 35;

fn is_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

pub(crate) fn check_name(name: &str, at: Place) -> Option<WiringError> {
    let name = (!is_name(name)).then(|| name.to_owned())?;
    Some(WiringError::BadName { name, at })
}

pub(crate) fn check_topic(to: &Destination, at: Place) -> Option<WiringError> {
    let Destination::Topic(topic) = to else {
        return None;
    };
    let name = topic.strip_suffix(".fifo").unwrap_or(topic);
    let topic = (!is_name(name)).then(|| topic.clone())?;
    Some(WiringError::BadTopic { topic, at })
}

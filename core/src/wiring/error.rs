//! What can be wrong in how an application is put together.

use std::time::Duration;

use super::Place;

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
    /// A service with the name of a consumer or of another service, whose role and log it would share.
    #[error("the service `{name}` at {second} has the name of what is made at {first}: rename one")]
    ServiceNameTaken {
        /// The name.
        name: String,
        /// The consumer or service of that name.
        first: Place,
        /// The service.
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
    /// A function that would never start a handler.
    #[error(
        "the function of `{consumer}` has a timeout of {} s, and nothing is started in the last 2 s of an \
         invocation, which it takes to settle and to answer: set 3 s or more",
        timeout.as_secs_f64()
    )]
    TimeoutTooShort {
        /// The consumer.
        consumer: String,
        /// The timeout.
        timeout: Duration,
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
    /// A setting of a service outside what ECS takes, or by which it would never scale.
    #[error("the service of `{consumer}` has a {setting} of {value}: set {range}")]
    ServiceOutOfRange {
        /// The consumer.
        consumer: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// Two ways to bound how many invocations there are, of which Lambda takes one.
    #[error(
        "the function of `{consumer}` has both a maximum concurrency of {maximum_concurrency} and provisioned \
         pollers: Lambda takes one of them, so leave out `.maximum_concurrency(..)` or `.provisioned_pollers(..)`"
    )]
    ConcurrencyWithPollers {
        /// The consumer.
        consumer: String,
        /// The maximum concurrency.
        maximum_concurrency: u32,
    },
    /// An objective that no alarm could watch.
    #[error(
        "the objective of `{consumer}` for its oldest message is {} s: set whole seconds from 60 (SQS measures \
         once a minute) to less than its retention of {} s",
        oldest.as_secs_f64(),
        retention.as_secs()
    )]
    ObjectiveNotSeen {
        /// The consumer.
        consumer: String,
        /// The objective.
        oldest: Duration,
        /// How long its queue keeps messages.
        retention: Duration,
    },
    /// A key that nobody can let SNS use.
    #[error(
        "the encryption key `{key}` is managed by AWS, and SNS can't be let to use it, so that nothing would be \
         delivered: take a key of your own, or none"
    )]
    KeyOfAws {
        /// The key.
        key: String,
    },
    /// More attributes than a message can have.
    #[error(
        "a message has {} attributes ({}), and may have {most}, for `{reason}` must fit beside them in a dead \
         letter: leave some out",
        .attributes.len(),
        .attributes.join(", ")
    )]
    TooManyAttributes {
        /// Their names.
        attributes: Vec<String>,
        /// How many there may be.
        most: usize,
        /// The one that is kept free.
        reason: &'static str,
    },
    /// More keys than a filter policy holds.
    #[error(
        "`{consumer}` filters `{topic}` by {keys} attributes, and a filter policy holds 5: filter by fewer"
    )]
    TooManyFilterKeys {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// How many.
        keys: usize,
    },
    /// More combinations of values than a filter policy holds.
    #[error(
        "`{consumer}` filters `{topic}` by {combinations} combinations of values, and a filter policy holds 150: \
         split the consumer"
    )]
    TooManyCombinations {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// How many.
        combinations: usize,
    },
    /// A filter by an attribute that no message has, which lets nothing through.
    #[error(
        "`{consumer}` filters `{topic}` by the attribute `{key}`, which no message has: filter by another, or add \
         it by `App::attribute`"
    )]
    UnknownFilterKey {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// The attribute.
        key: String,
    },
    /// A queue policy for more topics than fit in.
    #[error(
        "`{consumer}` takes from {topics} topics, whose names make its queue's policy {bytes} bytes, and SQS takes \
         {most}: split the consumer"
    )]
    PolicyTooLarge {
        /// The consumer.
        consumer: String,
        /// How many topics.
        topics: usize,
        /// The policy's size in bytes.
        bytes: usize,
        /// The most there may be.
        most: usize,
    },
    /// Dead letters that are dropped before somebody can look at them.
    #[error(
        "`{consumer}` keeps dead letters for {} s and messages for {} s: dead letters keep the age that they had, \
         so keep them for 14 days, 1209600 s, the longest there is",
        dead_letters.as_secs(),
        retention.as_secs()
    )]
    DeadLettersTooShort {
        /// The consumer.
        consumer: String,
        /// How long its dead-letter queue keeps a message.
        dead_letters: Duration,
        /// How long its queue does.
        retention: Duration,
    },
    /// Handled events that are forgotten while they can come again.
    #[error(
        "`{consumer}` remembers what it handled for {} s, and its queue and dead-letter queue keep a message for {} \
         s together: lengthen `App::dedupe_window`, and the store's window with it, or shorten `.retention(..)`",
        window.as_secs(),
        kept.as_secs()
    )]
    WindowTooShort {
        /// The consumer.
        consumer: String,
        /// The application's dedupe window.
        window: Duration,
        /// How long a message can lie before it comes again.
        kept: Duration,
    },
    /// A topic from which nothing will ever come.
    #[error(
        "nobody publishes to `{topic}`, from which {} take: say who does by `.emits` behind a handler, or by a \
         `Producer` if it is outside of this application",
        consumers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    UnpublishedTopic {
        /// The topic.
        topic: String,
        /// Who takes from it.
        consumers: Vec<String>,
    },
}

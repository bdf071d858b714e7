//! Why the broker refuses a call or an entry.

use std::time::Duration;

use crate::memory::FilterPolicyError;

/// Why the broker refused something: the same things that SNS and SQS refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// There is no topic of this name.
    #[error("there is no topic `{0}`: create it first")]
    NoTopic(String),
    /// There is no queue of this name.
    #[error("there is no queue `{0}`: create it first")]
    NoQueue(String),
    /// There is no such subscription.
    #[error("there is no subscription `{0}`")]
    NoSubscription(String),
    /// The topic, queue or subscription is there with other settings.
    #[error("{0} exists with other settings: change those instead")]
    Exists(String),
    /// A name that AWS doesn't take.
    #[error("`{name}` is no name for {what}: {expected}")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
        /// What a name looks like.
        expected: &'static str,
    },
    /// A setting outside of what AWS takes.
    #[error("the {setting} of `{of}` is {value}, but must be {expected}")]
    Setting {
        /// The topic or queue.
        of: String,
        /// The setting.
        setting: &'static str,
        /// What was asked for.
        value: String,
        /// What is possible.
        expected: &'static str,
    },
    /// FIFO and standard don't go together here.
    #[error("{from} can't lead to {to}: {reason}")]
    MixedKinds {
        /// Where messages come from.
        from: String,
        /// Where they were to go.
        to: String,
        /// The rule.
        reason: &'static str,
    },
    /// The filter policy is refused.
    #[error(transparent)]
    Filter(#[from] FilterPolicyError),
    /// The topic has as many filter policies as it may have.
    #[error("the topic `{0}` has 200 filter policies, the most there may be")]
    TooManyPolicies(String),
    /// The batch has no entries, or more than SNS and SQS take.
    #[error("a batch has 1 to 10 entries, this one {0}")]
    BatchEntries(usize),
    /// The entries together are larger than one call takes.
    #[error("the batch has {size} bytes, more than the {limit} that {destination} takes in one call")]
    BatchTooLarge {
        /// The topic or queue.
        destination: String,
        /// Bytes of all bodies and attributes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is larger than the topic or queue takes.
    #[error("the message has {size} bytes, more than the {limit} that {destination} takes")]
    TooLarge {
        /// The topic or queue.
        destination: String,
        /// Bytes of body and attributes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is empty.
    #[error("the message has no body")]
    EmptyBody,
    /// More attributes than SQS takes.
    #[error("the message has {0} attributes, but SQS takes at most 10")]
    TooManyAttributes(usize),
    /// An attribute that AWS doesn't take.
    #[error("the message attribute `{name}` is refused: {reason}")]
    Attribute {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A character that AWS doesn't take.
    #[error(
        "{place} has the character U+{:04X}, which SQS refuses: write it as an escape, or encode binary data as base64",
        u32::from(*character)
    )]
    Character {
        /// Where it stands.
        place: String,
        /// The character.
        character: char,
    },
    /// A parameter that this kind of topic or queue needs, or can't have.
    #[error("{destination}: {reason}")]
    Parameter {
        /// The topic or queue.
        destination: String,
        /// What is missing or too much.
        reason: &'static str,
    },
    /// So many messages are in flight that no more can be received.
    #[error("`{0}` has 120000 messages in flight, the most there may be: delete or release some first")]
    OverLimit(String),
    /// The receipt no longer holds a message: it was received again, or is gone.
    #[error("the receipt no longer holds a message of `{0}`")]
    NotHeld(String),
    /// The receipt no longer holds its message, which is there and not in flight.
    #[error("the message of this receipt is not in flight in `{0}`: its visibility timeout is over")]
    NotInFlight(String),
    /// The message would be invisible for longer than 12 hours after it was received.
    #[error("`{queue}` hides a message for at most 12 h after its receive: {left:?} are left")]
    TooLong {
        /// The queue.
        queue: String,
        /// What is left of the 12 hours.
        left: Duration,
    },
    /// The queue was purged less than a minute ago.
    #[error("`{0}` was purged less than 60 s ago")]
    PurgeInProgress(String),
    /// The queue is nobody's dead-letter queue.
    #[error("`{0}` is the dead-letter queue of no other queue, so that there is nothing to redrive")]
    NoDeadLetterQueue(String),
    /// A redrive whose destination is its source, which would never end.
    #[error("`{0}` can't be redriven to itself: name another destination")]
    RedriveToItself(String),
}

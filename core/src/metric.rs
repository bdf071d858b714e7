//! The names of all metrics, in one place.
//!
//! They go through the facade of the crate `metrics`, so that any exporter takes them; without one
//! they cost next to nothing. Where OpenTelemetry's semantic conventions (1.44.0) have a name it is
//! theirs, ours begin with `fanfare.`. Times are in seconds, sizes in entries or bytes.
//!
//! | name | kind | what | recorded by |
//! |---|---|---|---|
//! | `messaging.client.consumed.messages` | counter | messages received | host |
//! | `messaging.client.sent.messages` | counter | messages given to a topic or queue, each try; `error.type` where it failed | publisher |
//! | `messaging.client.operation.duration` | histogram, s | one call on SNS or SQS | host, publisher |
//! | `messaging.process.duration` | histogram, s | one try of one message, from its start to its verdict | host |
//! | `fanfare.messages.handled` | counter | tries, by `fanfare.outcome` | host |
//! | `fanfare.messages.in_flight` | gauge | messages that a host holds | host |
//! | `fanfare.messages.lost` | counter | messages whose hold was lost | host |
//! | `fanfare.messages.extended` | counter | extensions of a message | host |
//! | `fanfare.message.age` | histogram, s | from sending a message to the end of a try | host |
//! | `fanfare.message.receive_count` | histogram | which receive of a message a try belongs to | host |
//! | `fanfare.receive.failures` | counter | receives that failed | host |
//! | `fanfare.batch.entries` | histogram | entries in one batch call | host, publisher |
//! | `fanfare.settle.failures` | counter | entries of settle calls that failed | host |
//! | `fanfare.publish.retries` | counter | entries sent once more | publisher |
//! | `fanfare.outbox.published` | counter | events that a relay published and confirmed | relay |
//! | `fanfare.outbox.publish_failures` | counter | tries of a relay that weren't confirmed | relay |
//! | `fanfare.outbox.pending` | gauge | records with something to be published | relay |
//! | `fanfare.outbox.oldest_unsent` | gauge, s | how long ago the oldest unsent event was committed; 0 with none | relay |
//! | `fanfare.outbox.parked` | gauge | records with a parked event | relay |

/// Messages received, by [`DESTINATION`] and [`CONSUMER`].
pub const CONSUMED: &str = "messaging.client.consumed.messages";
/// Messages given to a topic or queue, each try, by [`DESTINATION`]; with [`ERROR_TYPE`] where it
/// failed.
pub const SENT: &str = "messaging.client.sent.messages";
/// Seconds of one call on SNS or SQS, by [`DESTINATION`] and [`OPERATION`].
pub const OPERATION_DURATION: &str = "messaging.client.operation.duration";
/// Seconds of one try of one message, by [`DESTINATION`] and [`CONSUMER`]; with [`ERROR_TYPE`] where
/// it failed.
pub const PROCESS_DURATION: &str = "messaging.process.duration";
/// Tries, by [`DESTINATION`], [`CONSUMER`] and [`OUTCOME`].
pub const HANDLED: &str = "fanfare.messages.handled";
/// Messages that a host holds: waiting, handled, or being settled.
pub const IN_FLIGHT: &str = "fanfare.messages.in_flight";
/// Messages whose hold was lost.
pub const LOST: &str = "fanfare.messages.lost";
/// Extensions of a message.
pub const EXTENDED: &str = "fanfare.messages.extended";
/// Seconds from sending a message to the end of a try.
pub const AGE: &str = "fanfare.message.age";
/// Which receive of its message a try belongs to, tries in place included.
pub const RECEIVE_COUNT: &str = "fanfare.message.receive_count";
/// Receives that failed.
pub const RECEIVE_FAILURES: &str = "fanfare.receive.failures";
/// Entries in one batch call, by [`DESTINATION`] and [`OPERATION`].
pub const BATCH_ENTRIES: &str = "fanfare.batch.entries";
/// Entries of settle calls that failed, by [`OPERATION`].
pub const SETTLE_FAILURES: &str = "fanfare.settle.failures";
/// Entries that a publisher sent once more.
pub const PUBLISH_RETRIES: &str = "fanfare.publish.retries";
/// Events that a relay published and confirmed.
pub const OUTBOX_PUBLISHED: &str = "fanfare.outbox.published";
/// Tries of a relay that were not confirmed.
pub const OUTBOX_FAILURES: &str = "fanfare.outbox.publish_failures";
/// Records with something to be published.
pub const OUTBOX_PENDING: &str = "fanfare.outbox.pending";
/// Seconds since the oldest unsent event was committed; 0 with none.
pub const OUTBOX_OLDEST: &str = "fanfare.outbox.oldest_unsent";
/// Records with a parked event.
pub const OUTBOX_PARKED: &str = "fanfare.outbox.parked";

/// Label: the name of the queue or topic.
pub const DESTINATION: &str = "messaging.destination.name";
/// Label: the consumer.
pub const CONSUMER: &str = "messaging.consumer.group.name";
/// Label: `aws_sqs` or `aws.sns`.
pub const SYSTEM: &str = "messaging.system";
/// Label: the call, such as `receive` or `delete`.
pub const OPERATION: &str = "messaging.operation.name";
/// Label: what became of it, as [`Outcome::name`](crate::Outcome::name) says.
pub const OUTCOME: &str = "fanfare.outcome";
/// Label: what went wrong.
pub const ERROR_TYPE: &str = "error.type";

//! OpenTelemetry's names for messaging, in one place: semantic conventions 1.44.0, which still call
//! them "Development" (<https://opentelemetry.io/docs/specs/semconv/messaging/>).
//!
//! `tracing` wants field names as literals, so the span is made here and nowhere else.

use tracing::Span;

use crate::{Envelope, Message};

/// `messaging.system` of SQS.
pub const SYSTEM_SQS: &str = "aws_sqs";
/// `messaging.system` of SNS.
pub const SYSTEM_SNS: &str = "aws.sns";
/// `messaging.operation.name` and `.type` of handling a message.
pub const PROCESS: &str = "process";

/// The span in which one message is handled: `process {queue}`, kind CONSUMER.
///
/// Fields that the span starts without are recorded by [`end_process`].
///
/// ```
/// use fanfare::{Handled, Message, Outcome, semconv};
///
/// let span = semconv::process(&Message::new("{}"), "billing", None);
/// let outcome = span.in_scope(|| Outcome::handled(None, Handled::Applied));
/// semconv::end_process(&span, &outcome);
/// ```
pub fn process(message: &Message, consumer: &str, envelope: Option<&Envelope>) -> Span {
    let span = tracing::info_span!(
        "process",
        "otel.name" = format_args!("{PROCESS} {}", message.queue),
        "otel.kind" = "consumer",
        "messaging.system" = SYSTEM_SQS,
        "messaging.operation.name" = PROCESS,
        "messaging.operation.type" = PROCESS,
        "messaging.destination.name" = %message.queue,
        "messaging.consumer.group.name" = consumer,
        "messaging.message.id" = message.id,
        "messaging.message.conversation_id" = tracing::field::Empty,
        "cloudevents.event_id" = tracing::field::Empty,
        "cloudevents.event_source" = tracing::field::Empty,
        "cloudevents.event_type" = tracing::field::Empty,
        "fanfare.receive_count" = message.receive_count,
        "fanfare.outcome" = tracing::field::Empty,
        "error.type" = tracing::field::Empty,
    );
    if let Some(envelope) = envelope {
        span.record("messaging.message.conversation_id", envelope.correlation_id());
        span.record("cloudevents.event_id", envelope.id());
        span.record("cloudevents.event_source", envelope.source());
        span.record("cloudevents.event_type", envelope.ty());
    }
    span
}

/// Notes in the span what became of the message.
///
/// ```
/// use fanfare::{Failure, Message, Outcome, semconv};
/// let span = semconv::process(&Message::new("hello"), "billing", None);
/// semconv::end_process(&span, &Outcome::failed(None, Failure::terminal("no such card")));
/// ```
pub fn end_process(span: &Span, outcome: &crate::Outcome) {
    span.record("fanfare.outcome", outcome.name());
    if outcome.reason().is_some() {
        span.record("error.type", outcome.name());
    }
}

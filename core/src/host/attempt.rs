//! One try of one message, as every host makes it: the service is called, and what came of it is told.

use std::time::{Duration, SystemTime};

use tower::{Service, ServiceExt};

use super::measure::Meters;
use super::{Observe, Settled};
use crate::outcome::What;
use crate::{BoxError, Message, Outcome, Verdict};

/// Calls the service for a message once it is ready; nothing when the hold on the message was lost
/// before that.
pub(super) async fn call<S>(mut service: S, message: Message) -> Option<Outcome>
where
    S: Service<Message, Response = Outcome>,
    S::Error: Into<BoxError>,
{
    let lost = message.lost.clone();
    let ready: Result<(), BoxError> = tokio::select! {
        biased;
        () = lost.lost() => return None,
        ready = service.ready() => ready.map(|_| ()).map_err(Into::into),
    };
    let outcome = match ready {
        Ok(()) => service.call(message).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    Some(outcome.unwrap_or_else(|error| Outcome::failed(None, error)))
}

/// A message without its body: what a verdict depends on.
pub(super) fn facts(message: &Message) -> Message {
    let mut facts = Message::new("");
    facts.id.clone_from(&message.id);
    facts.receive_count = message.receive_count;
    facts.sent_at = message.sent_at;
    facts
}

/// Tells metrics, whoever watches and the log what came of a try that took this long.
pub(super) fn tell(
    settled: &Settled<'_>,
    took: Duration,
    now: SystemTime,
    meters: &Meters,
    observe: Option<&Observe>,
) {
    let Settled {
        consumer,
        message,
        attempt,
        outcome,
        verdict,
    } = *settled;
    let age = now.duration_since(message.sent_at).unwrap_or_default();
    meters.tried(outcome.name(), outcome.is_failure(), took, age, attempt);
    if let Some(observe) = observe {
        observe(settled);
    }
    let (message, what) = (&message.id, outcome.name());
    match &outcome.what {
        What::Applied | What::Duplicate | What::Ignored => {
            tracing::debug!(consumer, message, attempt, outcome = what, "handled");
        }
        // What failed, but not why: a reason may quote the payload.
        _ => {
            let then = match verdict {
                Verdict::Delete => "delete",
                Verdict::Retry { .. } => "retry",
                Verdict::Hold { .. } => "hold",
                Verdict::DeadLetter { .. } => "dead letter",
            };
            tracing::warn!(consumer, message, attempt, outcome = what, then, "not handled");
            tracing::debug!(message, reason = outcome.reason(), "why");
        }
    }
}

/// Tells why a dead letter is left to the queue, which moves it without a reason.
pub(super) fn tell_no_room(
    consumer: &str,
    message: &str,
    attempts: u32,
    outcome: &'static str,
    reason: &str,
    last: bool,
) {
    let reason = match outcome {
        // These quote what they can't read.
        "malformed" | "undecodable" => outcome,
        _ => reason,
    };
    tracing::warn!(
        consumer,
        message,
        attempts,
        reason,
        last,
        "no room for the reason: the message is left to the queue's own move to its dead letters"
    );
}

//! What is to become of a message.

use std::sync::Arc;

use crate::outcome::What;
use crate::port::{Completed, Tries};
use crate::{Advice, Clock, Message, Outcome, RetryPolicy, Verdict, settle};

/// What the verdict on a message depends on, besides its outcome.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) policy: RetryPolicy,
    pub(super) completed: Option<Arc<dyn Completed>>,
    pub(super) clock: Clock,
    /// Where receives count more than a message's own tries.
    pub(super) own: Option<OwnTries>,
}

/// A message's own tries: how many there are, and who counts them.
#[derive(Clone)]
pub(super) struct OwnTries {
    pub(super) consumer: Arc<str>,
    pub(super) attempts: u32,
    pub(super) counter: Option<Arc<dyn Tries>>,
}

/// What came of one try of a message.
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) verdict: Verdict,
    /// Which try it was, counted from 1.
    pub(super) attempt: u32,
}

impl Judge {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            completed: None,
            clock: Clock::system(),
            own: None,
        }
    }

    /// Decides on a message; of it, all but the body is looked at.
    pub(super) async fn settle(&self, outcome: Outcome, mut message: Message) -> Judged {
        let mut policy = self.policy;
        if let Some(own) = self.own.as_ref().filter(|_| is_failed_try(&outcome)) {
            let last = message.receive_count >= policy.max_receives;
            let tries = own.count(&message).await;
            policy.max_receives = own.attempts;
            // What the queue would move by itself goes now, with its reason.
            message.receive_count = if last { tries.max(own.attempts) } else { tries };
        }
        let completed = self.completed.as_deref();
        let (outcome, verdict) = settle(outcome, &message, &policy, completed, &self.clock).await;
        Judged {
            outcome,
            verdict,
            attempt: message.receive_count,
        }
    }
}

impl OwnTries {
    /// How many tries of it have failed, with this one; its receives where nobody counts.
    async fn count(&self, message: &Message) -> u32 {
        let Some(counter) = &self.counter else {
            return message.receive_count;
        };
        match counter.failed(&self.consumer, &message.id).await {
            Ok(tries) => tries,
            Err(error) => {
                tracing::warn!(consumer = %self.consumer, message = message.id, %error, "a failed try can't be counted");
                // Not the last one, as far as is known; but one it is.
                let before = self.attempts.saturating_sub(1);
                message.receive_count.min(before).max(1)
            }
        }
    }
}

/// Whether a try failed, and not what would fail again or what is another one's to handle.
fn is_failed_try(outcome: &Outcome) -> bool {
    match &outcome.what {
        What::Undecodable(_) => true,
        What::Failed(failure) => matches!(failure.advice(), Advice::Retry | Advice::RetryAfter(_)),
        _ => false,
    }
}

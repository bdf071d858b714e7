//! From an outcome to a verdict: the one piece of code that every host shares.

use crate::outcome::What;
use crate::port::Completed;
use crate::{Clock, Handled, Message, Outcome, RetryPolicy, Verdict};

/// Decides what a host does with a message.
///
/// Before a handler's failure becomes a dead letter, the inbox is asked once: a repeat that raced
/// with the first handling may have failed on the state that the first one advanced, and is then a
/// duplicate. When the inbox can't be asked, the message is retried rather than given up; on its last
/// permitted receive it is held for that, since the queue would move it without a reason.
///
/// Returns the outcome, changed to a duplicate if that is what it was, and the verdict.
///
/// ```
/// use fanfare::{Clock, Failure, Message, Outcome, RetryPolicy, Verdict, settle};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let outcome = Outcome::failed(None, Failure::terminal("no such card"));
/// let (message, policy) = (Message::new("{}"), RetryPolicy::default());
/// let (outcome, verdict) = settle(outcome, &message, &policy, None, &Clock::system()).await;
/// assert_eq!(verdict, Verdict::DeadLetter { reason: "no such card".into() });
/// # }
/// ```
pub async fn settle(
    outcome: Outcome,
    message: &Message,
    policy: &RetryPolicy,
    completed: Option<&dyn Completed>,
    clock: &Clock,
) -> (Outcome, Verdict) {
    let verdict = outcome.verdict(message, policy, clock.now());
    let (Verdict::DeadLetter { .. }, What::Failed(_)) = (&verdict, &outcome.what) else {
        return (outcome, verdict);
    };
    let (Some(key), Some(completed)) = (&outcome.key, completed) else {
        return (outcome, verdict);
    };
    match completed.completed(key).await {
        Ok(true) => (Outcome::handled(outcome.key, Handled::Duplicate), Verdict::Delete),
        Ok(false) => (outcome, verdict),
        Err(error) => {
            tracing::warn!(consumer = %key.consumer, event = %key.id, %error, "the inbox can't be read");
            let after = policy.backoff.delay(message.receive_count);
            match message.receive_count < policy.max_receives {
                true => (outcome, Verdict::Retry { after }),
                false => (outcome, Verdict::Hold { after }),
            }
        }
    }
}

//! From an outcome to a verdict, with a look into the inbox before a message is given up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanfare::port::{BoxFuture, Completed};
use fanfare::{
    Advice, Backoff, BoxError, Clock, DedupeKey, Failure, Handled, Message, Outcome, RetryPolicy, Verdict,
    settle,
};

/// An inbox that gives one answer and counts the questions.
struct Inbox {
    answer: Result<bool, &'static str>,
    asked: AtomicU32,
}

impl Inbox {
    fn new(answer: Result<bool, &'static str>) -> Self {
        Self {
            answer,
            asked: AtomicU32::new(0),
        }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Completed for Inbox {
    fn completed<'a>(&'a self, key: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>> {
        assert_eq!(*key, self::key());
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.answer.map_err(BoxError::from) })
    }
}

fn key() -> DedupeKey {
    DedupeKey::new("billing", "/checkout", "17")
}

fn terminal() -> Outcome {
    Outcome::failed(Some(key()), Failure::terminal("an illegal transition"))
}

fn dead() -> Verdict {
    Verdict::DeadLetter {
        reason: "an illegal transition".into(),
    }
}

async fn settled(outcome: Outcome, receive_count: u32, inbox: Option<&Inbox>) -> (&'static str, Verdict) {
    let message = Message {
        receive_count,
        ..Message::new("")
    };
    let policy = RetryPolicy {
        backoff: Backoff::new(Duration::from_secs(2), Duration::from_secs(2)),
        ..RetryPolicy::default()
    };
    let completed = inbox.map(|inbox| inbox as &dyn Completed);
    let (outcome, verdict) = settle(outcome, &message, &policy, completed, &Clock::system()).await;
    (outcome.name(), verdict)
}

#[tokio::test]
async fn a_terminal_failure_of_what_is_completed_is_a_duplicate_and_no_dead_letter() {
    let inbox = Inbox::new(Ok(true));
    assert_eq!(
        settled(terminal(), 1, Some(&inbox)).await,
        ("duplicate", Verdict::Delete)
    );
    assert_eq!(inbox.asked(), 1);
}

#[tokio::test]
async fn a_terminal_failure_of_what_is_not_completed_is_a_dead_letter() {
    let inbox = Inbox::new(Ok(false));
    assert_eq!(settled(terminal(), 1, Some(&inbox)).await, ("terminal", dead()));
    assert_eq!(inbox.asked(), 1);
}

#[tokio::test]
async fn an_inbox_that_cant_be_asked_makes_it_a_retry_and_on_the_last_receive_a_hold() {
    let inbox = Inbox::new(Err("no route to the table"));
    for receive_count in [1, 4, 5, 6] {
        let (name, verdict) = settled(terminal(), receive_count, Some(&inbox)).await;
        assert_eq!(name, "terminal");
        let after = match verdict {
            Verdict::Retry { after } if receive_count < 5 => after,
            // Given back, it would be moved by the queue, without its reason.
            Verdict::Hold { after } if receive_count >= 5 => after,
            verdict => panic!("{verdict:?} after {receive_count}"),
        };
        assert!(after <= Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_failure_on_the_last_receive_is_looked_up_too() {
    let failed = || Outcome::failed(Some(key()), Failure::retry("an illegal transition"));
    let inbox = Inbox::new(Ok(true));
    assert_eq!(
        settled(failed(), 5, Some(&inbox)).await,
        ("duplicate", Verdict::Delete)
    );
    let inbox = Inbox::new(Ok(false));
    assert_eq!(settled(failed(), 5, Some(&inbox)).await, ("failed", dead()));
}

/// The happy path, and a retry, read nothing.
#[tokio::test]
async fn only_what_is_about_to_be_given_up_is_looked_up() {
    let inbox = Inbox::new(Ok(true));
    let applied = Outcome::handled(Some(key()), Handled::Applied);
    assert_eq!(
        settled(applied, 1, Some(&inbox)).await,
        ("applied", Verdict::Delete)
    );
    let failed = Outcome::failed(Some(key()), Failure::retry("x"));
    assert!(matches!(
        settled(failed, 4, Some(&inbox)).await.1,
        Verdict::Retry { .. }
    ));
    let held = Outcome::failed(Some(key()), Failure::from(Advice::Held(Duration::from_secs(1))));
    assert!(matches!(
        settled(held, 5, Some(&inbox)).await.1,
        Verdict::Hold { .. }
    ));
    let unread = Outcome::failed(None, Failure::terminal("an illegal transition"));
    assert_eq!(settled(unread, 1, Some(&inbox)).await, ("terminal", dead()));
    assert_eq!(inbox.asked(), 0);
}

#[tokio::test]
async fn without_an_inbox_the_verdict_stands() {
    assert_eq!(settled(terminal(), 1, None).await, ("terminal", dead()));
}

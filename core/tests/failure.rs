//! What an error says of the message's future, and what a host therefore does.

use std::error::Error;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use fanfare::{Advice, Backoff, Failure, Handled, Message, Outcome, RetryPolicy, Terminal, Verdict};

/// A library's error with an advice as its source, as the store's are.
#[derive(Debug, thiserror::Error)]
#[error("the lease is held")]
struct LeaseHeld(#[source] Advice);

#[derive(Debug, thiserror::Error)]
#[error("charging failed")]
struct ChargingFailed(#[source] LeaseHeld);

const HELD: Advice = Advice::Held(Duration::from_secs(7));

fn failure(fail: impl FnOnce() -> Result<Handled, Failure>) -> Failure {
    match fail() {
        Ok(handled) => panic!("{handled:?}"),
        Err(failure) => failure,
    }
}

fn verdict(failure: Failure, receive_count: u32) -> Verdict {
    let message = Message {
        receive_count,
        ..Message::new("")
    };
    let policy = RetryPolicy {
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(1)),
        ..RetryPolicy::default()
    };
    Outcome::failed(None, failure).verdict(&message, &policy, SystemTime::now())
}

fn dead(reason: &str) -> Verdict {
    Verdict::DeadLetter {
        reason: reason.to_owned(),
    }
}

#[test]
fn any_error_becomes_a_retry_by_the_question_mark() {
    let failure = failure(|| {
        "x".parse::<u8>()?;
        Ok(Handled::Applied)
    });
    assert_eq!(failure.advice(), Advice::Retry);
    assert_eq!(failure.to_string(), "invalid digit found in string");
    assert!(failure.error().is::<std::num::ParseIntError>());
}

#[test]
fn an_advice_anywhere_in_the_chain_of_sources_is_taken_over() {
    for failure in [
        Failure::from(LeaseHeld(HELD)),
        Failure::from(ChargingFailed(LeaseHeld(HELD))),
        Failure::from(Box::new(ChargingFailed(LeaseHeld(HELD)))),
        Failure::from(HELD),
        Failure::from(Box::<dyn Error + Send + Sync>::from(LeaseHeld(HELD))),
        Failure::from(anyhow::Error::new(LeaseHeld(HELD))),
        Failure::from(
            anyhow::Error::new(LeaseHeld(HELD))
                .context("while charging")
                .context("order 17"),
        ),
        failure(|| {
            Err::<(), _>(ChargingFailed(LeaseHeld(HELD))).context("while charging")?;
            Ok(Handled::Applied)
        }),
    ] {
        assert_eq!(failure.advice(), HELD, "{failure:?}");
    }
}

#[test]
fn an_error_that_only_prints_like_an_advice_is_none() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Middle);
    #[derive(Debug)]
    struct Middle(Advice, LeaseHeld);
    impl std::fmt::Display for Middle {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }
    impl Error for Middle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }
    let failure = Failure::from(Outer(Middle(Advice::Terminal, LeaseHeld(HELD))));
    assert_eq!(failure.advice(), HELD);
}

#[test]
fn what_the_handler_says_outranks_what_the_error_says() {
    assert_eq!(
        Failure::retry(LeaseHeld(Advice::Terminal)).advice(),
        Advice::Retry
    );
    assert_eq!(Failure::terminal(LeaseHeld(HELD)).advice(), Advice::Terminal);
    let after = Duration::from_secs(3);
    let failure = Failure::retry_after(after, LeaseHeld(HELD));
    assert_eq!(failure.advice(), Advice::RetryAfter(after));
    let failure = failure_of(Err::<(), _>(LeaseHeld(HELD)).terminal());
    assert!(failure.is_terminal());
}

fn failure_of(result: Result<(), Failure>) -> Failure {
    failure(|| result.map(|()| Handled::Applied))
}

#[test]
fn the_reason_tells_the_whole_chain_without_the_advice() {
    let failure = Failure::from(anyhow::Error::new(ChargingFailed(LeaseHeld(HELD))).context("order 17"));
    assert_eq!(
        failure.to_string(),
        "order 17: charging failed: the lease is held"
    );
}

#[test]
fn a_retry_waits_for_the_backoff_or_as_long_as_it_asks_for() {
    let Verdict::Retry { after } = verdict(Failure::retry("x"), 1) else {
        panic!("no retry");
    };
    assert!(after <= Duration::from_secs(1));
    let after = Duration::from_secs(90);
    assert_eq!(
        verdict(Failure::retry_after(after, "x"), 4),
        Verdict::Retry { after }
    );
}

#[test]
fn the_last_receive_makes_a_retry_a_dead_letter_with_its_reason() {
    assert_eq!(
        verdict(Failure::retry("the bank is away"), 5),
        dead("the bank is away")
    );
    assert_eq!(
        verdict(Failure::retry("the bank is away"), 9),
        dead("the bank is away")
    );
    let after = Duration::from_secs(1);
    assert_eq!(verdict(Failure::retry_after(after, "x"), 5), dead("x"));
}

#[test]
fn a_terminal_failure_is_a_dead_letter_at_the_first_receive() {
    assert_eq!(
        verdict(Failure::terminal("no such card"), 1),
        dead("no such card")
    );
}

/// A lease that another holds must not drive the message to the dead letters while its owner works.
#[test]
fn a_message_that_another_holds_is_never_given_up() {
    let after = Duration::from_secs(7);
    for receive_count in [1, 5, 500] {
        assert_eq!(
            verdict(LeaseHeld(HELD).into(), receive_count),
            Verdict::Hold { after }
        );
    }
    assert_eq!(Outcome::failed(None, LeaseHeld(HELD)).name(), "held");
}

//! Which handler gets a message, and what becomes of it.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use common::{applied, command, event, handle, message, raw};
use fanfare::{
    Backoff, Delivery, Failure, Handled, Handler, Lost, Message, Outcome, RetryPolicy, Router, Verdict, What,
};
use proptest::prelude::*;

event!(OrderPlaced, "order.placed");
event!(OrderShipped, "order.shipped");
command!(RefundPayment, "payment");

const POLICY: RetryPolicy = RetryPolicy {
    max_receives: 5,
    backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
    unknown_for: Duration::from_secs(20 * 60),
};

fn verdict(outcome: &Outcome, message: &Message) -> Verdict {
    outcome.verdict(message, &POLICY, message.sent_at)
}

fn dead(reason: &str) -> Verdict {
    Verdict::DeadLetter {
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn a_message_goes_to_the_handler_of_its_type() {
    async fn refuse(_: Delivery<OrderShipped>) -> Result<Handled, Failure> {
        Err(Failure::terminal("shipped"))
    }
    let service = Router::new("billing")
        .on::<OrderPlaced>(applied)
        .on::<OrderShipped>(refuse)
        .into_service()
        .unwrap();
    let placed = message(&OrderPlaced::default()).unwrap();
    let outcome = handle(&service, placed.clone()).await;
    assert_eq!(outcome.name(), "applied");
    assert_eq!(verdict(&outcome, &placed), Verdict::Delete);

    let shipped = message(&OrderShipped::default()).unwrap();
    let outcome = handle(&service, shipped.clone()).await;
    assert_eq!(outcome.name(), "terminal");
    assert_eq!(verdict(&outcome, &shipped), dead("shipped"));
}

#[tokio::test]
async fn a_command_goes_to_its_handler() {
    let service = Router::new("payment")
        .on_command::<RefundPayment>(applied)
        .into_service()
        .unwrap();
    let outcome = handle(&service, raw("RefundPayment", 1, r#"{"order":"17"}"#)).await;
    assert_eq!(outcome.name(), "applied");
}

#[tokio::test]
async fn a_handler_sees_the_payload_and_where_it_came_from() {
    struct Look {
        seen: Arc<AtomicU32>,
    }
    impl Handler<OrderPlaced> for Look {
        async fn handle(&self, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
            assert_eq!(placed.order, "17");
            assert_eq!(placed.consumer(), "billing");
            assert_eq!(placed.receive_count(), 3);
            assert_eq!(placed.envelope().subject(), Some("17"));
            assert_eq!(
                placed.context().dedupe_key().to_string(),
                format!("7:billing5:/test36:{}", placed.envelope().id())
            );
            placed.lost().await;
            self.seen.fetch_add(1, Ordering::Relaxed);
            Ok(Handled::Duplicate)
        }
    }
    let seen = Arc::new(AtomicU32::new(0));
    let service = Router::new("billing")
        .on::<OrderPlaced>(Look { seen: seen.clone() })
        .into_service()
        .unwrap();
    let (lose, lost) = Lost::new();
    lose.raise();
    let message = Message {
        receive_count: 3,
        lost,
        ..message(&OrderPlaced { order: "17".into() }).unwrap()
    };
    let outcome = handle(&service, message.clone()).await;
    assert_eq!(outcome.name(), "duplicate", "{:?}", outcome.reason());
    assert_eq!(verdict(&outcome, &message), Verdict::Delete);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[test]
fn two_handlers_for_one_type_are_refused_with_both_places() {
    let router = Router::new("billing");
    let (router, first) = (router.on::<OrderPlaced>(applied), line!());
    let (router, second) = (router.on::<OrderPlaced>(applied), line!());
    let error = router.into_service().unwrap_err().to_string();
    assert!(error.contains("two handlers of `order.placed`"), "{error}");
    for line in [first, second] {
        assert!(
            error.contains(&format!("core/tests/router.rs:{line}:")),
            "{error}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = Router::new("Billing!")
        .emits::<OrderShipped>()
        .on_command::<RefundPayment>(applied)
        .on::<OrderPlaced>(applied)
        .on::<OrderPlaced>(applied)
        .into_service()
        .unwrap_err();
    let text = error.to_string();
    for part in [
        "`Billing!`",
        "before any `.on`",
        "addressed to `payment`",
        "two handlers of `order.placed`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(error.errors().len(), 4);
    assert_eq!(text.lines().count(), 4);
    assert_eq!(text.matches("core/tests/router.rs:").count(), 5);
}

#[tokio::test]
async fn a_failure_is_tried_again_until_the_last_receive_which_is_a_dead_letter_with_the_reason() {
    async fn fail(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        Err("the bank is away".into())
    }
    let service = Router::new("billing")
        .on::<OrderPlaced>(fail)
        .into_service()
        .unwrap();
    for receive_count in 1..=5 {
        let message = Message {
            receive_count,
            ..message(&OrderPlaced::default()).unwrap()
        };
        let outcome = handle(&service, message.clone()).await;
        assert_eq!(outcome.name(), "failed");
        match verdict(&outcome, &message) {
            Verdict::Retry { after } => assert!(after <= POLICY.backoff.bound(receive_count)),
            verdict => assert_eq!((receive_count, verdict), (5, dead("the bank is away"))),
        }
    }
}

#[tokio::test]
async fn data_that_is_not_of_its_type_is_tried_again_and_ends_as_a_dead_letter_that_quotes_nothing() {
    let service = Router::new("billing")
        .on::<OrderPlaced>(applied)
        .into_service()
        .unwrap();
    for (receive_count, dead_letter) in [(1, false), (4, false), (5, true)] {
        let message = Message {
            receive_count,
            ..raw("order.placed", 1, r#"{"order":4111111111111111}"#)
        };
        let outcome = handle(&service, message.clone()).await;
        assert_eq!(outcome.name(), "undecodable");
        assert_eq!(
            outcome.reason().as_deref(),
            Some(
                "the data of `order.placed` version 1 can't be read: \
                 invalid type, expected a string at line 1 column 25"
            )
        );
        let verdict = verdict(&outcome, &message);
        assert_eq!(
            matches!(verdict, Verdict::DeadLetter { .. }),
            dead_letter,
            "{verdict:?}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_that_messages_failed_attempt_and_the_next_message_is_fine() {
    /// Panics before there is a future.
    fn at_once(placed: Delivery<OrderPlaced>) -> impl Future<Output = Result<Handled, Failure>> {
        assert!(placed.order != "bad", "no such order");
        applied(placed)
    }
    async fn later(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        tokio::task::yield_now().await;
        assert!(placed.order != "bad", "no such order");
        applied(placed).await
    }
    let services = [
        Router::new("billing").on::<OrderPlaced>(at_once),
        Router::new("billing").on::<OrderPlaced>(later),
    ]
    .map(|router| router.into_service().unwrap());
    for service in services {
        let bad = message(&OrderPlaced { order: "bad".into() }).unwrap();
        let outcome = handle(&service, bad.clone()).await;
        assert_eq!(outcome.reason().as_deref(), Some("panicked: no such order"));
        assert!(outcome.key.is_some());
        assert!(matches!(verdict(&outcome, &bad), Verdict::Retry { .. }));

        let good = message(&OrderPlaced::default()).unwrap();
        assert_eq!(handle(&service, good).await.name(), "applied");
    }
}

#[tokio::test]
async fn a_type_without_a_handler_is_put_back_for_20_minutes_and_then_a_dead_letter() {
    let service = Router::new("billing")
        .on::<OrderPlaced>(applied)
        .into_service()
        .unwrap();
    let mut message = raw("order.returned", 1, "{}");
    let mut now = message.sent_at;
    let mut waits = Vec::new();
    loop {
        let outcome = handle(&service, message.clone()).await;
        match outcome.verdict(&message, &POLICY, now) {
            Verdict::Retry { after } => {
                now += after;
                waits.push(after.as_secs());
            }
            verdict => {
                assert_eq!(verdict, dead("no handler for `order.returned`"));
                break;
            }
        }
        message.receive_count += 1;
    }
    assert_eq!(waits, [300, 300, 300, 300]);
    assert_eq!(message.receive_count, POLICY.max_receives);
}

#[tokio::test]
async fn a_router_that_ignores_the_unknown_deletes_it() {
    let service = Router::new("billing").ignore_unknown().into_service().unwrap();
    let message = raw("order.returned", 1, "{}");
    let outcome = handle(&service, message.clone()).await;
    assert!(matches!(outcome.what, What::Ignored));
    assert_eq!(verdict(&outcome, &message), Verdict::Delete);
}

proptest! {
    /// However often a queue gives a message out, and however late it does: what nobody handles
    /// waits its time, unless the queue would give it up before, and never longer.
    #[test]
    fn the_unknown_wait_is_spread_over_the_receives_that_are_left(
        max_receives in 1..1000_u32,
        late in prop::collection::vec(0..200_u64, 1000),
    ) {
        let policy = RetryPolicy { max_receives, ..POLICY };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let service = Router::new("billing").into_service()?;
        let mut message = raw("order.returned", 1, "{}");
        message.sent_at = SystemTime::UNIX_EPOCH;
        let outcome = runtime.block_on(handle(&service, message.clone()));

        let mut now = SystemTime::UNIX_EPOCH;
        let mut last_try = now;
        for late in late {
            match outcome.verdict(&message, &policy, now) {
                Verdict::Retry { after } => {
                    prop_assert!(message.receive_count < max_receives, "the queue gives it up");
                    prop_assert!(now + after <= SystemTime::UNIX_EPOCH + policy.unknown_for);
                    last_try = now;
                    now += after + Duration::from_millis(late);
                }
                verdict => {
                    prop_assert_eq!(verdict, dead("no handler for `order.returned`"));
                    break;
                }
            }
            message.receive_count += 1;
        }
        prop_assert!(message.receive_count <= max_receives);
        if max_receives > 1 {
            let age = now.duration_since(SystemTime::UNIX_EPOCH)?;
            prop_assert!(age >= policy.unknown_for, "given up after {age:?}");
            prop_assert!(last_try < SystemTime::UNIX_EPOCH + policy.unknown_for);
        }
    }
}

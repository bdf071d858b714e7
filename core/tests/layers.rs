//! Tower layers around the handling of each message.

mod common;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use common::{applied, event, handle, message};
use fanfare::{Delivery, Failure, Handled, Message, Outcome, RetryPolicy, Router, Verdict};
use futures_util::future::join_all;
use tower::buffer::BufferLayer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::timeout::TimeoutLayer;
use tower::util::{MapRequestLayer, MapResponseLayer};
use tower::{ServiceBuilder, layer::layer_fn, service_fn};

event!(OrderPlaced, "order.placed");

#[tokio::test]
async fn a_layer_that_is_added_later_is_further_out_and_sees_the_envelope() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let log = log.clone();
        move |about: &str| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(format!("{text} {about}"));
        }
    };
    let entering = |text| {
        let note = note(text);
        MapRequestLayer::new(move |message: Message| {
            note(
                message
                    .envelope
                    .as_ref()
                    .map_or("nothing", |envelope| envelope.ty()),
            );
            message
        })
    };
    let leaving = |text| {
        let note = note(text);
        MapResponseLayer::new(move |outcome: Outcome| {
            note(outcome.name());
            outcome
        })
    };
    let service = Router::new("billing")
        .on::<OrderPlaced>(applied)
        .layer(entering("inner in"))
        .layer(leaving("inner out"))
        .layer(entering("outer in"))
        .layer(leaving("outer out"))
        .into_service()
        .unwrap();
    handle(&service, message(&OrderPlaced::default()).unwrap()).await;
    assert_eq!(
        *log.lock().unwrap(),
        [
            "outer in order.placed",
            "inner in order.placed",
            "inner out applied",
            "outer out applied"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlasts_a_timeout_is_tried_again() {
    async fn slow(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        tokio::time::sleep(Duration::from_secs(21)).await;
        Ok(Handled::Applied)
    }
    let service = Router::new("billing")
        .on::<OrderPlaced>(slow)
        .layer(TimeoutLayer::new(Duration::from_secs(20)))
        .into_service()
        .unwrap();
    let message = message(&OrderPlaced::default()).unwrap();
    let start = tokio::time::Instant::now();
    let outcome = handle(&service, message.clone()).await;
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert_eq!(outcome.reason().as_deref(), Some("request timed out"));
    assert!(outcome.key.is_some());
    let verdict = outcome.verdict(&message, &RetryPolicy::default(), SystemTime::now());
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_holds_for_all_clones_of_the_service() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    async fn count(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        Ok(Handled::Applied)
    }
    let service = Router::new("billing")
        .on::<OrderPlaced>(count)
        .layer(ConcurrencyLimitLayer::new(3))
        .into_service()
        .unwrap();
    let message = message(&OrderPlaced::default()).unwrap();
    let start = tokio::time::Instant::now();
    let outcomes = join_all((0..10).map(|_| handle(&service, message.clone()))).await;
    assert!(outcomes.iter().all(|outcome| outcome.name() == "applied"));
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
    assert_eq!(start.elapsed(), Duration::from_secs(4));
}

/// Such a limit can't be cloned, so that all share one behind a buffer.
#[tokio::test(start_paused = true)]
async fn a_rate_limit_behind_a_buffer_holds_for_all_clones_of_the_service() {
    let limit = ServiceBuilder::new()
        .layer(BufferLayer::new(10))
        .layer(RateLimitLayer::new(2, Duration::from_secs(1)));
    let service = Router::new("billing")
        .on::<OrderPlaced>(applied)
        .layer(limit)
        .into_service()
        .unwrap();
    let message = message(&OrderPlaced::default()).unwrap();
    let start = tokio::time::Instant::now();
    let outcomes = join_all((0..10).map(|_| handle(&service, message.clone()))).await;
    assert!(outcomes.iter().all(|outcome| outcome.name() == "applied"));
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_panic_in_a_layer_is_a_failed_attempt_too() {
    fn check(message: &Message) -> Result<Outcome, Infallible> {
        assert_ne!(&*message.queue, "test", "no queue of mine");
        Ok(Outcome::handled(None, Handled::Applied))
    }
    let billing = Router::new("billing").on::<OrderPlaced>(applied);
    let when_called = layer_fn(|_| service_fn(|message: Message| std::future::ready(check(&message))));
    let when_polled = layer_fn(|_| service_fn(|message: Message| async move { check(&message) }));
    let routers = [billing.clone().layer(when_called), billing.layer(when_polled)];
    for router in routers {
        let service = router.into_service().unwrap();
        let outcome = handle(&service, message(&OrderPlaced::default()).unwrap()).await;
        let reason = outcome.reason().unwrap();
        assert!(
            reason.starts_with("panicked:") && reason.contains("no queue of mine"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_layer_can_answer_in_the_handlers_place() {
    let service = Router::new("billing")
        .on::<OrderPlaced>(applied)
        .layer(layer_fn(|_| {
            service_fn(|_: Message| async {
                Ok::<_, Infallible>(Outcome::failed(None, Failure::terminal("closed")))
            })
        }))
        .into_service()
        .unwrap();
    let outcome = handle(&service, message(&OrderPlaced::default()).unwrap()).await;
    assert_eq!(outcome.name(), "terminal");
}

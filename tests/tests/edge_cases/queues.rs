//! From the queue and back to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan, Life};
use fanfare::{Delivery, Failure, Handled, Router};
use tokio::time::sleep;

use crate::support::{Ground, OrderPlaced, SECOND, add_first, add_one, order};

/// "Poison job crashes the process": it is started again each time, and the message still ends in the
/// dead letters after `maxReceiveCount`, and the others are handled.
#[tokio::test(start_paused = true)]
async fn a_poison_job_that_kills_its_host_each_time_becomes_a_dead_letter() {
    let consumer = || Router::new("billing").max_receives(3);
    let ground = Ground::new([consumer().on::<OrderPlaced>(unused)]).await;
    ground.publish(&order("poison")).await;
    ground.publish(&order("good")).await;
    let kills = Arc::new(AtomicU32::new(0));
    let host = |life: Life| {
        let (inbox, kills, own) = (ground.store(&life).inbox(), kills.clone(), life.clone());
        let router = consumer().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
            let (inbox, kills, life) = (inbox.clone(), kills.clone(), own.clone());
            async move {
                if placed.order == "poison" {
                    kills.fetch_add(1, Ordering::Relaxed);
                    life.kill();
                    life.check().await;
                }
                Ok(inbox.once(&placed).write(add_one(&placed.order)).commit().await?)
            }
        });
        let (host, service) = ground.host(router, &life, &FaultPlan::none());
        // One at a time: what else it held would be received three times along with the poison.
        host.concurrency(1)
            .serve(service, sleep(Duration::from_secs(600)))
    };
    let ((), killed) = Life::restart("billing", SECOND, host).await;
    assert_eq!((killed, kills.load(Ordering::Relaxed)), (3, 3));
    assert_eq!(ground.dead("billing"), 1);
    assert_eq!(ground.count("poison").await, 0);
    assert_eq!(ground.count("good").await, 1);
    assert!(ground.is_quiet("billing"));
}

async fn unused(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    Err(Failure::terminal("only for the topology"))
}

/// "Idempotency lock vs expiry": a dedupe that swallows the redelivery after a failed delete must not
/// leave it in the queue until it is a dead letter.
#[tokio::test(start_paused = true)]
async fn a_redelivery_after_a_failed_delete_is_deleted_again() {
    let ground = Ground::new([Router::new("billing").max_receives(2).on::<OrderPlaced>(unused)]).await;
    ground.publish(&order("1")).await;
    let life = Life::default();
    // Half of all calls come to nothing, deletes among them.
    let plan = FaultPlan::seeded(3)
        .rates(0.0)
        .rate(Fault::LoseRequest, 0.5)
        .traced();
    let inbox = ground.store(&life).inbox();
    let router =
        Router::new("billing")
            .max_receives(2)
            .on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
                let inbox = inbox.clone();
                async move { Ok(inbox.once(&placed).write(add_one(&placed.order)).commit().await?) }
            });
    for _ in 0..20 {
        ground.publish(&order("1")).await;
    }
    let (host, service) = ground.host(router, &life, &plan);
    host.serve(service, sleep(Duration::from_secs(900))).await;
    let lost = plan
        .trace()
        .iter()
        .filter(|call| *call == "delete lose_request")
        .count();
    assert!(lost > 3, "{lost} deletes failed");
    assert!(ground.is_quiet("billing"));
    assert_eq!(ground.dead("billing"), 0);
    assert_eq!(ground.count("1").await, 21);
}

/// "Copy-then-delete to DLQ": whatever fails around the move, there is one dead letter and nothing in
/// the queue, with the body and its attributes.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_move_fails_or_is_not_answered_is_there_once() {
    let consumer = || Router::new("billing").max_receives(100);
    let ground = Ground::new([consumer().on::<OrderPlaced>(unused)]).await;
    for number in 0..20 {
        ground.publish(&order(&number.to_string())).await;
    }
    let plan = FaultPlan::seeded(3)
        .rates(0.0)
        .rate(Fault::LoseRequest, 0.2)
        .rate(Fault::LoseReply, 0.2)
        .traced();
    let router =
        consumer().on::<OrderPlaced>(|_: Delivery<OrderPlaced>| async { Err(Failure::terminal("no")) });
    let (host, service) = ground.host(router, &Life::default(), &plan);
    host.serve(service, sleep(Duration::from_secs(900))).await;
    let trace = plan.trace();
    for fault in ["dead_letter lose_request", "dead_letter lose_reply"] {
        assert!(trace.iter().any(|call| call == fault), "no {fault}");
    }
    assert!(ground.is_quiet("billing"));
    assert_eq!(ground.dead("billing"), 20);
    let reasons = ground.reasons("billing").await;
    assert!(
        reasons.iter().all(|reason| reason.as_deref() == Some("no")),
        "{reasons:?}"
    );
}

/// "A trial of our own": a repeat that raced with the first handling meets the state which that one
/// advanced, and takes it for an illegal transition. The inbox tells it from a real failure.
#[tokio::test(start_paused = true)]
async fn the_terminal_failure_of_a_raced_repeat_becomes_a_duplicate() {
    let ground = Ground::new([Router::new("billing").on::<OrderPlaced>(unused)]).await;
    let inbox = ground.store(&Life::default()).inbox();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    let router = Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let (inbox, attempt) = (inbox.clone(), counted.fetch_add(1, Ordering::Relaxed));
        async move {
            if attempt == 0 {
                return Ok(inbox
                    .once(&placed)
                    .write(add_first(&placed.order))
                    .commit()
                    .await?);
            }
            // Looked before the first one was done, and decides after it.
            sleep(5 * SECOND).await;
            Err(Failure::terminal("the order is paid already"))
        }
    });
    let first = ground.publish(&order("1")).await;
    ground.repeat(&first).await;
    // An event of its own that fails in the same way is no duplicate of anything.
    ground.publish(&order("2")).await;
    let serving = ground.serve(router);
    sleep(60 * SECOND).await;
    serving.stop().await;
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    assert_eq!(ground.count("1").await, 1);
    assert!(ground.is_quiet("billing"));
    assert_eq!(ground.dead("billing"), 1);
}

/// "SNS limits": filter policies and deploys take their time to spread, so old tasks meet new types.
#[tokio::test(start_paused = true)]
async fn an_unhandled_type_survives_a_rolling_deploy() {
    let inbox = |ground: &Ground| ground.store(&Life::default()).inbox();
    let ground = Ground::new([Router::new("billing").max_receives(3).on::<OrderPlaced>(unused)]).await;
    ground.publish(&order("1")).await;
    // The old tasks know nothing of the type.
    let old = ground.serve(Router::new("billing").max_receives(3));
    sleep(Duration::from_secs(10 * 60)).await;
    let new = {
        let inbox = inbox(&ground);
        ground.serve(Router::new("billing").max_receives(3).on::<OrderPlaced>(
            move |placed: Delivery<OrderPlaced>| {
                let inbox = inbox.clone();
                async move { Ok(inbox.once(&placed).write(add_one(&placed.order)).commit().await?) }
            },
        ))
    };
    // Both are there for a while.
    sleep(Duration::from_secs(60)).await;
    old.stop().await;
    sleep(Duration::from_secs(30 * 60)).await;
    new.stop().await;
    assert_eq!(ground.dead("billing"), 0);
    assert_eq!(ground.count("1").await, 1);
    assert!(ground.is_quiet("billing"));
}

/// "Shutdown": stopped at whatever moment, a host leaves nothing hidden, and what it has done is
/// deleted.
#[tokio::test(start_paused = true)]
async fn a_host_stopped_at_any_moment_leaves_nothing_in_flight() {
    for stopped_after in (0..1_500).step_by(50) {
        let ground = Ground::new([Router::new("billing").on::<OrderPlaced>(unused)]).await;
        for number in 0..6 {
            ground.publish(&order(&number.to_string())).await;
        }
        let life = Life::default();
        let inbox = ground.store(&life).inbox();
        let router = Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
            let inbox = inbox.clone();
            async move {
                sleep(Duration::from_millis(100)).await;
                Ok(inbox.once(&placed).write(add_one(&placed.order)).commit().await?)
            }
        });
        // Slow answers, so that there is a moment between any two steps.
        let plan = FaultPlan::seeded(stopped_after)
            .rates(0.0)
            .rate(Fault::DelayReply, 0.3);
        let (host, service) = ground.host(router.clone(), &life, &plan);
        host.concurrency(2)
            .serve(service, sleep(Duration::from_millis(stopped_after)))
            .await;
        let counts = ground.broker.counts(&ground.queue("billing")).unwrap();
        assert_eq!(
            counts.in_flight, 0,
            "stopped after {stopped_after} ms: {counts:?}"
        );
        let mut done = 0;
        for number in 0..6 {
            done += ground.count(&number.to_string()).await;
        }
        assert_eq!(
            counts.total() as i64,
            6 - done,
            "stopped after {stopped_after} ms: {counts:?}"
        );

        let (host, service) = ground.host(router, &life, &FaultPlan::none());
        host.serve(service, sleep(60 * SECOND)).await;
        for number in 0..6 {
            assert_eq!(
                ground.count(&number.to_string()).await,
                1,
                "stopped after {stopped_after} ms"
            );
        }
        assert!(ground.is_quiet("billing"));
    }
}

//! How much is received, and what comes twice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fanfare::fault::{Fault, FaultPlan};
use fanfare::memory::{Broker, MemoryQueue, QueueSettings};
use fanfare::{Clock, Message};
use tokio::time::{sleep, timeout};

use crate::memory_support::*;
use crate::service;

const Q: &str = "q";

#[tokio::test(start_paused = true)]
async fn the_same_message_under_two_handles_runs_once_and_is_deleted_by_the_newest() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    // Extensions fail, so that the message shows again while its handler runs.
    let queue = Watched::new(&broker, Q).failing(|call, _, _| match call {
        "extend" => Fails::Retryable,
        _ => Fails::No,
    });
    let running = Arc::new(Mutex::new((0, 0)));
    let handler = {
        let running = running.clone();
        move |_: Message| {
            let running = running.clone();
            async move {
                {
                    let mut running = running.lock().unwrap();
                    running.0 += 1;
                    running.1 += 1;
                    assert_eq!(running.0, 1, "never twice at a time");
                }
                sleep(seconds(70)).await;
                running.lock().unwrap().0 -= 1;
                applied()
            }
        }
    };
    let quiet = Quiet::new();
    host(queue, &broker)
        .serve(service!(handler), quiet.wait(&broker, Q))
        .await;
    assert_eq!(running.lock().unwrap().1, 1);
    assert_eq!(
        quiet.after(),
        seconds(70),
        "deleted by the receipt of its third receive"
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_while_its_message_is_handled_is_deleted_along_with_it() {
    let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::Duplicate, 1.0);
    let broker = Broker::new(Clock::tokio(UNIX_EPOCH), plan);
    broker.create_queue(Q, QueueSettings::default()).unwrap();
    send(&broker, Q, 0..5);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let handler = move |_: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(seconds(10)).await;
            applied()
        }
    };
    let quiet = Quiet::new();
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .serve(service!(handler), quiet.wait(&broker, Q))
        .await;
    assert_eq!((runs.load(Ordering::Relaxed), quiet.after()), (5, seconds(10)));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_can_be_handled() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..100);
    let most = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (broker, most) = (broker.clone(), most.clone());
        move |_: Message| {
            let (broker, most) = (broker.clone(), most.clone());
            async move {
                sleep(Duration::from_millis(fastrand::u64(1..3_000))).await;
                most.fetch_max(broker.counts(Q).unwrap().in_flight, Ordering::Relaxed);
                applied()
            }
        }
    };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .concurrency(7)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(most.load(Ordering::Relaxed), 7);
}

#[tokio::test(start_paused = true)]
async fn receives_that_fail_are_tried_again_with_pauses() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("receive", 1..=20) => Fails::Retryable,
        _ => Fails::No,
    });
    let watched = queue.clone();
    let quiet = Quiet::new();
    host(queue, &broker)
        .serve(service!(|_: Message| async { applied() }), async {
            quiet.wait(&broker, Q).await
        })
        .await;
    assert!(watched.calls("receive") > 20);
    // 20 pauses, at random up to a bound that grows to 20 s: a busy loop would take none.
    assert!(quiet.after() > seconds(15), "{:?}", quiet.after());
}

#[tokio::test(start_paused = true)]
async fn there_are_several_receives_at_a_time_when_busy_and_one_when_idle() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..400);
    let queue = Watched::new(&broker, Q).answering_after(seconds(1));
    let watched = queue.clone();
    let handler = |_: Message| async { applied() };
    let served = host(queue, &broker).serve(service!(handler), std::future::pending());
    assert!(timeout(seconds(15), served).await.is_err());
    assert_eq!(watched.most_receives(), 4);
    assert_eq!(broker.counts(Q).unwrap().total(), 0, "one alone would take 40 s");

    let queue = Watched::new(&broker, Q).answering_after(seconds(1));
    let watched = queue.clone();
    let served = host(queue, &broker).serve(service!(handler), std::future::pending());
    assert!(timeout(seconds(100), served).await.is_err());
    assert_eq!(watched.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_queue_is_asked_for_whole_batches() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..2_000);
    let queue = Watched::new(&broker, Q).answering_after(Duration::from_millis(5));
    let watched = queue.clone();
    let handler = |_: Message| async {
        sleep(Duration::from_millis(fastrand::u64(1..40))).await;
        applied()
    };
    let quiet = Quiet::new();
    host(queue, &broker)
        .serve(service!(handler), quiet.wait(&broker, Q))
        .await;
    let calls = watched.calls("receive") + watched.calls("delete");
    assert!(calls <= 420, "{calls} calls for 2,000 messages");
    assert!(
        quiet.after() < seconds(2),
        "places don't stay empty: {:?}",
        quiet.after()
    );
}

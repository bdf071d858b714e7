//! Stopping and being killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::Message;
use fanfare::memory::MemoryQueue;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::memory_support::*;
use crate::service;

const Q: &str = "q";

#[tokio::test(start_paused = true)]
async fn shutdown_at_any_time_deletes_what_is_done_and_leaves_nothing_in_flight() {
    for at in (0..12_000).step_by(250) {
        let broker = with_queue(Q, 5);
        send(&broker, Q, 0..30);
        let done = Arc::new(AtomicUsize::new(0));
        let handler = {
            let done = done.clone();
            move |message: Message| {
                let done = done.clone();
                async move {
                    sleep(Duration::from_millis(
                        100 * (1 + message.body.parse::<u64>().unwrap()),
                    ))
                    .await;
                    if message.body.ends_with('3') && message.receive_count == 1 {
                        return failed();
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    applied()
                }
            }
        };
        let start = Instant::now();
        host(MemoryQueue::new(broker.clone(), Q), &broker)
            .concurrency(6)
            .poll(seconds(1))
            .serve(service!(handler), sleep(Duration::from_millis(at)))
            .await;
        assert!(start.elapsed() < Duration::from_millis(at) + seconds(4));
        // A failed one is given back with its pause, for which it stays invisible.
        advance(seconds(1)).await;
        let counts = broker.counts(Q).unwrap();
        assert_eq!(counts.in_flight, 0, "stopped at {at} ms");
        assert_eq!(
            counts.visible,
            30 - done.load(Ordering::Relaxed),
            "stopped at {at} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_drain_deadline_handlers_are_dropped_and_their_messages_given_back() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..3);
    let dropped = Arc::new(());
    let handler = {
        let dropped = dropped.clone();
        move |_: Message| {
            let alive = dropped.clone();
            async move {
                sleep(HOUR).await;
                drop(alive);
                applied()
            }
        }
    };
    let start = Instant::now();
    let service = service!(handler);
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .drain(seconds(10))
        .poll(seconds(1))
        .serve(service, sleep(seconds(50)))
        .await;
    assert_eq!(start.elapsed(), seconds(60));
    assert_eq!(Arc::strong_count(&dropped), 1, "no handler is left");
    assert_eq!(broker.counts(Q).unwrap().visible, 3);
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_poll_brings_during_shutdown_are_given_back_unstarted() {
    let broker = with_queue(Q, 5);
    let later = broker.clone();
    tokio::spawn(async move {
        sleep(seconds(5)).await;
        send(&later, Q, ["a"]);
    });
    let handler = |_: Message| async { panic!("started") };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .serve(service!(handler), sleep(seconds(2)))
        .await;
    let counts = broker.counts(Q).unwrap();
    assert_eq!((counts.visible, counts.in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_killed_host_does_nothing_more() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..5);
    let queue = Watched::new(&broker, Q);
    let watched = queue.clone();
    let handler = |message: Message| async move {
        sleep(seconds(message.body.parse().unwrap())).await;
        applied()
    };
    let killed = timeout(
        Duration::from_millis(2_500),
        host(queue, &broker).serve(service!(handler), async { std::future::pending().await }),
    )
    .await;
    assert!(killed.is_err());
    let calls = watched.all_calls();
    sleep(seconds(25)).await;
    assert_eq!(watched.all_calls(), calls);
    assert_eq!(
        broker.counts(Q).unwrap().in_flight,
        2,
        "the two that were not done"
    );
    sleep(seconds(5)).await;
    assert_eq!(broker.counts(Q).unwrap().visible, 2, "they come again");
}

//! Stopping and being killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::fault::FaultPlan;
use fanfare::host::Host;
use fanfare::memory::{Broker, MemoryQueue, QueueSettings};
use fanfare::{Clock, Failure, Message, Outcome};
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

/// A pause is over while an extension is under way: it is settled once, after that.
#[tokio::test(start_paused = true)]
async fn what_pauses_at_shutdown_is_settled_after_its_extension() {
    let queue = "q.fifo";
    let broker = with_queue(queue, 5);
    send_fifo(&broker, queue, &[("a", "1")]);
    let watched = Watched::new(&broker, queue);
    watched.hold_extensions.send_replace(true);
    let (diary, hold) = (watched.diary.clone(), watched.hold_extensions.clone());
    tokio::spawn(async move {
        // Under way since 15 s.
        sleep(seconds(20)).await;
        hold.send_replace(false);
    });
    let handler = |_: Message| async { Outcome::failed(None, Failure::retry_after(seconds(18), "not yet")) };
    host(watched, &broker)
        .poll(seconds(1))
        .serve(service!(handler), sleep(seconds(16)))
        .await;
    let expected = [(15, "extend 1"), (20, "release 2")].map(|(at, what)| (at, what.to_owned()));
    assert_eq!(diary.entries(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_is_not_given_back_at_the_drain_deadline() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, _, _| match call {
        "extend" => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let handler = |_: Message| std::future::pending::<Outcome>();
    host(queue, &broker)
        .drain(seconds(5))
        .poll(seconds(1))
        .serve(service!(handler), sleep(seconds(20)))
        .await;
    assert_eq!(diary.whats(), ["extend 1"], "somebody else may have it");
}

/// A handler that blocks its thread until it is let go, and then tells whether its message was lost.
struct Blocking {
    started: tokio::sync::mpsc::UnboundedReceiver<()>,
    free: std::sync::mpsc::Sender<()>,
    lost: tokio::sync::mpsc::UnboundedReceiver<bool>,
}

impl Blocking {
    fn new() -> (
        Self,
        impl Fn(Message) -> std::future::Ready<Outcome> + Clone + Send + 'static,
    ) {
        let (start, started) = tokio::sync::mpsc::unbounded_channel();
        let (free, freed) = std::sync::mpsc::channel();
        let (tell, lost) = tokio::sync::mpsc::unbounded_channel();
        let freed = Arc::new(std::sync::Mutex::new(freed));
        let handler = move |message: Message| {
            let _ = start.send(());
            // Ends with an error when the test has failed already.
            let _ = freed.lock().unwrap().recv();
            let _ = tell.send(message.lost.is_lost());
            std::future::ready(applied())
        };
        (Self { started, free, lost }, handler)
    }
}

fn of_system_time() -> Broker {
    let broker = Broker::new(Clock::system(), FaultPlan::none());
    broker.create_queue(Q, QueueSettings::default()).unwrap();
    send(&broker, Q, ["a"]);
    broker
}

/// In real time, as the next one: what blocks a thread stops a paused clock as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_leaves_no_message_in_flight() {
    let broker = of_system_time();
    let (mut blocking, handler) = Blocking::new();
    let queue = MemoryQueue::new(broker.clone(), Q);
    let host = Host::new(queue, "consumer").drain(Duration::from_millis(50));
    let started = async {
        blocking.started.recv().await;
    };
    host.serve(service!(handler), started).await;
    let counts = broker.counts(Q).unwrap();
    assert_eq!((counts.in_flight, counts.visible), (0, 1));
    blocking.free.send(()).unwrap();
    assert_eq!(
        blocking.lost.recv().await,
        Some(true),
        "it may not commit any more"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_message_is_not_given_back_by_a_handler_that_blocks_its_thread() {
    let broker = of_system_time();
    let queue = Watched::new(&broker, Q).failing(|call, _, _| match call {
        "extend" => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let (mut blocking, handler) = Blocking::new();
    let host = Host::new(queue, "consumer").drain(Duration::from_millis(50));
    // Extended, and so found to be lost, after half of this.
    let host = host.visibility_timeout(Duration::from_millis(100));
    let seen = diary.clone();
    let lost = async {
        blocking.started.recv().await;
        while seen.count("extend 1") == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(seconds(20), host.serve(service!(handler), lost))
        .await
        .unwrap();
    assert_eq!(diary.whats(), ["extend 1"], "somebody else may have it");
    blocking.free.send(()).unwrap();
}

//! When the time of an invocation is up.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::fault::FaultPlan;
use fanfare::memory::MemoryQueue;
use fanfare::{Clock, Failure};
use tokio::sync::mpsc;
use tokio::time::{Instant, advance, sleep, timeout};

use super::*;
use crate::service;

const Q: &str = "q";

/// Takes this long, and notes its start.
fn taking(
    diary: &Diary,
    takes: Duration,
) -> impl Fn(Message) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>> + Clone + Send + 'static + use<>
{
    let diary = diary.clone();
    move |message: Message| {
        diary.note(message.body.clone());
        Box::pin(async move {
            sleep(takes).await;
            applied()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_started_is_failed_and_given_back() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, 0..6);
    let batch = receive(&broker, Q, 10).await;
    let queue = Watched::new(&broker, Q);
    let (diary, calls) = (Diary::new(), queue.diary.clone());
    let host = batch_host(queue, 5).concurrency(1);
    let handler = taking(&diary, seconds(4));
    let service = service!(handler);
    // Until 13 s handlers may run, and none takes less than 4 s.
    let handed = host
        .handle(service, batch.clone(), Instant::now() + seconds(14))
        .await;
    let starts: Vec<_> = [(0, "0"), (4, "1"), (8, "2")]
        .map(|(at, what)| (at, what.to_owned()))
        .into();
    assert_eq!(diary.entries(), starts);
    assert_eq!(bodies(&handed, &batch), ["3", "4", "5"]);
    assert_eq!(calls.whats(), ["release 0"; 3]);
    assert_eq!(broker.counts(Q).unwrap().visible, 3);
}

/// They aren't kept until a place is free: another invocation can have them.
#[tokio::test(start_paused = true)]
async fn what_will_not_be_started_is_given_back_while_others_run() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["quick", "slow", "waiting"]);
    let batch = receive(&broker, Q, 10).await;
    let queue = Watched::new(&broker, Q);
    let calls = queue.diary.clone();
    let host = batch_host(queue, 5).concurrency(1);
    let handler = |message: Message| async move {
        sleep(seconds(if message.body == "quick" { 3 } else { 20 })).await;
        applied()
    };
    let handed = host
        .handle(service!(handler), batch.clone(), Instant::now() + TIME)
        .await;
    assert_eq!(bodies(&handed, &batch), ["waiting"]);
    // At 26 s the 3 s that one took are no longer left; the slow one ran from 3 s to 23 s.
    assert_eq!(calls.whats(), ["release 0"]);
    let batch = receive(&broker, Q, 10).await;
    assert_eq!(batch.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_in_the_last_second_before_the_reserve() {
    for (left, started) in [(2000, true), (1999, false)] {
        let broker = broker_of(Q, 5);
        send(&broker, Q, ["a"]);
        let batch = receive(&broker, Q, 10).await;
        let diary = Diary::new();
        let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5);
        let handler = taking(&diary, Duration::ZERO);
        let service = service!(handler);
        let deadline = Instant::now() + Duration::from_millis(left);
        let handed = host.handle(service, batch, deadline).await;
        assert_eq!(
            (handed.failed.is_empty(), diary.count("a") == 1),
            (started, started)
        );
        assert_eq!(broker.counts(Q).unwrap().visible, usize::from(!started));
    }
}

/// Or a message that takes nearly an invocation's time would never be started again.
#[tokio::test(start_paused = true)]
async fn a_batch_is_begun_however_long_others_took() {
    let broker = broker_of(Q, 5);
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5).concurrency(2);
    // The second time less is left than any took the first time.
    for (takes, time) in [(25, 27), (2, 20)] {
        send(&broker, Q, 0..3);
        let batch = receive(&broker, Q, 10).await;
        let diary = Diary::new();
        let handler = taking(&diary, seconds(takes));
        let service = service!(handler);
        let handed = host
            .handle(service, batch.clone(), Instant::now() + seconds(time))
            .await;
        assert_eq!((diary.entries().len(), handed.failed.len()), (2, 1));
        for received in batch {
            broker.delete(Q, received.receipt).unwrap();
        }
        drain(&broker, Q).await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_received_most_often_are_started_first() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["old"]);
    receive(&broker, Q, 1).await;
    advance(6 * TIME - seconds(1)).await;
    send(&broker, Q, ["new", "newer"]);
    let mut batch = receive(&broker, Q, 10).await;
    advance(seconds(1)).await;
    batch.extend(receive(&broker, Q, 10).await);
    let diary = Diary::new();
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5).concurrency(1);
    let handler = taking(&diary, seconds(1));
    let service = service!(handler);
    host.handle(service, batch, Instant::now() + TIME).await;
    assert_eq!(diary.whats(), ["old", "new", "newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_slower_than_the_time_left_is_stopped_and_reported() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["quick", "slow"]);
    let batch = receive(&broker, Q, 10).await;
    let queue = Watched::new(&broker, Q);
    let (diary, alive) = (queue.diary.clone(), Arc::new(()));
    let held = alive.clone();
    let host = batch_host(queue, 5);
    let handler = move |message: Message| {
        let held = held.clone();
        async move {
            if message.body == "slow" {
                sleep(HOUR).await;
            }
            drop(held);
            applied()
        }
    };
    let start = Instant::now();
    let service = service!(handler);
    let handed = host.handle(service, batch.clone(), start + seconds(10)).await;
    assert_eq!(bodies(&handed, &batch), ["slow"]);
    assert_eq!(start.elapsed(), seconds(9), "the reserve is left");
    assert_eq!(Arc::strong_count(&alive), 1, "no handler is left");
    assert_eq!(calls(&diary), ["release later"], "a failed try, with its pause");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_always_takes_too_long_becomes_a_dead_letter() {
    let broker = broker_of(Q, 3);
    send(&broker, Q, ["slow"]);
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 3);
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let handler = move |_: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<Outcome>()
    };
    map(&broker, Q, &host, service!(handler)).await;
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    assert_eq!(broker.counts("q-dlq").unwrap().visible, 1);
}

/// A layer that is never ready hasn't started anything: that costs no pause.
#[tokio::test(start_paused = true)]
async fn what_waits_for_its_service_when_the_time_is_up_is_given_back_at_once() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["a", "b"]);
    let batch = receive(&broker, Q, 10).await;
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let host = batch_host(queue, 5);
    let handler = |_: Message| std::future::pending::<Outcome>();
    let limited = tower::limit::ConcurrencyLimit::new(service!(handler), 1);
    let handed = host.handle(limited, batch, Instant::now() + seconds(10)).await;
    assert_eq!(handed.failed.len(), 2);
    let mut calls = calls(&diary);
    calls.sort();
    assert_eq!(calls, ["release 0", "release later"]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_handler_is_told_that_its_message_is_lost_before_it_is_dropped() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["a"]);
    let batch = receive(&broker, Q, 10).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = move |message: Message| {
        let tell = tell.clone();
        async move {
            message.lost.lost().await;
            let _ = tell.send(());
            Outcome::failed(None, Failure::retry("lost"))
        }
    };
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5);
    host.handle(service!(handler), batch, Instant::now() + seconds(10))
        .await;
    told.try_recv().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_invocation_leaves_everything_to_the_queue() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["done", "bad", "slow", "waiting"]);
    let batch = receive(&broker, Q, 10).await;
    let (lost, alive) = (Arc::new(Mutex::new(None)), Arc::new(()));
    let (seen, held) = (lost.clone(), alive.clone());
    let handler = move |message: Message| {
        let (seen, held) = (seen.clone(), held.clone());
        async move {
            if message.body == "slow" {
                *seen.lock().unwrap() = Some(message.lost.clone());
                sleep(HOUR).await;
            }
            drop(held);
            sleep(seconds(1)).await;
            applied()
        }
    };
    let queue = Watched::new(&broker, Q);
    let calls = queue.clone();
    let host = batch_host(queue, 5).concurrency(2);
    let deadline = Instant::now() + TIME;
    let handled = timeout(seconds(5), host.handle(service!(handler), batch, deadline)).await;
    handled.unwrap_err();
    assert!(lost.lock().unwrap().take().unwrap().is_lost());
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&alive), 1, "no handler is left");
    assert_eq!(calls.all_calls(), 0);
    let counts = broker.counts(Q).unwrap();
    assert_eq!((counts.in_flight, counts.visible), (4, 0));
    advance(6 * TIME).await;
    assert_eq!(broker.counts(Q).unwrap().visible, 4, "they come again");
}

/// Handlers that block their threads until they are let go, and then tell whether their message was lost.
struct Blocking {
    started: mpsc::UnboundedReceiver<()>,
    free: std::sync::mpsc::Sender<()>,
    lost: mpsc::UnboundedReceiver<bool>,
}

fn blocking() -> (
    Blocking,
    impl Fn(Message) -> std::future::Ready<Outcome> + Clone + Send + 'static,
) {
    let (start, started) = mpsc::unbounded_channel();
    let (free, freed) = std::sync::mpsc::channel();
    let (tell, lost) = mpsc::unbounded_channel();
    let freed = Arc::new(Mutex::new(freed));
    let handler = move |message: Message| {
        if message.body == "blocks" {
            let _ = start.send(());
            // Ends with an error when the test has failed already.
            let _ = freed.lock().unwrap().recv();
            let _ = tell.send(message.lost.is_lost());
        }
        std::future::ready(applied())
    };
    (Blocking { started, free, lost }, handler)
}

/// In real time, as the next one: what blocks a thread stops a paused clock as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_handler_does_not_hold_up_the_reply_and_can_not_commit_later() {
    let broker = Broker::new(Clock::system(), FaultPlan::none());
    broker.create_queue(Q, QueueSettings::default()).unwrap();
    send(&broker, Q, ["blocks", "fine"]);
    let batch = receive(&broker, Q, 10).await;
    let (mut blocking, handler) = blocking();
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5).reserve(Duration::from_millis(400));
    let deadline = Instant::now() + Duration::from_millis(1600);
    let handed = host.handle(service!(handler), batch.clone(), deadline).await;
    assert_eq!(bodies(&handed, &batch), ["blocks"]);
    blocking.free.send(()).unwrap();
    assert_eq!(
        blocking.lost.recv().await,
        Some(true),
        "a process that is thawed lets it go on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_goes_on_after_its_invocation_was_dropped_can_not_commit_later() {
    let broker = Broker::new(Clock::system(), FaultPlan::none());
    broker.create_queue(Q, QueueSettings::default()).unwrap();
    send(&broker, Q, ["blocks"]);
    let batch = receive(&broker, Q, 10).await;
    let (mut blocking, handler) = blocking();
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5);
    tokio::select! {
        biased;
        _ = blocking.started.recv() => {}
        _ = host.handle(service!(handler), batch, Instant::now() + TIME) => panic!("it blocks"),
    }
    blocking.free.send(()).unwrap();
    assert_eq!(blocking.lost.recv().await, Some(true));
}

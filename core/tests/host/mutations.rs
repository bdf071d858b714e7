//! These tests can fail: each way to break the host breaks its promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use fanfare::host::{Host, Mutation};
use fanfare::memory::MemoryQueue;
use fanfare::port::Queue;
use fanfare::{Failure, Message, Outcome};
use tokio::time::{sleep, timeout};

use crate::memory_support::*;
use crate::service;

fn broken<Q: Queue>(host: Host<Q>, mutation: Option<Mutation>) -> Host<Q> {
    match mutation {
        Some(mutation) => host.mutate(mutation),
        None => host,
    }
}

/// When the second try begins of a message that was given back for 5 s while its extension was held up.
async fn second_try(mutation: Option<Mutation>) -> u64 {
    let broker = with_queue("q", 5);
    send(&broker, "q", ["a"]);
    let queue = Watched::new(&broker, "q");
    queue.hold_extensions.send_replace(true);
    let (diary, hold) = (Diary::new(), queue.hold_extensions.clone());
    tokio::spawn(async move {
        sleep(seconds(20)).await;
        hold.send_replace(false);
    });
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(format!("try {}", message.receive_count));
        async move {
            if message.receive_count > 1 {
                return applied();
            }
            sleep(seconds(16)).await;
            Outcome::failed(None, Failure::retry_after(seconds(5), "not yet"))
        }
    };
    broken(host(queue, &broker), mutation)
        .serve(service!(handler), async { broker.quiet(["q"]).await.unwrap() })
        .await;
    let second = diary.entries().into_iter().find(|(_, what)| what == "try 2");
    second.unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_not_joined_before_settling_is_noticed() {
    assert_eq!(second_try(None).await, 25);
    assert!(second_try(Some(Mutation::HeartbeatNotJoined)).await > 25);
}

/// How many handlers run for 20 messages, of which some can't be deleted at first.
async fn runs_of_twenty(mutation: Option<Mutation>) -> usize {
    let broker = with_queue("q", 5);
    send(&broker, "q", 0..20);
    let queue = Watched::new(&broker, "q").failing(|call, nth, entry| match (call, nth, entry) {
        ("delete", 1, 1 | 4) => Fails::Retryable,
        ("delete", 2, 3) => Fails::Missing,
        _ => Fails::No,
    });
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let handler = move |_: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { applied() }
    };
    broken(host(queue, &broker), mutation)
        .serve(service!(handler), async { broker.quiet(["q"]).await.unwrap() })
        .await;
    runs.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn results_of_entries_that_are_not_read_are_noticed() {
    assert_eq!(runs_of_twenty(None).await, 20);
    assert!(runs_of_twenty(Some(Mutation::ResultsUnread)).await > 20);
}

/// How many messages are left in flight by a host that is stopped while a group waits for its head.
async fn left_in_flight(mutation: Option<Mutation>) -> usize {
    let broker = with_queue("q.fifo", 5);
    send_fifo(
        &broker,
        "q.fifo",
        &[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4")],
    );
    let handler = |_: Message| async {
        sleep(seconds(5)).await;
        applied()
    };
    broken(
        host(MemoryQueue::new(broker.clone(), "q.fifo"), &broker),
        mutation,
    )
    .poll(seconds(1))
    .serve(service!(handler), sleep(seconds(2)))
    .await;
    broker.counts("q.fifo").unwrap().in_flight
}

#[tokio::test(start_paused = true)]
async fn buffered_messages_that_are_not_given_back_at_shutdown_are_noticed() {
    assert_eq!(left_in_flight(None).await, 0);
    assert_eq!(left_in_flight(Some(Mutation::BufferedKept)).await, 3);
}

/// How often a message of a group of four is received, each handled for 20 s of a visibility timeout of
/// 30 s.
async fn receives_of_a_group(mutation: Option<Mutation>) -> u32 {
    let broker = with_queue("q.fifo", 50);
    send_fifo(
        &broker,
        "q.fifo",
        &[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4")],
    );
    let most = Arc::new(AtomicU32::new(0));
    let seen = most.clone();
    let handler = |_: Message| async {
        sleep(seconds(20)).await;
        applied()
    };
    let host = host(MemoryQueue::new(broker.clone(), "q.fifo"), &broker).observe(move |settled| {
        seen.fetch_max(settled.message.receive_count, Ordering::Relaxed);
    });
    let served = broken(host, mutation)
        .retry(policy(50))
        .serve(service!(handler), async {
            broker.quiet(["q.fifo"]).await.unwrap()
        });
    // Broken, it may never come to an end.
    let _ = timeout(DAY, served).await;
    most.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn visibility_counted_from_the_handler_s_start_is_noticed() {
    assert_eq!(receives_of_a_group(None).await, 1);
    assert!(receives_of_a_group(Some(Mutation::VisibilityFromStart)).await > 1);
}

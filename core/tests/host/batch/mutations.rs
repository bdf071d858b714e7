//! These tests can fail: each way to break the host breaks its promise.

use std::sync::Arc;

use fanfare::host::Mutation;
use fanfare::memory::MemoryQueue;
use fanfare::topology::FunctionSettings;
use tokio::time::{Instant, sleep};

use super::*;
use crate::service;

fn broken<Q: Queue>(host: BatchHost<Q>, mutation: Option<Mutation>) -> BatchHost<Q> {
    match mutation {
        Some(mutation) => host.mutate(mutation),
        None => host,
    }
}

/// The order in which a group of three is done, whose second one fails once.
async fn order_of_a_group(mutation: Option<Mutation>) -> Vec<String> {
    let broker = broker_of("q.fifo", 30);
    send_fifo(&broker, "q.fifo", &[("a", "1"), ("a", "2"), ("a", "3")]);
    let host = broken(
        batch_host(MemoryQueue::new(broker.clone(), "q.fifo"), 30),
        mutation,
    );
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |message: Message| {
        let fails = message.body == "2" && message.receive_count == 1;
        if !fails {
            noted.note(message.body);
        }
        async move { if fails { failed() } else { applied() } }
    };
    map(&broker, "q.fifo", &host, service!(handler)).await;
    diary.whats()
}

#[tokio::test(start_paused = true)]
async fn a_group_that_goes_on_after_a_failure_is_noticed() {
    assert_eq!(order_of_a_group(None).await, ["1", "2", "3"]);
    assert_eq!(
        order_of_a_group(Some(Mutation::GroupGoesOn)).await,
        ["1", "3", "2"]
    );
}

/// How often the second message of a group is tried, of which each always fails.
async fn tries_of_a_follower(mutation: Option<Mutation>) -> usize {
    let broker = broker_of("q.fifo", 30);
    send_fifo(&broker, "q.fifo", &[("a", "1"), ("a", "2")]);
    let service = function(30, FunctionSettings::default());
    let host = BatchHost::of(MemoryQueue::new(broker.clone(), "q.fifo"), &service);
    let host = broken(host.tries(Arc::new(Counter::default())), mutation);
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(message.body);
        async { failed() }
    };
    map(&broker, "q.fifo", &host, service!(handler)).await;
    diary.count("2")
}

#[tokio::test(start_paused = true)]
async fn receives_that_are_taken_for_a_message_s_own_tries_are_noticed() {
    assert_eq!(tries_of_a_follower(None).await, 3);
    assert_eq!(tries_of_a_follower(Some(Mutation::TriesUncounted)).await, 1);
}

/// How many of five messages are stopped before they are done, one after another in 14 s.
async fn stopped(mutation: Option<Mutation>) -> usize {
    let broker = broker_of("q", 5);
    send(&broker, "q", 0..5);
    let batch = receive(&broker, "q", 5).await;
    let host = batch_host(MemoryQueue::new(broker.clone(), "q"), 5).concurrency(1);
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |_: Message| {
        let noted = noted.clone();
        noted.note("start");
        async move {
            sleep(seconds(4)).await;
            noted.note("end");
            applied()
        }
    };
    broken(host, mutation)
        .handle(service!(handler), batch, Instant::now() + seconds(14))
        .await;
    diary.count("start") - diary.count("end")
}

#[tokio::test(start_paused = true)]
async fn messages_started_too_late_are_noticed() {
    assert_eq!(stopped(None).await, 0);
    assert!(stopped(Some(Mutation::StartedLate)).await > 0);
}

/// Whether a handler that outlives its invocation knows.
async fn is_told(mutation: Option<Mutation>) -> bool {
    let broker = broker_of("q", 5);
    send(&broker, "q", ["a"]);
    let batch = receive(&broker, "q", 5).await;
    let lost = Arc::new(Mutex::new(None));
    let seen = lost.clone();
    let handler = move |message: Message| {
        *seen.lock().unwrap() = Some(message.lost);
        std::future::pending::<Outcome>()
    };
    broken(batch_host(MemoryQueue::new(broker, "q"), 5), mutation)
        .handle(service!(handler), batch, Instant::now() + TIME)
        .await;
    let lost = lost.lock().unwrap().take();
    lost.unwrap().is_lost()
}

#[tokio::test(start_paused = true)]
async fn handlers_that_are_not_told_are_noticed() {
    assert!(is_told(None).await);
    assert!(!is_told(Some(Mutation::NotTold)).await);
}

//! These tests can fail: each way to break queue or host breaks its promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::Message;
use fanfare_worker::Mutation;
use tokio::time::{sleep, timeout};

use crate::support::*;

/// How many copies there are when the process is killed right after the first call of a dead letter.
async fn copies_after_a_crash(mutation: Option<Mutation>) -> usize {
    let ground = Ground::new("q", 100);
    ground.send(["a"]);
    let queue = ground
        .connect_with(|operation, _, _| match operation {
            // Nothing comes back from the copy, for ever.
            "SendMessageBatch" => Act::Lose,
            _ => Act::Pass,
        })
        .await;
    let queue = match mutation {
        Some(mutation) => queue.mutate(mutation),
        None => queue,
    };
    let served = ground
        .host(queue, 100)
        .serve(service!(|_| async { terminal() }), std::future::pending());
    let _ = timeout(seconds(100), served).await;
    ground.broker.counts("q").unwrap().total() + ground.dead()
}

#[tokio::test(start_paused = true)]
async fn a_deletion_before_the_copy_is_noticed() {
    assert_eq!(copies_after_a_crash(None).await, 1);
    assert_eq!(copies_after_a_crash(Some(Mutation::DeleteBeforeCopy)).await, 0);
}

/// How many handlers run for ten messages, of which some can't be deleted at first.
async fn runs_of_ten(mutation: Option<Mutation>) -> usize {
    let ground = Ground::new("q", 100);
    ground.send(0..10);
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("DeleteMessageBatch", 1) => Act::Part(vec![1], vec![4]),
            _ => Act::Pass,
        })
        .await;
    let queue = match mutation {
        Some(mutation) => queue.mutate(mutation),
        None => queue,
    };
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let handler = move |_: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(Duration::from_millis(10)).await;
            applied()
        }
    };
    ground
        .host(queue, 100)
        .serve(service!(handler), ground.clone().quiet())
        .await;
    runs.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn results_of_entries_that_are_not_read_are_noticed() {
    assert_eq!(runs_of_ten(None).await, 10);
    assert!(runs_of_ten(Some(Mutation::ResultsUnread)).await > 10);
}

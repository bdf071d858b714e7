//! How messages leave the host.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::memory::MemoryQueue;
use fanfare::{Failure, Handled, Message, Outcome};
use tokio::time::{Instant, sleep, timeout};

use crate::memory_support::*;
use crate::service;

const Q: &str = "q";

#[tokio::test(start_paused = true)]
async fn a_handled_message_is_deleted_and_a_failed_one_comes_again_after_its_pause() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["good", "bad"]);
    let diary = Diary::new();
    let handler = {
        let diary = diary.clone();
        move |message: Message| {
            diary.note(format!("{} {}", message.body, message.receive_count));
            let outcome = match (&*message.body, message.receive_count) {
                ("bad", 1) => Outcome::failed(None, Failure::retry_after(seconds(7), "not yet")),
                _ => applied(),
            };
            async move { outcome }
        }
    };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let expected = [(0, "good 1"), (0, "bad 1"), (7, "bad 2")].map(|(at, what)| (at, what.to_owned()));
    assert_eq!(diary.entries(), expected);
}

#[tokio::test(start_paused = true)]
async fn partial_batch_results_are_looked_at() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..20);
    // Of the first calls some entries fail, and one reply ends early.
    let queue = Watched::new(&broker, Q).failing(|call, nth, entry| match (call, nth, entry) {
        ("delete", 1, 1 | 4) => Fails::Retryable,
        ("delete", 2, 3) => Fails::Missing,
        _ => Fails::No,
    });
    let watched = queue.clone();
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = {
        let runs = runs.clone();
        move |_: Message| {
            runs.fetch_add(1, Ordering::Relaxed);
            async { applied() }
        }
    };
    let start = Instant::now();
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(
        runs.load(Ordering::Relaxed),
        20,
        "what was not deleted is deleted again, not handled again"
    );
    assert!(watched.calls("delete") > 2);
    assert!(start.elapsed() < seconds(30));
}

#[tokio::test(start_paused = true)]
async fn releases_and_dead_letters_that_fail_are_tried_again() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["retry", "dead"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("release" | "dead_letter", 1..=2) => Fails::Retryable,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let handler = |message: Message| async move {
        match (&*message.body, message.receive_count) {
            ("dead", _) => Outcome::failed(None, Failure::terminal("never")),
            (_, 1) => Outcome::failed(None, Failure::retry_after(seconds(10), "not yet")),
            _ => applied(),
        }
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(
        (diary.count("release 10"), diary.count("dead letter after 1")),
        (3, 3)
    );
    assert_eq!(broker.counts("q-dlq").unwrap().total(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_held_by_another_is_kept_and_tried_again_in_place_without_counting() {
    let broker = with_queue(Q, 2);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let handler = {
        let diary = diary.clone();
        let tries = Arc::new(AtomicUsize::new(0));
        move |message: Message| {
            diary.note(format!("try {}", message.receive_count));
            let held = tries.fetch_add(1, Ordering::Relaxed) < 10;
            let advice = fanfare::Advice::Held(seconds(20));
            async move {
                if held {
                    Outcome::failed(None, Failure::from(advice))
                } else {
                    applied()
                }
            }
        }
    };
    host(queue, &broker)
        .retry(policy(2))
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let tries: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("try"))
        .collect();
    let expected: Vec<_> = (0..=10).map(|number| (number * 20, "try 1".to_owned())).collect();
    assert_eq!(tries, expected);
    assert_eq!(broker.counts("q-dlq").unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn deletions_go_in_batches_of_ten_or_after_a_moment() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..25);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    // All are done at the same time, except one.
    let handler = |message: Message| async move {
        sleep(seconds(if message.body == "24" { 3 } else { 1 })).await;
        applied()
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(diary.whats(), ["delete 10", "delete 10", "delete 4", "delete 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_of_the_router_is_that_message_s_failure() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["panics", "fine"]);
    let handler = |message: Message| async move {
        assert!(
            message.body == "fine" || message.receive_count > 1,
            "the test's panic"
        );
        applied()
    };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(broker.counts(Q).unwrap().dead, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handled_outcome_is_observed_once_with_its_attempt() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observed = seen.clone();
    let handler = |message: Message| async move {
        if message.receive_count < 3 {
            failed()
        } else {
            Outcome::handled(None, Handled::Duplicate)
        }
    };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .observe(move |settled| {
            observed.lock().unwrap().push((
                settled.consumer.to_owned(),
                settled.attempt,
                settled.outcome.name(),
            ));
        })
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let expected = [(1, "failed"), (2, "failed"), (3, "duplicate")];
    assert_eq!(
        *seen.lock().unwrap(),
        expected.map(|(attempt, name)| ("consumer".to_owned(), attempt, name))
    );
}

#[tokio::test(start_paused = true)]
async fn messages_to_give_back_and_dead_letters_go_in_batches_of_ten_too() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..12);
    send(&broker, Q, 100..112);
    let queue = Watched::new(&broker, Q);
    let watched = queue.clone();
    // All end within a moment, one after another, while another one still runs.
    let handler = |message: Message| async move {
        let number: u64 = message.body.parse().unwrap();
        if number == 0 {
            sleep(seconds(5)).await;
            return applied();
        }
        sleep(Duration::from_micros(1_000_000 + number * 100)).await;
        match (number, message.receive_count) {
            (100.., _) => Outcome::failed(None, Failure::terminal("no")),
            (_, 1) => Outcome::failed(None, Failure::retry_after(seconds(30), "not yet")),
            _ => applied(),
        }
    };
    let noted = timeout(
        seconds(4),
        host(queue, &broker).serve(service!(handler), std::future::pending()),
    )
    .await;
    assert!(noted.is_err());
    assert_eq!((watched.calls("release"), watched.calls("dead_letter")), (2, 2));
}

//! The host keeps its promises on a standard queue.
#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod memory_support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use fanfare::fault::{Fault, FaultPlan};
use fanfare::memory::{Broker, Entry, MemoryQueue, QueueSettings};
use fanfare::port::{BoxFuture, Completed, DEAD_LETTER_ATTRIBUTE};
use fanfare::{
    Attribute, Attributes, BoxError, Clock, DedupeKey, Failure, Handled, Message, Outcome, RetryPolicy,
    Verdict,
};
use memory_support::*;
use serde_json::Value;
use tokio::time::{Instant, advance, sleep, timeout};

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
async fn heartbeat_races_settle() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q);
    queue.hold_extensions.send_replace(true);
    let (diary, hold) = (queue.diary.clone(), queue.hold_extensions.clone());
    tokio::spawn(async move {
        sleep(seconds(20)).await;
        hold.send_replace(false);
    });
    let handler = move |message: Message| {
        let diary = diary.clone();
        async move {
            diary.note(format!("try {}", message.receive_count));
            if message.receive_count > 1 {
                return applied();
            }
            // The extension is under way since 15 s, and is let through at 20 s.
            sleep(seconds(16)).await;
            Outcome::failed(None, Failure::retry_after(seconds(5), "not yet"))
        }
    };
    let diary = queue.diary.clone();
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let expected = [
        (0, "try 1"),
        (15, "extend 1"),
        (20, "release 5"),
        (25, "try 2"),
        (25, "delete 1"),
    ];
    assert_eq!(
        diary.entries(),
        expected.map(|(at, what)| (at, what.to_owned())),
        "5 s after it was settled"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_handler_keeps_its_message_and_nothing_is_extended_after_settling() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..15);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let handler = |_: Message| async {
        sleep(seconds(100)).await;
        applied()
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let extensions: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("extend"))
        .collect();
    let at = |second: u64| [(second, "extend 10".to_owned()), (second, "extend 5".to_owned())];
    let expected: Vec<_> = [15, 30, 45, 60, 75, 90].into_iter().flat_map(at).collect();
    assert_eq!(extensions, expected, "one heartbeat for all, in batches of 10");
    assert_eq!(broker.counts("q-dlq").unwrap().total(), 0);
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
async fn what_is_being_settled_is_not_extended() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    // The message can't be given back until it comes again by itself.
    let queue = Watched::new(&broker, Q).failing(|call, _, _| match call {
        "release" => Fails::Retryable,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(format!("try {}", message.receive_count));
        async move {
            if message.receive_count == 1 {
                failed()
            } else {
                applied()
            }
        }
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert!(
        diary.entries().contains(&(30, "try 2".to_owned())),
        "{:?}",
        diary.entries()
    );
    assert_eq!(diary.count("extend 1"), 0);
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
async fn visibility_starts_at_receive() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..10);
    let runs = Arc::new(Mutex::new(BTreeMap::new()));
    let handler = {
        let runs = runs.clone();
        move |message: Message| {
            *runs.lock().unwrap().entry(message.body).or_insert(0) += 1;
            async {
                sleep(seconds(20)).await;
                applied()
            }
        }
    };
    let queue = MemoryQueue::new(broker.clone(), Q);
    let quiet = Quiet::new();
    host(queue, &broker)
        .concurrency(1)
        .serve(service!(handler), quiet.wait(&broker, Q))
        .await;
    assert_eq!(quiet.after(), seconds(200));
    let runs = runs.lock().unwrap();
    assert!(
        runs.len() == 10 && runs.values().all(|count| *count == 1),
        "{runs:?}"
    );
}

/// A service that is ready only after a while.
#[derive(Clone)]
struct Late {
    ready: Instant,
    sleep: Arc<Mutex<Option<std::pin::Pin<Box<tokio::time::Sleep>>>>>,
    diary: Diary,
}

impl tower::Service<Message> for Late {
    type Response = Outcome;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Outcome, Self::Error>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        let mut sleep = self.sleep.lock().unwrap();
        let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.ready)));
        sleep.as_mut().poll(context).map(Ok)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        self.diary
            .note(format!("start {} {}", message.body, message.receive_count));
        std::future::ready(Ok(applied()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_expired_while_waiting_for_its_start_is_dropped_unstarted() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("extend", 1) => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let late = Late {
        ready: Instant::now() + seconds(40),
        sleep: Arc::default(),
        diary: diary.clone(),
    };
    host(queue, &broker)
        .serve(late, async { broker.quiet([Q]).await.unwrap() })
        .await;
    let starts: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("start"))
        .collect();
    assert_eq!(
        starts,
        [(40, "start a 2".to_owned())],
        "the first receive was lost at 15 s"
    );
}

#[tokio::test(start_paused = true)]
async fn losing_the_hold_tells_the_handler() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("extend", 2) => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let handler = {
        let diary = diary.clone();
        move |message: Message| {
            let diary = diary.clone();
            async move {
                if message.receive_count == 1 {
                    message.lost.lost().await;
                    diary.note("lost");
                    return failed();
                }
                applied()
            }
        }
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let entries = diary.entries();
    assert!(entries.contains(&(30, "lost".to_owned())), "{entries:?}");
    assert!(
        !diary.whats().iter().any(|what| what.starts_with("release")),
        "nothing is settled by it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_at_12_hours_and_a_retry_is_clamped_to_what_is_left() {
    let broker = with_queue(Q, 50);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let handler = {
        let diary = diary.clone();
        move |message: Message| {
            let diary = diary.clone();
            async move {
                diary.note(format!("try {}", message.receive_count));
                match message.receive_count {
                    1 => {
                        sleep(11 * HOUR).await;
                        Outcome::failed(None, Failure::retry_after(2 * HOUR, "not yet"))
                    }
                    2 => {
                        message.lost.lost().await;
                        diary.note("lost");
                        sleep(10 * HOUR).await;
                        applied()
                    }
                    _ => applied(),
                }
            }
        }
    };
    let host = host(queue, &broker).retry(policy(50));
    timeout(
        3 * DAY,
        host.serve(service!(handler), async { broker.quiet([Q]).await.unwrap() }),
    )
    .await
    .unwrap();
    let tries: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("try") || what == "lost" || what.starts_with("release"))
        .collect();
    let twelve = 12 * 3600 - 60;
    let expected = [
        (0, "try 1".to_owned()),
        (11 * 3600, format!("release {}", 3600 - 60)),
        (twelve, "try 2".to_owned()),
        (2 * twelve, "lost".to_owned()),
    ];
    assert_eq!(tries[..4], expected);
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
async fn a_failure_on_the_last_permitted_receive_becomes_a_dead_letter_with_its_reason() {
    let broker = with_queue(Q, 3);
    let attributes = Attributes::from([("type".to_owned(), Attribute::string("a.b"))]);
    let sent = broker
        .send(
            Q,
            Entry {
                attributes,
                ..Entry::new("a")
            },
        )
        .unwrap();
    let handler = |_: Message| async { Outcome::failed(None, Failure::retry("the bank is closed")) };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .retry(policy(3))
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let dead = drain(&broker, "q-dlq").await;
    assert_eq!(
        (dead.len(), &dead[0].id, &*dead[0].body),
        (1, &sent.message_id, "a")
    );
    assert_eq!(dead[0].attributes["type"], Attribute::string("a.b"));
    let reason: Value =
        serde_json::from_str(dead[0].attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap()).unwrap();
    assert_eq!(reason["reason"], "the bank is closed");
    assert_eq!(
        (&reason["consumer"], &reason["attempts"]),
        (&"consumer".into(), &3.into())
    );
    assert_eq!((&reason["times"], &reason["first"]), (&1.into(), &reason["last"]));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_failure_becomes_a_dead_letter_at_once() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let handler = |_: Message| async { Outcome::failed(None, Failure::terminal("no such account")) };
    let quiet = Quiet::new();
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .serve(service!(handler), quiet.wait(&broker, Q))
        .await;
    assert_eq!(quiet.after(), Duration::ZERO);
    assert_eq!(broker.counts(Q).unwrap().dead, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_dead_letter_queue_keeps_coming_with_pauses() {
    let broker = broker();
    broker.create_queue(Q, Default::default()).unwrap();
    send(&broker, Q, ["a"]);
    let tries = Arc::new(AtomicUsize::new(0));
    let handler = {
        let tries = tries.clone();
        move |_: Message| {
            let fails = tries.fetch_add(1, Ordering::Relaxed) < 8;
            async move {
                if fails {
                    Outcome::failed(None, Failure::terminal("no"))
                } else {
                    applied()
                }
            }
        }
    };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(tries.load(Ordering::Relaxed), 9);
}

struct Always(bool);

impl Completed for Always {
    fn completed<'a>(&'a self, _: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>> {
        Box::pin(async { Ok(self.0) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_what_the_inbox_has_completed_is_a_duplicate() {
    for completed in [true, false] {
        let broker = with_queue(Q, 5);
        send(&broker, Q, ["a"]);
        let verdicts = Arc::new(Mutex::new(Vec::new()));
        let handler = |_: Message| async {
            Outcome::failed(
                Some(DedupeKey::new("c", "/s", "1")),
                Failure::terminal("an illegal step"),
            )
        };
        let seen = verdicts.clone();
        host(MemoryQueue::new(broker.clone(), Q), &broker)
            .completed(Arc::new(Always(completed)))
            .observe(move |settled| {
                seen.lock()
                    .unwrap()
                    .push((settled.outcome.name(), settled.verdict.clone()))
            })
            .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
            .await;
        let expected = match completed {
            true => ("duplicate", Verdict::Delete),
            false => (
                "terminal",
                Verdict::DeadLetter {
                    reason: "an illegal step".into(),
                },
            ),
        };
        assert_eq!(*verdicts.lock().unwrap(), [expected]);
    }
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

#[tokio::test(start_paused = true)]
async fn a_poison_job_that_crashes_the_process_still_reaches_the_dead_letter_queue() {
    let broker = with_queue(Q, 3);
    send(&broker, Q, ["poison"]);
    let mut crashes = 0;
    loop {
        let (crash, crashed) = tokio::sync::watch::channel(false);
        let mut crashed = crashed;
        let handler = move |_: Message| {
            crash.send_replace(true);
            std::future::pending::<Outcome>()
        };
        let serve = host(MemoryQueue::new(broker.clone(), Q), &broker)
            .retry(RetryPolicy::default())
            .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() });
        tokio::select! {
            biased;
            _ = crashed.wait_for(|crashed| *crashed) => crashes += 1,
            () = serve => break,
        }
    }
    assert_eq!(crashes, 3);
    assert_eq!(broker.counts(Q).unwrap().dead, 1);
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

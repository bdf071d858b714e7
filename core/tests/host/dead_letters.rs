//! What can't be handled, and what is left in the queue.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::memory::{Entry, MemoryQueue};
use fanfare::port::{BoxFuture, Completed, DEAD_LETTER_ATTRIBUTE};
use fanfare::{
    Attribute, Attributes, Backoff, BoxError, DedupeKey, Failure, Message, Outcome, RetryPolicy, Verdict,
};
use serde_json::Value;

use crate::memory_support::*;
use crate::service;

const Q: &str = "q";

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

/// An inbox that can't be asked for a while.
struct Unreadable(tokio::time::Instant);

impl Completed for Unreadable {
    fn completed<'a>(&'a self, _: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>> {
        let back = self.0 <= tokio::time::Instant::now();
        Box::pin(async move {
            back.then_some(false)
                .ok_or_else(|| "no route to the table".into())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_inbox_can_not_be_asked_no_message_is_moved_without_its_reason() {
    let broker = with_queue(Q, 2);
    send(&broker, Q, ["a"]);
    let handler = |_: Message| async {
        let key = DedupeKey::new("c", "/s", "1");
        Outcome::failed(Some(key), Failure::terminal("an illegal step"))
    };
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .retry(policy(2))
        .completed(Arc::new(Unreadable(tokio::time::Instant::now() + seconds(100))))
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let dead = drain(&broker, "q-dlq").await;
    let reason = dead[0].attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap();
    assert!(
        reason.contains("an illegal step") && reason.contains(r#""attempts":2"#),
        "{reason}"
    );
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
async fn a_dead_letter_without_room_for_its_reason_is_moved_by_the_queue_itself() {
    let broker = with_queue(Q, 3);
    let attributes: Attributes = (0..10)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let entry = Entry {
        attributes: attributes.clone(),
        ..Entry::new("a")
    };
    broker.send(Q, entry).unwrap();
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let handler = |_: Message| async { Outcome::failed(None, Failure::terminal("no such account")) };
    host(queue, &broker)
        .retry(RetryPolicy {
            backoff: Backoff::new(1_000 * seconds(1), 1_000 * seconds(1)),
            ..policy(3)
        })
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let whats = diary.whats();
    let of = |what: &str| whats.iter().filter(|entry| entry.starts_with(what)).count();
    assert_eq!((of("dead letter"), of("release")), (3, 3), "{whats:?}");
    assert_eq!(
        whats.last().unwrap(),
        "release 0",
        "shown for the queue to move it"
    );
    let dead = drain(&broker, "q-dlq").await;
    assert_eq!((dead.len(), &dead[0].attributes), (1, &attributes));
}

//! Groups of a FIFO queue: their order, and what a failure costs those behind it.

use std::sync::Arc;

use fanfare::host::BatchHost;
use fanfare::memory::MemoryQueue;
use fanfare::port::DEAD_LETTER_ATTRIBUTE;
use fanfare::topology::FunctionSettings;
use fanfare::{Advice, Failure};
use tokio::time::{Instant, sleep};

use super::*;
use crate::service;

const Q: &str = "q.fifo";
const DLQ: &str = "q-dlq.fifo";

/// Notes each start before it does as it is told.
fn noting<F: Future<Output = Outcome> + Send + 'static>(
    diary: &Diary,
    handler: impl Fn(Message) -> F + Clone + Send + 'static,
) -> impl Fn(Message) -> F + Clone + Send + 'static {
    let diary = diary.clone();
    move |message| {
        diary.note(format!("{} {}", named(&message), message.receive_count));
        handler(message)
    }
}

fn at(entries: &[(u64, &str)]) -> Vec<(u64, String)> {
    entries.iter().map(|(at, what)| (*at, what.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_group_run_one_after_another_and_groups_side_by_side() {
    let broker = broker_of(Q, 30);
    send_fifo(
        &broker,
        Q,
        &[("a", "1"), ("a", "2"), ("b", "1"), ("a", "3"), ("b", "2")],
    );
    let diary = Diary::new();
    let handler = noting(&diary, |_| async {
        sleep(seconds(5)).await;
        applied()
    });
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 30);
    map(&broker, Q, &host, service!(handler)).await;
    let expected = [(0, "a1 1"), (0, "b1 1"), (5, "a2 1"), (5, "b2 1"), (10, "a3 1")];
    assert_eq!(diary.entries(), at(&expected));
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_only_its_group() {
    let broker = broker_of(Q, 30);
    send_fifo(
        &broker,
        Q,
        &[
            ("a", "1"),
            ("a", "2"),
            ("a", "3"),
            ("b", "1"),
            ("b", "2"),
            ("a", "4"),
        ],
    );
    let batch = receive(&broker, Q, 10).await;
    let queue = Watched::new(&broker, Q);
    let (diary, calls) = (Diary::new(), queue.diary.clone());
    let handler = noting(&diary, |message| async move {
        match &*named(&message) {
            "a2" => Outcome::failed(None, Failure::retry_after(seconds(40), "not yet")),
            _ => applied(),
        }
    });
    let host = batch_host(queue, 30);
    let handed = host
        .handle(service!(handler), batch.clone(), Instant::now() + TIME)
        .await;
    assert_eq!(bodies(&handed, &batch), ["2", "3", "4"]);
    assert_eq!(diary.whats(), ["a1 1", "b1 1", "a2 1", "b2 1"]);
    assert_eq!(
        calls.whats(),
        ["release 40", "release 0", "release 0"],
        "the head's own pause rules"
    );
    for received in &batch {
        if !handed.failed.contains(&received.message.id) {
            broker.delete(Q, received.receipt).unwrap();
        }
    }
    assert!(receive(&broker, Q, 10).await.is_empty(), "they wait for the head");
    sleep(seconds(40)).await;
    let again = receive(&broker, Q, 10).await;
    let order: Vec<_> = again.iter().map(|received| &*received.message.body).collect();
    assert_eq!(order, ["2", "3", "4"]);
}

/// A head and a follower that fail for ever, and one that never does.
async fn failing_heads(
    batch: u32,
    attempts: u32,
    counter: Option<Counter>,
    fails: impl Fn(&str, u32) -> bool + Clone + Send + 'static,
) -> (Diary, Vec<(String, String)>) {
    // What the wiring demands.
    let receives = batch * attempts;
    let broker = broker_of(Q, receives);
    let bodies: Vec<_> = (1..=batch).map(|number| format!("{number:02}")).collect();
    let group: Vec<_> = bodies.iter().map(|body| ("a", &**body)).collect();
    send_fifo(&broker, Q, &group);
    let service = function(receives, FunctionSettings::default().attempts(attempts));
    let mut host = BatchHost::of(MemoryQueue::new(broker.clone(), Q), &service);
    if let Some(counter) = counter {
        host = host.tries(Arc::new(counter));
    }
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(message.body.clone());
        let tries = u32::try_from(noted.count(&message.body)).unwrap();
        let fails = fails(&message.body, tries);
        async move { if fails { failed() } else { applied() } }
    };
    map(&broker, Q, &host, service!(handler)).await;
    let dead = drain(&broker, DLQ).await.into_iter();
    let dead = dead.map(|dead| {
        let reason = dead.attributes.get(DEAD_LETTER_ATTRIBUTE);
        let reason = reason.and_then(|reason| reason.text()).unwrap_or_default();
        (dead.body, reason.to_owned())
    });
    (diary, dead.collect())
}

/// Each of ten is tried three times and fails, but the last one: it is received 27 times before its first
/// try, and handled then.
#[tokio::test(start_paused = true)]
async fn followers_of_a_failing_head_are_not_driven_to_the_dead_letters() {
    let (diary, dead) = failing_heads(10, 3, Some(Counter::default()), |body, _| body != "10").await;
    let bodies: Vec<_> = dead.iter().map(|(body, _)| &**body).collect();
    assert_eq!(bodies, ["01", "02", "03", "04", "05", "06", "07", "08", "09"]);
    for (body, reason) in &dead {
        assert_eq!(diary.count(body), 3, "all its own attempts");
        assert!(
            reason.contains("a passing fault") && reason.contains(r#""attempts":3"#),
            "{reason}"
        );
    }
    assert_eq!(diary.count("10"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_follower_has_all_its_attempts_after_those_of_its_head() {
    let (diary, dead) = failing_heads(3, 3, Some(Counter::default()), |body, tries| match body {
        "01" => true,
        "02" => tries < 3,
        _ => tries < 2,
    })
    .await;
    let bodies: Vec<_> = dead.iter().map(|(body, _)| &**body).collect();
    assert_eq!(bodies, ["01"]);
    assert_eq!(
        ["01", "02", "03"].map(|body| diary.count(body)),
        [3, 3, 2],
        "{:?}",
        diary.whats()
    );
}

/// Where nobody counts, receives are all there is: a message that never fails is handled all the same,
/// one that fails after those ahead of it did may be given up with its first try.
#[tokio::test(start_paused = true)]
async fn without_tries_none_that_never_failed_becomes_a_dead_letter() {
    let (diary, dead) = failing_heads(10, 3, None, |body, _| body != "10").await;
    let bodies: Vec<_> = dead.iter().map(|(body, _)| &**body).collect();
    assert_eq!(bodies, ["01", "02", "03", "04", "05", "06", "07", "08", "09"]);
    assert_eq!((diary.count("01"), diary.count("02")), (3, 1));
    assert_eq!(diary.count("10"), 1);
    assert!(dead.iter().all(|(_, reason)| reason.contains("a passing fault")));
}

/// The table that counts can't be reached: nothing is given up before the queue would do it by itself.
#[tokio::test(start_paused = true)]
async fn while_tries_can_not_be_counted_a_message_is_kept_until_its_last_receive() {
    let (diary, dead) = failing_heads(2, 3, Some(Counter::broken()), |body, _| body == "01").await;
    assert_eq!(diary.count("01"), 6);
    assert_eq!(dead.len(), 1);
    assert!(dead[0].1.contains("a passing fault"), "{dead:?}");
    assert_eq!(diary.count("02"), 1);
}

/// Or its one attempt would never be the last.
#[tokio::test(start_paused = true)]
async fn the_only_attempt_is_the_last_one_whether_it_was_counted_or_not() {
    for counter in [None, Some(Counter::default()), Some(Counter::broken())] {
        let (diary, dead) = failing_heads(3, 1, counter, |body, _| body != "03").await;
        assert_eq!(dead.len(), 2);
        assert_eq!(["01", "02", "03"].map(|body| diary.count(body)), [1, 1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_message_has_all_its_attempts_again() {
    let broker = broker_of(Q, 30);
    send_fifo(&broker, Q, &[("a", "1")]);
    let counter = Counter::default();
    let service = function(30, FunctionSettings::default());
    let host = BatchHost::of(MemoryQueue::new(broker.clone(), Q), &service).tries(Arc::new(counter.clone()));
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |_: Message| {
        noted.note("try");
        async { failed() }
    };
    let service = service!(handler);
    map(&broker, Q, &host, service.clone()).await;
    assert_eq!(diary.count("try"), 3);
    assert_eq!(broker.redrive(DLQ, None, 10).unwrap().moved, 1);
    map(&broker, Q, &host, service).await;
    assert_eq!((diary.count("try"), counter.total()), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn only_failed_tries_are_counted() {
    let broker = broker_of(Q, 30);
    send_fifo(
        &broker,
        Q,
        &[("a", "good"), ("b", "held"), ("c", "never"), ("d", "bad")],
    );
    let batch = receive(&broker, Q, 10).await;
    let counter = Counter::default();
    let service = function(30, FunctionSettings::default());
    let host = BatchHost::of(MemoryQueue::new(broker.clone(), Q), &service).tries(Arc::new(counter.clone()));
    let handler = |message: Message| async move {
        match &*message.body {
            "held" => Outcome::failed(None, Failure::from(Advice::Held(seconds(9)))),
            "never" => Outcome::failed(None, Failure::terminal("never")),
            "bad" => failed(),
            _ => applied(),
        }
    };
    let handed = host
        .handle(service!(handler), batch.clone(), Instant::now() + TIME)
        .await;
    assert_eq!(bodies(&handed, &batch), ["held", "bad"]);
    assert_eq!(counter.total(), 1);
}

/// Also one that is stopped when the time is up, whose own outcome nobody sees.
#[tokio::test(start_paused = true)]
async fn a_head_that_always_takes_too_long_becomes_a_dead_letter_and_its_follower_is_handled() {
    let broker = broker_of(Q, 30);
    send_fifo(&broker, Q, &[("a", "slow"), ("a", "good")]);
    let counter = Counter::default();
    let service = function(30, FunctionSettings::default());
    let host = BatchHost::of(MemoryQueue::new(broker.clone(), Q), &service).tries(Arc::new(counter.clone()));
    let diary = Diary::new();
    let handler = noting(&diary, |message| async move {
        if message.body == "slow" {
            sleep(HOUR).await;
        }
        applied()
    });
    map(&broker, Q, &host, service!(handler)).await;
    assert_eq!(diary.whats(), ["aslow 1", "aslow 2", "aslow 3", "agood 4"]);
    assert_eq!(counter.total(), 3);
    assert_eq!(broker.counts(DLQ).unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_after_a_dead_letter_only_when_that_is_safe() {
    for safe in [true, false] {
        let broker = broker_of(Q, 30);
        send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("a", "3")]);
        let batch = receive(&broker, Q, 10).await;
        let queue = Watched::new(&broker, Q).failing(move |call, _, _| match call {
            "dead_letter" if !safe => Fails::Retryable,
            _ => Fails::No,
        });
        let diary = queue.diary.clone();
        let handler = noting(&diary, |message| async move {
            match &*message.body {
                "1" => Outcome::failed(None, Failure::terminal("never")),
                _ => applied(),
            }
        });
        let host = batch_host(queue, 30);
        let handed = host
            .handle(service!(handler), batch.clone(), Instant::now() + TIME)
            .await;
        let expected: (&[&str], &[&str]) = match safe {
            true => (&[], &["a1 1", "dead letter after 1", "a2 1", "a3 1"]),
            false => (
                &["1", "2", "3"],
                &[
                    "a1 1",
                    "dead letter after 1",
                    "release later",
                    "release 0",
                    "release 0",
                ],
            ),
        };
        assert_eq!(bodies(&handed, &batch), expected.0);
        assert_eq!(calls(&diary), expected.1);
    }
}

#[tokio::test(start_paused = true)]
async fn followers_for_which_too_little_time_is_left_are_given_back_in_order() {
    let broker = broker_of(Q, 30);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4")]);
    let diary = Diary::new();
    let handler = noting(&diary, |_| async {
        sleep(seconds(12)).await;
        applied()
    });
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 30);
    map(&broker, Q, &host, service!(handler)).await;
    // Of 29 s, after 24 s there is no time for another one.
    let expected = [(0, "a1 1"), (12, "a2 1"), (24, "a3 2"), (36, "a4 2")];
    assert_eq!(diary.entries(), at(&expected));
}

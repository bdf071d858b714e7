//! What is named failed, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::host::BatchHost;
use fanfare::memory::MemoryQueue;
use fanfare::port::{BoxFuture, Completed, DEAD_LETTER_ATTRIBUTE};
use fanfare::topology::FunctionSettings;
use fanfare::{Advice, BoxError, DedupeKey, Delivery, Failure, Handled, Message, Outcome, Router};
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::service;

const Q: &str = "q";

#[tokio::test(start_paused = true)]
async fn what_is_done_is_cleared_and_all_else_is_named_in_the_order_it_came() {
    let broker = broker_of(Q, 5);
    send(
        &broker,
        Q,
        ["bad", "good", "late", "again", "held", "never", "good too"],
    );
    let batch = receive(&broker, Q, 10).await;
    let handler = |message: Message| async move {
        match &*message.body {
            "bad" => failed_for(3),
            "late" => {
                sleep(seconds(5)).await;
                failed_for(4)
            }
            "again" => Outcome::handled(None, Handled::Duplicate),
            "held" => Outcome::failed(None, Failure::from(Advice::Held(seconds(7)))),
            "never" => Outcome::failed(None, Failure::terminal("no such account")),
            _ => applied(),
        }
    };
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let host = batch_host(queue, 5);
    let handed = host
        .handle(service!(handler), batch.clone(), Instant::now() + TIME)
        .await;
    assert_eq!(bodies(&handed, &batch), ["bad", "late", "held"]);
    // Those that are cleared are deleted by the mapping, not here.
    assert_eq!(
        diary.entries(),
        [
            (0, "dead letter after 1"),
            (0, "release 3"),
            (0, "release 7"),
            (5, "release 4")
        ]
        .map(|(at, what)| (at, what.to_owned()))
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(broker.counts("q-dlq").unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_done() {
    let broker = broker_of(Q, 5);
    let host = batch_host(MemoryQueue::new(broker, Q), 5);
    let handler = |_: Message| async { applied() };
    let handed = host
        .handle(service!(handler), Vec::new(), Instant::now() + TIME)
        .await;
    assert!(handed.failed.is_empty());
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Placed {
    order: String,
}

impl fanfare::Event for Placed {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_record() {
    let broker = broker_of(Q, 5);
    let event = |order: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{order}","source":"/s","type":"order.placed","data":{{"order":"{order}"}}}}"#
        )
    };
    send(&broker, Q, [event("1"), event("2"), event("3")]);
    let batch = receive(&broker, Q, 10).await;
    let router = Router::new("consumer").on::<Placed>(|placed: Delivery<Placed>| async move {
        assert_ne!(placed.order, "2", "on purpose");
        Ok(Handled::Applied)
    });
    let service = router.into_service().unwrap();
    let host = BatchHost::of(MemoryQueue::new(broker.clone(), Q), &service);
    let handed = host.handle(service, batch.clone(), Instant::now() + TIME).await;
    assert_eq!(handed.failed, [batch[1].message.id.clone()]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_of_the_router_costs_one_record_too() {
    let broker = broker_of(Q, 2);
    send(&broker, Q, ["good", "bad", "good"]);
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 2);
    let handler = |message: Message| async move {
        assert_ne!(message.body, "bad", "on purpose");
        applied()
    };
    map(&broker, Q, &host, service!(handler)).await;
    let dead = drain(&broker, "q-dlq").await;
    assert_eq!(dead.len(), 1);
    let reason = dead[0].attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap();
    assert!(reason.contains(r#""attempts":2"#), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn messages_run_side_by_side_and_no_more_of_them_than_there_are_places() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, 0..10);
    let batch = receive(&broker, Q, 10).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let handler = move |_: Message| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(seconds(1)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            applied()
        }
    };
    let start = Instant::now();
    let host = batch_host(MemoryQueue::new(broker, Q), 5).concurrency(4);
    let handed = host.handle(service!(handler), batch, start + TIME).await;
    assert!(handed.failed.is_empty());
    assert_eq!((seen.load(Ordering::Relaxed), start.elapsed()), (4, seconds(3)));
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_comes_again_after_its_pause_and_in_the_end_is_a_dead_letter_with_its_reason() {
    let broker = broker_of(Q, 3);
    send(&broker, Q, ["bad", "good"]);
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(format!("{} {}", message.body, message.receive_count));
        async move {
            match (&*message.body, message.receive_count) {
                ("bad", 1) => Outcome::failed(None, Failure::retry_after(seconds(40), "not yet")),
                ("bad", _) => failed_for(2),
                _ => applied(),
            }
        }
    };
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 3);
    map(&broker, Q, &host, service!(handler)).await;
    let expected = [(0, "bad 1"), (0, "good 1"), (40, "bad 2"), (42, "bad 3")];
    assert_eq!(diary.entries(), expected.map(|(at, what)| (at, what.to_owned())));
    let dead = drain(&broker, "q-dlq").await;
    let reason = dead[0].attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap();
    assert!(
        reason.contains("a passing fault") && reason.contains(r#""attempts":3"#),
        "{reason}"
    );
}

/// An inbox in which everything is done, or nothing.
struct Always(bool);

impl Completed for Always {
    fn completed<'a>(&'a self, _: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>> {
        Box::pin(async { Ok(self.0) })
    }
}

#[tokio::test(start_paused = true)]
async fn the_inbox_is_asked_before_a_failure_becomes_a_dead_letter() {
    for completed in [false, true] {
        let broker = broker_of(Q, 5);
        send(&broker, Q, ["a"]);
        let batch = receive(&broker, Q, 10).await;
        let handler = |_: Message| async {
            let key = DedupeKey::new("consumer", "/s", "1");
            Outcome::failed(Some(key), Failure::terminal("an illegal step"))
        };
        let verdicts = Arc::new(Mutex::new(Vec::new()));
        let seen = verdicts.clone();
        let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5)
            .completed(Arc::new(Always(completed)))
            .observe(move |settled| seen.lock().unwrap().push(settled.outcome.name()));
        let handed = host.handle(service!(handler), batch, Instant::now() + TIME).await;
        assert!(handed.failed.is_empty());
        let expected = if completed { "duplicate" } else { "terminal" };
        assert_eq!(*verdicts.lock().unwrap(), [expected]);
        assert_eq!(broker.counts("q-dlq").unwrap().visible, usize::from(!completed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_in_a_batch_is_handled_once_and_named_once() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["a"]);
    let first = receive(&broker, Q, 10).await;
    advance(6 * TIME).await;
    let again = receive(&broker, Q, 10).await;
    assert_eq!(first[0].message.id, again[0].message.id);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let handler = move |_: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { failed() }
    };
    let batch: Vec<_> = first.into_iter().chain(again).collect();
    let id = batch[0].message.id.clone();
    let host = batch_host(MemoryQueue::new(broker.clone(), Q), 5);
    let handed = host.handle(service!(handler), batch, Instant::now() + TIME).await;
    assert_eq!((handed.failed, runs.load(Ordering::Relaxed)), (vec![id], 1));
    // Given back by the receipt that counts.
    advance(seconds(100)).await;
    assert_eq!(broker.counts(Q).unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn on_its_last_permitted_receive_a_message_held_by_another_waits_in_place_if_there_is_time() {
    for (time, tries, dead) in [(TIME, 2, 0), (seconds(10), 1, 1)] {
        let broker = broker_of(Q, 1);
        send(&broker, Q, ["a"]);
        let batch = receive(&broker, Q, 10).await;
        let start = Instant::now();
        let diary = Diary::new();
        let noted = diary.clone();
        let handler = move |message: Message| {
            noted.note(format!("try {}", message.receive_count));
            async move {
                match start.elapsed() < seconds(9) {
                    true => Outcome::failed(None, Failure::from(Advice::Held(seconds(9)))),
                    false => applied(),
                }
            }
        };
        let host = batch_host(MemoryQueue::new(broker.clone(), Q), 1);
        let handed = host.handle(service!(handler), batch, start + time).await;
        let expected: Vec<_> = [(0, "try 1".to_owned()), (9, "try 1".to_owned())].into();
        assert_eq!(diary.entries(), expected[..tries]);
        assert_eq!(handed.failed.len(), dead);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_measured_as_the_loop_measures() {
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["good", "long", "bad", "failed"]);
    let batch = receive(&broker, Q, 10).await;
    let handler = |message: Message| async move {
        match &*message.body {
            "long" => sleep(seconds(20)).await,
            "bad" => return Outcome::failed(None, Failure::terminal("no")),
            "failed" => return failed(),
            _ => {}
        }
        applied()
    };
    let queue = Watched::new(&broker, Q).failing(|call, _, _| match call {
        "release" => Fails::Retryable,
        _ => Fails::No,
    });
    let host = batch_host(queue, 5);
    host.handle(service!(handler), batch, Instant::now() + TIME).await;
    let values = crate::metrics::recorded(&recorder);
    let sum = |name: &str| values.get(name).map_or(0.0, |values| values.iter().sum::<f64>());
    let count = |name: &str| values.get(name).map_or(0, Vec::len);
    assert_eq!(
        sum("messaging.client.consumed.messages receive"),
        4.0,
        "{values:#?}"
    );
    assert_eq!(sum("fanfare.messages.handled applied"), 2.0);
    assert_eq!(sum("fanfare.messages.handled terminal"), 1.0);
    assert_eq!(sum("fanfare.messages.handled failed"), 1.0);
    assert_eq!(sum("fanfare.messages.in_flight"), 0.0, "at the end");
    assert_eq!(sum("fanfare.settle.failures release"), 1.0);
    assert_eq!(count("messaging.process.duration process"), 4);
    assert!(sum("messaging.process.duration process") >= 20.0);
    assert_eq!(count("fanfare.message.age"), 4);
    assert_eq!(sum("fanfare.message.receive_count"), 4.0);
    assert_eq!(values["fanfare.batch.entries dead_letter"], [1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_function_of_a_standard_queue_goes_by_receives_and_asks_nobody_to_count() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, ["bad"]);
    let counter = Counter::default();
    let service = function(5, FunctionSettings::default().attempts(2));
    let host = BatchHost::of(MemoryQueue::new(broker.clone(), Q), &service).tries(Arc::new(counter.clone()));
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |_: Message| {
        noted.note("try");
        async { failed() }
    };
    map(&broker, Q, &host, service!(handler)).await;
    assert_eq!((diary.count("try"), counter.total()), (5, 0));
}

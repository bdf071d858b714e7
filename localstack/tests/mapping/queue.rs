//! Between a queue and a function.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::memory::Receive;
use fanfare_local::mapping::{MappingError, QueueMapping};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{
    Seen, VISIBILITY, bodies, failures, local, records, seconds, send, send_in_group, until_quiet,
};

#[tokio::test(start_paused = true)]
async fn what_is_named_comes_again_after_its_visibility_timeout_and_the_rest_is_deleted() {
    let local = local(&["q"]);
    send(&local, "q", (0..10).map(|n| n.to_string()));
    let seen = Seen::default();
    let start = Instant::now();
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        seen.note((start.elapsed(), bodies(&event)));
        let bad = records(&event).iter().filter(|record| {
            let first = record["attributes"]["ApproximateReceiveCount"] == "1";
            first && ["3", "7"].contains(&record["body"].as_str().unwrap())
        });
        ready(Ok(failures(bad.map(|record| record["messageId"].clone()))))
    })
    .await;
    let seen = seen.all();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[0].1.len(), 10);
    assert_eq!(seen[1], (VISIBILITY, vec!["3".to_owned(), "7".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_names_nothing_of_the_batch_fails_it_and_so_do_an_error_and_a_timeout() {
    let replies: Vec<(&str, Result<Value, String>)> = vec![
        ("an error", Err("Unhandled".to_owned())),
        ("an empty id", Ok(failures([""]))),
        ("a null id", Ok(failures([Value::Null]))),
        (
            "an unknown id",
            Ok(failures(["e7a5b7f4-0000-0000-0000-000000000000"])),
        ),
        ("another key", Ok(json!({ "batchItemFailures": [{ "id": "1" }] }))),
        ("no object", Ok(json!("done"))),
        ("no list", Ok(json!({ "batchItemFailures": 1 }))),
    ];
    for (what, reply) in replies {
        let local = local(&["q"]);
        send(&local, "q", ["a", "b"]);
        let seen = Seen::default();
        until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
            seen.note(bodies(&event));
            ready(if seen.all().len() == 1 {
                reply.clone()
            } else {
                Ok(Value::Null)
            })
        })
        .await;
        assert_eq!(seen.all(), [["a", "b"], ["a", "b"]], "{what}");
    }

    let local = local(&["q"]);
    send(&local, "q", ["a", "b"]);
    let (seen, start) = (Seen::default(), Instant::now());
    let mapping = QueueMapping::new(&local, "q").timeout(seconds(5)).concurrency(1);
    until_quiet(&local, "q", mapping, |event| {
        seen.note((start.elapsed(), bodies(&event).len()));
        let slow = seen.all().len() == 1;
        async move {
            match slow {
                true => pending().await,
                false => Ok(Value::Null),
            }
        }
    })
    .await;
    assert_eq!(seen.all(), [(seconds(0), 2), (VISIBILITY, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_names_one_badly_keeps_the_good_ones_too() {
    let local = local(&["q"]);
    send(&local, "q", ["a", "b"]);
    let seen = Seen::default();
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        seen.note(bodies(&event));
        let reply = match seen.all().len() {
            1 => failures([event["Records"][0]["messageId"].clone(), Value::Null]),
            _ => Value::Null,
        };
        ready(Ok(reply))
    })
    .await;
    assert_eq!(seen.all(), [["a", "b"], ["a", "b"]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_it_is_full_or_when_its_window_is_over() {
    let local = local(&["q"]);
    let (seen, start) = (Seen::default(), Instant::now());
    let mapping = QueueMapping::new(&local, "q").batch(25).window(seconds(8));
    let invoke = |event: Value| {
        seen.note((start.elapsed(), records(&event).len()));
        ready(Ok(Value::Null))
    };
    let feed = async {
        sleep(seconds(5)).await;
        // One too many for two batches.
        send(&local, "q", (0..51).map(|n| n.to_string()));
        // Within the window of the one.
        sleep(seconds(4)).await;
        send(&local, "q", ["a", "b"]);
        sleep(seconds(1)).await;
        local.broker().quiet(["q"]).await.unwrap();
    };
    mapping.run(invoke, feed).await.unwrap();
    assert_eq!(
        seen.all(),
        [(seconds(5), 25), (seconds(5), 25), (seconds(13), 3)],
        "the window begins with the first message"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_is_cut_at_6_mb_and_what_is_cut_off_comes_next_at_its_first_receive() {
    let local = local(&["q"]);
    // Twice as long in JSON, so that three have room and four don't.
    send(&local, "q", (0..5).map(|_| "\"".repeat(1_000_000)));
    let seen = Seen::default();
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        let counts = records(&event).iter();
        assert!(
            counts
                .into_iter()
                .all(|record| record["attributes"]["ApproximateReceiveCount"] == "1")
        );
        seen.note((records(&event).len(), event.to_string().len() <= 6 * 1024 * 1024));
        ready(Ok(Value::Null))
    })
    .await;
    assert_eq!(seen.all(), [(3, true), (2, true)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_fifo_event_has_no_room_for_stays_behind_the_rest_of_its_group() {
    let local = local(&["q.fifo"]);
    // The fifth would have room beside the first three, before the fourth.
    let body = |n: usize| format!("{n}{}", "\"".repeat(if n == 4 { 1 } else { 1_000_000 }));
    send_in_group(&local, "q.fifo", "a", (0..8).map(body));
    let seen = Seen::default();
    until_quiet(&local, "q.fifo", QueueMapping::new(&local, "q.fifo"), |event| {
        let first: Vec<_> = bodies(&event).iter().map(|body| body[..1].to_owned()).collect();
        seen.note(first.concat());
        // The first batch fails from its second message on.
        let failed = match seen.all().len() {
            1 => &records(&event)[1..],
            _ => &[],
        };
        let failed: Vec<_> = failed.iter().map(|record| record["messageId"].clone()).collect();
        async move {
            sleep(seconds(1)).await;
            Ok(failures(failed))
        }
    })
    .await;
    assert_eq!(seen.all(), ["012", "1234", "567"]);
}

#[tokio::test(start_paused = true)]
async fn groups_go_side_by_side_and_none_is_in_two_batches_at_a_time() {
    let local = local(&["q.fifo"]);
    for n in 0..12 {
        for group in ["a", "b", "c"] {
            send_in_group(&local, "q.fifo", group, [format!("{n}")]);
        }
    }
    let at_work: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let (order, most) = (Seen::default(), AtomicUsize::new(0));
    let mapping = QueueMapping::new(&local, "q.fifo").batch(4);
    until_quiet(&local, "q.fifo", mapping, |event| {
        let messages: Vec<_> = records(&event)
            .iter()
            .map(|record| {
                let group = record["attributes"]["MessageGroupId"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                (group, record["body"].as_str().unwrap().parse::<usize>().unwrap())
            })
            .collect();
        let (at_work, order, most) = (&at_work, &order, &most);
        async move {
            let mut groups: Vec<_> = messages.iter().map(|(group, _)| group.clone()).collect();
            groups.dedup();
            for group in &groups {
                let mut at_work = at_work.lock().unwrap();
                *at_work.entry(group.clone()).or_default() += 1;
                assert_eq!(at_work[group], 1, "{group} is in two batches");
                most.fetch_max(at_work.values().sum(), Ordering::Relaxed);
            }
            sleep(seconds(1)).await;
            for message in messages {
                order.note(message);
            }
            for group in &groups {
                *at_work.lock().unwrap().get_mut(group).unwrap() -= 1;
            }
            Ok(Value::Null)
        }
    })
    .await;
    assert_eq!(most.load(Ordering::Relaxed), 3, "groups are side by side");
    for group in ["a", "b", "c"] {
        let own = order.all().into_iter().filter(|(of, _)| of == group);
        let own: Vec<_> = own.map(|(_, n)| n).collect();
        assert_eq!(own, (0..12).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_invocations_at_a_time_than_it_may_have() {
    let local = local(&["q"]);
    send(&local, "q", (0..100).map(|n| n.to_string()));
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mapping = QueueMapping::new(&local, "q").concurrency(3);
    until_quiet(&local, "q", mapping, |_| {
        let (now, most) = (&now, &most);
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(seconds(1)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            Ok(Value::Null)
        }
    })
    .await;
    assert_eq!(most.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_what_is_gathered_is_handled_and_nothing_more_is_taken() {
    let local = local(&["q"]);
    let (seen, start) = (Seen::default(), Instant::now());
    let mapping = QueueMapping::new(&local, "q").batch(100).window(seconds(20));
    send(&local, "q", ["a", "b"]);
    let invoke = |event: Value| {
        send(&local, "q", ["too late"]);
        async {
            sleep(seconds(3)).await;
            seen.note((start.elapsed(), bodies(&event)));
            drop(event);
            Ok(Value::Null)
        }
    };
    mapping.run(invoke, sleep(seconds(5))).await.unwrap();
    assert_eq!(start.elapsed(), seconds(8), "it is waited for");
    assert_eq!(seen.all(), [(seconds(8), vec!["a".to_owned(), "b".to_owned()])]);
    let counts = local.broker().counts("q").unwrap();
    assert_eq!((counts.visible, counts.in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_what_was_cut_off_is_given_back() {
    let local = local(&["q"]);
    send(&local, "q", (0..5).map(|_| "\"".repeat(1_000_000)));
    let invoke = |_| async {
        sleep(seconds(3)).await;
        Ok(Value::Null)
    };
    let mapping = QueueMapping::new(&local, "q").concurrency(1);
    mapping.run(invoke, sleep(seconds(1))).await.unwrap();
    let counts = local.broker().counts("q").unwrap();
    assert_eq!((counts.visible, counts.in_flight), (2, 0));
    let receive = Receive {
        max: 10,
        ..Receive::default()
    };
    assert_eq!(local.broker().receive("q", receive).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn settings_that_lambda_refuses_are_refused() {
    let local = local(&["q", "q.fifo"]);
    let of = |queue: &str| QueueMapping::new(&local, queue);
    let refused = [
        (of("q").batch(0), "batch size"),
        (of("q").batch(10_001).window(seconds(1)), "batch size"),
        (of("q").batch(11), "batch size"),
        (of("q").batch(11).window(Duration::from_millis(999)), "batch size"),
        (of("q.fifo").batch(11), "batch size"),
        (of("q").window(seconds(301)), "window"),
        (of("q.fifo").window(seconds(1)), "window"),
        (of("q").timeout(seconds(31)), "function timeout"),
        (of("q").timeout(Duration::ZERO), "function timeout"),
    ];
    for (mapping, what) in refused {
        let shown = format!("{mapping:?}");
        let run = mapping.run(|_| ready(Ok(Value::Null)), ready(()));
        match run.await {
            Err(MappingError::Setting { setting, .. }) => assert_eq!(setting, what, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
    let nowhere = of("nowhere").run(|_| ready(Ok(Value::Null)), pending()).await;
    assert!(matches!(nowhere, Err(MappingError::Queue { .. })), "{nowhere:?}");
    let taken = [
        of("q").batch(10_000).window(seconds(1)),
        of("q").window(seconds(300)),
        of("q.fifo").batch(10),
    ];
    for mapping in taken {
        mapping.run(|_| ready(Ok(Value::Null)), ready(())).await.unwrap();
    }
}

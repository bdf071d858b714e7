//! Between a queue and a function.

use std::collections::BTreeMap;
use std::future::{Future, pending, ready};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
};
use fanfare::Clock;
use fanfare::fault::FaultPlan;
use fanfare::memory::{Broker, Entry, QueueSettings, Receive};
use fanfare_local::mapping::{MappingError, QueueMapping};
use fanfare_local::{Dynamo, Local};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Seconds since 1970 at which all tests begin.
const START: u64 = 1_700_000_000;
const VISIBILITY: Duration = Duration::from_secs(30);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A world with these queues.
fn local(queues: &[&str]) -> Local {
    let clock = Clock::tokio(UNIX_EPOCH + seconds(START));
    let broker = Broker::new(clock.clone(), FaultPlan::none());
    for queue in queues {
        broker.create_queue(queue, QueueSettings::default()).unwrap();
    }
    Local::of(broker, Dynamo::memory(clock).unwrap())
}

fn send(local: &Local, queue: &str, bodies: impl IntoIterator<Item = impl Into<String>>) {
    for body in bodies {
        local.broker().send(queue, Entry::new(body)).unwrap();
    }
}

fn send_in_group(
    local: &Local,
    queue: &str,
    group: &str,
    bodies: impl IntoIterator<Item = impl Into<String>>,
) {
    for body in bodies {
        let entry = Entry {
            group: Some(group.to_owned()),
            deduplication_id: Some(fastrand::u64(..).to_string()),
            ..Entry::new(body)
        };
        local.broker().send(queue, entry).unwrap();
    }
}

/// Runs a mapping until the queue is empty.
async fn until_quiet<F>(local: &Local, queue: &str, mapping: QueueMapping, invoke: impl Fn(Value) -> F)
where
    F: Future<Output = Result<Value, String>>,
{
    let quiet = async { local.broker().quiet([queue]).await.unwrap() };
    mapping.run(invoke, quiet).await.unwrap();
}

fn records(event: &Value) -> &Vec<Value> {
    event["Records"].as_array().unwrap()
}

fn bodies(event: &Value) -> Vec<String> {
    let bodies = records(event).iter();
    bodies
        .map(|record| record["body"].as_str().unwrap().to_owned())
        .collect()
}

fn failures(ids: impl IntoIterator<Item = impl Into<Value>>) -> Value {
    let failures = ids.into_iter().map(|id| json!({ "itemIdentifier": id.into() }));
    json!({ "batchItemFailures": failures.collect::<Vec<_>>() })
}

/// What invocations saw, in their order.
struct Seen<T>(Mutex<Vec<T>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T: Clone> Seen<T> {
    fn note(&self, seen: T) {
        self.0.lock().unwrap().push(seen);
    }

    fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_has_what_awss_has() {
    let local = local(&["q"]);
    let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    let url = sqs
        .get_queue_url()
        .queue_name("q")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    let text = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("order.placed");
    let bytes = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(Blob::new([0, 255]));
    let trace = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value("Root=1-2-3");
    let trace = trace.build().unwrap();
    let sent = sqs
        .send_message()
        .queue_url(url)
        .message_body("hello world")
        .message_attributes("type", text.build().unwrap())
        .message_attributes("raw", bytes.build().unwrap())
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace)
        .message_group_id("tenant-1")
        .send()
        .await
        .unwrap();
    let seen = Seen::default();
    sleep(seconds(2)).await;
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        seen.note(event);
        ready(Ok(Value::Null))
    })
    .await;
    let events = seen.all();
    let handle = events[0]["Records"][0]["receiptHandle"].as_str().unwrap();
    assert_eq!(handle.len(), 40);
    assert_eq!(
        events,
        [json!({ "Records": [{
            "messageId": sent.message_id.unwrap(),
            "receiptHandle": handle,
            "body": "hello world",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1700000000000",
                "SenderId": "000000000000",
                "ApproximateFirstReceiveTimestamp": "1700000002000",
                "MessageGroupId": "tenant-1",
                "AWSTraceHeader": "Root=1-2-3",
            },
            "messageAttributes": {
                "type": {
                    "stringValue": "order.placed",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "String",
                },
                "raw": {
                    "binaryValue": "AP8=",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "Binary",
                },
            },
            "md5OfMessageAttributes": sent.md5_of_message_attributes.unwrap(),
            "md5OfBody": "5eb63bbbe01eeed093cb22bb8f5acdc3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
            "awsRegion": "us-east-1",
        }] })]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fifo_event_tells_group_place_and_deduplication_id() {
    let local = local(&["q.fifo"]);
    let entry = Entry {
        group: Some("account-1".to_owned()),
        deduplication_id: Some("17".to_owned()),
        ..Entry::new("{}")
    };
    let sent = local.broker().send("q.fifo", entry).unwrap();
    until_quiet(&local, "q.fifo", QueueMapping::new(&local, "q.fifo"), |event| {
        let attributes = &event["Records"][0]["attributes"];
        assert_eq!(attributes["MessageGroupId"], "account-1");
        assert_eq!(attributes["MessageDeduplicationId"], "17");
        assert_eq!(
            attributes["SequenceNumber"],
            format!("{:020}", sent.sequence_number.unwrap())
        );
        ready(Ok(Value::Null))
    })
    .await;
}

/// The receipt in an event is one that SQS takes.
#[tokio::test(start_paused = true)]
async fn a_function_can_change_when_a_failed_message_comes_again() {
    let local = local(&["q"]);
    send(&local, "q", ["order 17"]);
    let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    let url = sqs
        .get_queue_url()
        .queue_name("q")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    let seen = Seen::default();
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        seen.note(Instant::now());
        let (sqs, url, tries) = (&sqs, &url, seen.all().len());
        async move {
            if tries == 2 {
                return Ok(Value::Null);
            }
            let record = &event["Records"][0];
            let change = sqs
                .change_message_visibility()
                .queue_url(url)
                .visibility_timeout(3);
            change
                .receipt_handle(record["receiptHandle"].as_str().unwrap())
                .send()
                .await
                .unwrap();
            Ok(failures([record["messageId"].clone()]))
        }
    })
    .await;
    let seen = seen.all();
    assert_eq!(seen[1] - seen[0], seconds(3));
}

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
    let body = |n: usize| format!("{n}{}", "\"".repeat(1_000_000));
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
    assert_eq!(seen.all(), ["012", "123", "456", "7"]);
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
    for mapping in [of("q").batch(10_000).window(seconds(1)), of("q.fifo").batch(10)] {
        mapping.run(|_| ready(Ok(Value::Null)), ready(())).await.unwrap();
    }
}

//! What a host measures.

use std::collections::BTreeMap;

use fanfare::{Failure, Message, Outcome, metric};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::sleep;

use crate::memory_support::*;
use crate::service;

/// The recorded values by metric, with those of these labels behind the name.
pub(crate) fn recorded(recorder: &DebuggingRecorder) -> BTreeMap<String, Vec<f64>> {
    let mut values = BTreeMap::<String, Vec<f64>>::new();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let mut name = key.key().name().to_owned();
        for label in key.key().labels() {
            if [metric::OUTCOME, metric::OPERATION].contains(&label.key()) {
                name = format!("{name} {}", label.value());
            }
        }
        let value = match value {
            DebugValue::Counter(count) => vec![count as f64],
            DebugValue::Gauge(value) => vec![value.into_inner()],
            DebugValue::Histogram(values) => values.into_iter().map(|value| value.into_inner()).collect(),
        };
        values.entry(name).or_default().extend(value);
    }
    values
}

#[tokio::test(start_paused = true)]
async fn a_host_measures_what_it_does() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let broker = with_queue("q", 5);
    send(&broker, "q", ["good", "long", "bad"]);
    let queue = Watched::new(&broker, "q").failing(|call, nth, _| match (call, nth) {
        ("receive", 2) => Fails::Retryable,
        ("extend", 2) => Fails::NotHeld,
        _ => Fails::No,
    });
    let handler = |message: Message| async move {
        match (&*message.body, message.receive_count) {
            ("long", 1) => sleep(seconds(40)).await,
            ("bad", _) => return Outcome::failed(None, Failure::terminal("no")),
            _ => {}
        }
        applied()
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet(["q"]).await.unwrap() })
        .await;
    let values = recorded(&recorder);
    let sum = |name: &str| values.get(name).map_or(0.0, |values| values.iter().sum::<f64>());
    let count = |name: &str| values.get(name).map_or(0, Vec::len);

    assert_eq!(
        sum("messaging.client.consumed.messages receive"),
        3.0,
        "{values:#?}"
    );
    assert_eq!(sum("fanfare.messages.handled applied"), 2.0);
    assert_eq!(sum("fanfare.messages.handled terminal"), 1.0);
    assert_eq!(sum("fanfare.messages.in_flight"), 0.0, "at the end");
    assert_eq!(sum("fanfare.messages.extended"), 1.0);
    assert_eq!(sum("fanfare.messages.lost"), 1.0);
    assert_eq!(sum("fanfare.receive.failures"), 1.0);
    assert_eq!(sum("fanfare.settle.failures extend"), 1.0);
    assert_eq!(count("messaging.process.duration process"), 3);
    assert!(sum("messaging.process.duration process") >= 40.0);
    assert_eq!(count("fanfare.message.age"), 3);
    assert_eq!(sum("fanfare.message.receive_count"), 3.0);
    assert_eq!(values["fanfare.batch.entries dead_letter"], [1.0]);
    assert!(count("messaging.client.operation.duration delete") > 0);
}

/// Its time runs out while an extension is under way, which then says the same.
#[tokio::test(start_paused = true)]
async fn a_message_is_lost_once() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let broker = with_queue("q", 5);
    send(&broker, "q", ["a"]);
    let queue = Watched::new(&broker, "q").failing(|call, nth, _| match (call, nth) {
        ("extend", 1..=3) => Fails::Retryable,
        ("extend", 4) => Fails::NotHeld,
        // Nothing is received again meanwhile.
        ("receive", 2..) => Fails::Retryable,
        _ => Fails::No,
    });
    let hold = queue.hold_extensions.clone();
    let handler = |_: Message| async {
        sleep(seconds(50)).await;
        applied()
    };
    let serving = host(queue, &broker).serve(service!(handler), sleep(seconds(45)));
    let held_up = async {
        // The fourth is under way from 24 s to 32 s.
        sleep(seconds(23)).await;
        hold.send_replace(true);
        sleep(seconds(9)).await;
        hold.send_replace(false);
    };
    tokio::join!(serving, held_up);
    assert_eq!(recorded(&recorder)["fanfare.messages.lost"], [1.0]);
}

/// Every name is in the table of the documentation, and the table has no other.
#[test]
fn the_table_of_metrics_is_whole() {
    let source = include_str!("../../src/metric.rs");
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    let names: Vec<_> = source
        .split("/// Label:")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("pub const"))
        .filter_map(quoted)
        .collect();
    let rows: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
        .collect();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert!(names.len() > 10);
    assert_eq!(
        sorted(names),
        sorted(rows.into_iter().map(str::to_owned).collect())
    );
}

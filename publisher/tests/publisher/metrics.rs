//! What is counted.

use std::collections::BTreeMap;

use fanfare::port::Publish;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::aws::{Aws, One, Reply};
use crate::world::{many, publisher};

#[test]
fn messages_calls_and_fills_are_counted_by_destination_and_result() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let aws = Aws::first([Reply::Each(vec![
                One::Taken,
                One::Failed("InternalError", false),
                One::Failed("InvalidParameter", true),
            ])]);
            publisher(&aws).publish(many(3)).await;
        });
    });
    let mut seen = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: BTreeMap<_, _> = key
            .key()
            .labels()
            .map(|label| (label.key(), label.value()))
            .collect();
        assert_eq!(labels["messaging.destination.name"], "shop-orders");
        assert_eq!(labels["messaging.system"], "aws.sns");
        assert_eq!(labels["messaging.operation.name"], "publish");
        let error = labels.get("error.type").copied().unwrap_or("none");
        let value = match value {
            DebugValue::Counter(count) => count as usize,
            DebugValue::Gauge(_) => panic!("no gauges"),
            DebugValue::Histogram(values) => values.len(),
        };
        seen.insert((key.key().name().to_owned(), error.to_owned()), value);
    }
    let of = |name: &str, error: &str| seen.get(&(name.to_owned(), error.to_owned())).copied();
    assert_eq!(of("messaging.client.sent.messages", "none"), Some(2));
    assert_eq!(of("messaging.client.sent.messages", "InternalError"), Some(1));
    assert_eq!(of("messaging.client.sent.messages", "InvalidParameter"), Some(1));
    assert_eq!(of("messaging.client.operation.duration", "none"), Some(2));
    assert_eq!(of("fanfare.batch.entries", "none"), Some(2));
    assert_eq!(of("fanfare.publish.retries", "none"), Some(1));
}

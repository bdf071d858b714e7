//! Whatever is published: no call is too large, nothing is lost or doubled, and results are right.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare::port::Publish;
use proptest::prelude::*;

use crate::aws::{Aws, One, Reply};
use crate::world::{ids, pay, placed, posted, publisher};

const LIMITS: [(&str, usize); 2] = [("PublishBatch", 256 * 1024), ("SendMessageBatch", 1024 * 1024)];

#[derive(Clone, Debug)]
struct Shape {
    to: u8,
    characters: usize,
    key: u8,
    caller: usize,
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let size = prop_oneof![8 => 0..200_usize, 4 => 5_000..9_000_usize, 1 => 60_000..65_000_usize];
    let shape = (0..3_u8, size, 0..5_u8, 0..4_usize);
    let shape = shape.prop_map(|(to, characters, key, caller)| Shape {
        to,
        characters,
        key,
        caller,
    });
    prop::collection::vec(shape, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn packing_keeps_every_limit_and_loses_nothing(shapes in shapes(), seed in any::<u64>(), fail in 0..4_u8) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        fastrand::seed(seed);
        runtime.block_on(check(shapes, seed, fail));
    }
}

async fn check(shapes: Vec<Shape>, seed: u64, fail: u8) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let aws = Aws::new(move |call| {
        if call.operation == "GetTopicAttributes" {
            return Reply::Error(403, "AuthorizationError");
        }
        let mut one = || match chance.u8(0..12) {
            0 if fail > 0 => One::Failed("InternalError", false),
            1 if fail > 1 => One::Missing,
            2 if fail > 2 => One::Failed("InvalidParameter", true),
            _ => One::Taken,
        };
        let each = call.entries.iter().map(|_| one()).collect();
        Reply::Late(
            Duration::from_millis(chance.u64(0..40)),
            Box::new(Reply::Each(each)),
        )
    });
    let publisher = publisher(&aws);
    let mut callers: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for shape in &shapes {
        let text = "🎺".repeat(shape.characters);
        let outgoing = match shape.to {
            0 => placed(text),
            1 => pay(text),
            _ => posted(&format!("k{}-{}", shape.caller, shape.key), text),
        };
        callers.entry(shape.caller).or_default().push(outgoing);
    }
    let tasks: Vec<_> = callers
        .into_values()
        .map(|outgoing| {
            let publisher = publisher.clone();
            let (sent, keys) = (
                ids(&outgoing),
                outgoing.iter().map(|outgoing| outgoing.key.clone()),
            );
            let keys: Vec<_> = keys.collect();
            tokio::spawn(async move { (sent, keys, publisher.publish(outgoing).await) })
        })
        .collect();
    let mut confirmed = Vec::new();
    let mut in_order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for task in tasks {
        let (sent, keys, results) = task.await.unwrap();
        assert_eq!(sent.len(), results.len());
        for ((id, key), result) in sent.into_iter().zip(keys).zip(results) {
            match result {
                Ok(()) => confirmed.push(id.clone()),
                Err(error) => assert!(!error.is_retryable() && fail > 2, "{error}"),
            }
            in_order.entry(key.unwrap_or_default()).or_default().push(id);
        }
    }
    for call in aws.calls().iter().filter(|call| !call.entries.is_empty()) {
        assert!(call.entries.len() <= 10);
        let limit = LIMITS
            .iter()
            .find(|(operation, _)| *operation == call.operation)
            .unwrap()
            .1;
        assert!(call.size() <= limit, "{} bytes", call.size());
    }
    assert_eq!(aws.group_clash(), None);
    // What was confirmed is what was taken: all of it, each once.
    let taken: Vec<_> = aws
        .taken()
        .iter()
        .map(|entry| (entry.group.clone(), entry.event()))
        .collect();
    let mut events: Vec<_> = taken.iter().map(|(_, event)| event.clone()).collect();
    events.sort_unstable();
    confirmed.sort_unstable();
    assert_eq!(events, confirmed);
    for (key, order) in in_order.iter().filter(|(key, _)| !key.is_empty()) {
        let taken = taken
            .iter()
            .filter(|(group, _)| group.as_ref() == Some(key))
            .map(|(_, event)| event);
        let order: Vec<_> = order.iter().filter(|id| confirmed.contains(id)).collect();
        assert_eq!(taken.collect::<Vec<_>>(), order, "{key}");
    }
}

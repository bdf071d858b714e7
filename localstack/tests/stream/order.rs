//! In which order records come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::world::{Function, World, name};

const SECOND: Duration = Duration::from_secs(1);

/// Six transactions over five items each, seen through this mapping.
async fn seen(shards: usize, seed: Option<u64>) -> Vec<String> {
    let world = World::new().await;
    let ids: Vec<_> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
    for number in 0..6 {
        world.put_together(&ids, number).await;
    }
    let function = Function::new();
    let mapping = world.mapping().shards(shards).batch(4);
    let mapping = match seed {
        Some(seed) => mapping.shuffled(seed),
        None => mapping,
    };
    world.run(mapping, &function, SECOND).await;
    for batch in function.batches() {
        assert!(batch.len() <= 4);
    }
    let shown = function.shown();
    if shards == 1 {
        let numbers: Vec<_> = shown
            .iter()
            .map(|record| record["dynamodb"]["SequenceNumber"].as_str().unwrap())
            .collect();
        assert!(numbers.is_sorted(), "the numbers say the order: {numbers:?}");
    }
    shown.iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn an_items_records_keep_their_order_and_others_come_in_any() {
    let plain = seen(1, None).await;
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let shuffled = seen(1, Some(seed)).await;
        let mut of_item: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for record in &shuffled {
            let (item, number) = record.split_once('=').unwrap();
            of_item.entry(item).or_default().push(number);
        }
        assert_eq!(of_item.len(), 5);
        for (item, numbers) in of_item {
            assert_eq!(numbers, ["0", "1", "2", "3", "4", "5"], "{item}");
        }
        assert_eq!(seen(1, Some(seed)).await, shuffled, "the same from the same seed");
        orders.insert(shuffled);
    }
    assert!(orders.len() > 15 && !orders.contains(&plain));
}

#[tokio::test(start_paused = true)]
async fn an_item_is_in_one_shard_and_each_record_is_seen_once() {
    let mut plain = seen(1, None).await;
    plain.sort();
    for shards in [2, 3, 8] {
        let world = World::new().await;
        let ids: Vec<_> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        for number in 0..6 {
            world.put_together(&ids, number).await;
        }
        let function = Function::new();
        world.run(world.mapping().shards(shards), &function, SECOND).await;
        let mut of_item: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (number, batch) in function.batches().iter().enumerate() {
            for record in batch {
                of_item.entry(record[..1].to_owned()).or_default().insert(number);
            }
        }
        assert!(of_item.values().all(|batches| batches.len() == 1), "{of_item:?}");
        let mut shown: Vec<_> = function.shown().iter().map(name).collect();
        shown.sort();
        assert_eq!(shown, plain);
    }
}

//! What no wake told of.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::fault::{Fault, FaultPlan};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::commit;
use crate::fast::beside;
use crate::world::{Memo, Note, Spy, TABLE, World, posting};

#[tokio::test(start_paused = true)]
async fn a_commit_of_another_process_is_found_within_two_seconds() {
    let world = World::new().await;
    let relay = world.store().relay(world.topics.clone());
    beside!(relay, {
        for number in 0..10 {
            sleep(Duration::from_millis(777)).await;
            commit!(world.store(), Note(number), posting("a", number));
            let start = Instant::now();
            while world.topics.arrived().len() < 2 * (number as usize + 1) {
                sleep(Duration::from_millis(10)).await;
            }
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        }
    });
    world.assert_in_order();
}

#[tokio::test(start_paused = true)]
async fn what_a_relay_was_told_of_before_it_died_is_found_after_the_grace() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    commit!(store, Note(1), posting("a", 1));
    drop(relay);
    let start = Instant::now();
    world.store().relay(world.topics.clone()).drain().await.unwrap();
    let waited = start.elapsed();
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(8)).contains(&waited),
        "{waited:?}"
    );
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_index_that_lags_behind_brings_nothing_twice_and_loses_nothing() {
    let world = World::new().await;
    // Old entries of the index keep coming back: of what is published by now, and of what is gone.
    let ghosts = Arc::new(Mutex::new(vec![json!({
        "pk": {"S": "outbox#0199f5a0-0000-7000-8000-000000000000"},
        "sk": {"S": "commit"}, "shard": {"S": "pending#0"}, "due": {"N": "1"},
    })]));
    let shown = Arc::new(Mutex::new(0));
    let count = Arc::clone(&shown);
    let store = world.store_spied(Spy::new().after(move |operation, answer| {
        let mut ghosts = ghosts.lock().unwrap();
        if let ("Query", Some(items)) = (operation, answer["Items"].as_array_mut()) {
            let fresh = items.clone();
            items.extend(ghosts.iter().filter(|ghost| !fresh.contains(ghost)).cloned());
            *count.lock().unwrap() += items.len() - fresh.len();
            ghosts.extend(fresh);
        }
    }));
    let relay = store.relay(world.topics.clone());
    beside!(relay, {
        for number in 0..20 {
            commit!(world.store(), Note(number), posting("a", number));
            sleep(Duration::from_millis(900)).await;
        }
        sleep(Duration::from_secs(5)).await;
    });
    assert!(*shown.lock().unwrap() > 100, "old entries were shown");
    assert_eq!(world.topics.arrived().len(), 40, "each once");
    world.assert_all_arrived().await;
    world.assert_in_order();
}

#[tokio::test(start_paused = true)]
async fn an_index_that_misses_entries_loses_nothing() {
    let world = World::new().await;
    let plan = FaultPlan::seeded(3).rates(0.0).rate(Fault::StaleRead, 0.7);
    let relay = world.store_under(&plan).relay(world.topics.clone());
    // In which shards the records lie is up to their ids: so many rounds as it takes to miss enough of them.
    let mut rounds = 0;
    while plan
        .injected()
        .get("stale_read")
        .is_none_or(|missed| *missed <= 10)
    {
        rounds += 1;
        assert!(rounds < 100, "{:?} after {rounds} rounds", plan.injected());
        for number in 0..20 {
            commit!(world.store(), Note(number), posting("a", number));
        }
        relay.drain().await.unwrap();
        world.assert_all_arrived().await;
        world.assert_in_order();
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_be_read_holds_up_no_other_and_is_read_less_and_less() {
    let world = World::new().await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let broken = Arc::new(Mutex::new(true));
    let (tried, is_broken) = (Arc::clone(&tries), Arc::clone(&broken));
    let start = Instant::now();
    let store = world.store_spied(Spy::new().before(move |operation, request| {
        let values = &request["ExpressionAttributeValues"];
        if operation == "Query" && values[":shard"]["S"] == "pending#2" && *is_broken.lock().unwrap() {
            tried.lock().unwrap().push(start.elapsed());
            return Err("this partition is down".into());
        }
        Ok(())
    }));
    let relay = store.relay(world.topics.clone());
    for number in 0..80 {
        commit!(world.store(), Note(number));
    }
    let records = world.records().await;
    let down = AttributeValue::S("pending#2".to_owned());
    let readable = records.values().filter(|record| record["shard"] != down).count();
    assert!(readable < 80, "some are in the shard that is down");
    beside!(relay, {
        sleep(Duration::from_secs(2)).await;
        assert_eq!(world.topics.arrived().len(), readable);
        sleep(Duration::from_secs(300)).await;
        assert_eq!(world.topics.arrived().len(), readable);
        let tries = tries.lock().unwrap().len();
        assert!((10..150).contains(&tries), "{tries} tries in 300 s");
        *broken.lock().unwrap() = false;
        sleep(Duration::from_secs(32)).await;
    });
    assert_eq!(world.topics.arrived().len(), 80);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_more_than_a_page_of_the_index_is_published_to_its_end() {
    let world = World::with_shards(1).await;
    let pages = Arc::new(Mutex::new(0));
    let count = Arc::clone(&pages);
    let relay = world
        .store_spied(Spy::new().before(move |operation, request| {
            *count.lock().unwrap() +=
                usize::from(operation == "Query" && request["ExclusiveStartKey"].is_object());
            Ok(())
        }))
        .relay(world.topics.clone());
    // A page has up to 1 MB: 1,200 keys of almost 2 KB are more than two.
    for commit in 0..60 {
        let mut transaction = world.store().outbox("test").transaction();
        for key in 0..20 {
            let key = format!("{commit}/{key}/{}", "x".repeat(1_900));
            transaction = transaction.emit(&posting(&key, 1));
        }
        transaction.commit().await.unwrap();
    }
    relay.drain().await.unwrap();
    assert!(*pages.lock().unwrap() >= 2);
    assert_eq!(world.topics.arrived().len(), 1_200, "each once");
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn records_that_a_batch_leaves_unread_are_asked_for_again() {
    let world = World::new().await;
    let plan = FaultPlan::seeded(5).rates(0.0).rate(Fault::PartialBatch, 0.8);
    let relay = world.store_under(&plan).relay(world.topics.clone());
    let mut events = 0;
    while plan
        .injected()
        .get("partial_batch")
        .is_none_or(|batches| *batches <= 5)
    {
        assert!(events < 5_000, "{:?}", plan.injected());
        for _ in 0..150 {
            commit!(world.store(), Note(events));
            events += 1;
        }
        relay.drain().await.unwrap();
        assert_eq!(world.topics.arrived().len(), events as usize, "each once");
        world.assert_all_arrived().await;
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_never_read_fail_the_shard_and_the_next_sweep_reads_them() {
    let world = World::new().await;
    let left = Arc::new(Mutex::new(8));
    let store = world.store_spied(Spy::new().after(move |operation, answer| {
        let mut left = left.lock().unwrap();
        if operation == "BatchGetItem" && *left > 0 {
            *left -= 1;
            // All of it unread, time and again.
            let unread: Vec<Value> = answer["Responses"][TABLE]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| json!({"pk": item["pk"], "sk": item["sk"]}))
                .collect();
            *answer = json!({"Responses": {}, "UnprocessedKeys": {TABLE: {"Keys": unread, "ConsistentRead": true}}});
        }
    }));
    let relay = store.relay(world.topics.clone());
    commit!(world.store(), Note(1));
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn two_relays_do_not_sweep_in_step() {
    let world = World::new().await;
    let start = Instant::now();
    let sweeps: [Arc<Mutex<BTreeSet<Duration>>>; 2] = Default::default();
    let relays = sweeps.clone().map(|times| {
        let store = world.store_spied(Spy::new().before(move |operation, _| {
            if operation == "Query" {
                times.lock().unwrap().insert(start.elapsed());
            }
            Ok(())
        }));
        store.relay(world.topics.clone())
    });
    let both = async {
        tokio::join!(
            relays[0].run(sleep(Duration::from_secs(60))),
            relays[1].run(sleep(Duration::from_secs(60)))
        )
    };
    both.await;
    let [a, b] = sweeps.map(|times| times.lock().unwrap().clone());
    for times in [&a, &b] {
        assert!((45..=90).contains(&times.len()), "{} sweeps in 60 s", times.len());
    }
    let together = a.intersection(&b).count();
    assert!(together < 10, "{together} of {} at the same millisecond", a.len());
}

#[tokio::test(start_paused = true)]
async fn an_idle_relay_costs_two_queries_a_shard_and_sweep() {
    let world = World::new().await;
    let relay = world.store().relay(world.topics.clone());
    let before = world.dynamo.calls().get("Query").copied().unwrap_or_default();
    relay.run(sleep(Duration::from_secs(60))).await;
    let calls = world.dynamo.calls();
    let queries = calls["Query"] - before;
    assert!((45 * 8..=90 * 8).contains(&queries), "{queries}");
    assert!(
        !calls.contains_key("BatchGetItem") && !calls.contains_key("Scan"),
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_parked_and_holds_up_no_other() {
    let world = World::with_shards(1).await;
    commit!(world.store(), Note(1));
    let (key, record) = world.records().await.pop_first().unwrap();
    let mut broken = record.clone();
    broken.insert("events".into(), AttributeValue::S("of a newer version".into()));
    let put = |item| {
        let client = world.client();
        async move {
            client
                .put_item()
                .table_name(TABLE)
                .set_item(Some(item))
                .send()
                .await
                .unwrap()
        }
    };
    put(broken).await;
    commit!(world.store(), Memo(2));
    let relay = world.store().relay(world.topics.clone());
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["2"]);
    let parked = relay.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].pk(), parked[0].sk()), (&*key.0, &*key.1));
    assert!(
        parked[0].event.is_none() && parked[0].reason.contains("events"),
        "{}",
        parked[0]
    );
    assert_eq!(relay.status().await.unwrap().parked, 1);

    // Readable once the newer version is there.
    let mut mended = world.records().await[&key].clone();
    mended.insert("events".into(), record["events"].clone());
    put(mended).await;
    let parked = relay.parked().await.unwrap();
    assert!(relay.unpark(&parked[0]).await.unwrap());
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["2", "1"]);
    world.assert_all_arrived().await;
}

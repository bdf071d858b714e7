//! From a commit to its relay, in one process.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::commit;
use crate::topics::Answer;
use crate::world::{Memo, Note, Spy, World, posting};

/// Runs a relay beside `$test`.
macro_rules! beside {
    ($relay:expr, $test:expr) => {
        tokio::select! {
            biased;
            () = $relay.run(std::future::pending()) => unreachable!(),
            done = async { $test } => done,
        }
    };
}
pub(crate) use beside;

#[tokio::test(start_paused = true)]
async fn a_commit_is_published_at_once_and_read_by_nobody() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let start = Instant::now();
    beside!(relay, {
        commit!(store, Note(1));
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.topics.data(), ["1"]);
        assert!(start.elapsed() < Duration::from_millis(100));
    });
    let calls = world.dynamo.calls();
    assert_eq!(calls["UpdateItem"], 1, "one write marks it as published");
    assert!(
        !calls.contains_key("GetItem") && !calls.contains_key("BatchGetItem"),
        "{calls:?}"
    );
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn one_write_confirms_all_events_of_a_commit() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let mut transaction = store.outbox("test").transaction();
    for number in 0..25 {
        transaction = transaction.emit(&Note(number)).emit(&Memo(number));
    }
    transaction.commit().await.unwrap();
    relay.drain().await.unwrap();
    assert_eq!(world.dynamo.calls()["UpdateItem"], 1);
    assert_eq!(world.topics.arrived().len(), 50);
    let mut calls = world.topics.calls();
    calls.sort_unstable();
    assert_eq!(calls, [5, 5, 10, 10, 10, 10]);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn events_of_different_commits_share_batches() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    for number in 0..30 {
        commit!(store, Note(number));
    }
    relay.drain().await.unwrap();
    assert_eq!(world.topics.calls(), [10, 10, 10]);
    assert_eq!(world.dynamo.calls()["UpdateItem"], 30, "one for each commit");
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn several_batches_are_under_way_at_once_but_not_all() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_millis(5)));
    for number in 0..200 {
        commit!(store, Note(number));
    }
    relay.drain().await.unwrap();
    assert_eq!(world.topics.most_under_way(), 4);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_is_kept_marked_for_a_while_and_may_go_then() {
    let world = World::new().await;
    let store = world.store().published_for(Duration::from_secs(600));
    let relay = store.relay(world.topics.clone());
    commit!(store, Note(1), posting("a", 1));
    relay.drain().await.unwrap();
    let expected = world.clock.millis() / 1_000 + 600;
    let mut kept = 0;
    for ((_, sort), record) in world.records().await {
        if sort == "commit" || sort.starts_with("seq#") {
            let expires_at: u64 = record["expires_at"].as_n().unwrap().parse().unwrap();
            assert!(expires_at.abs_diff(expected) <= 5, "{expires_at} {expected}");
            kept += 1;
        } else {
            assert!(!record.contains_key("expires_at"), "a key's head stays");
        }
    }
    assert_eq!(kept, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_full_channel_does_not_take_is_found_by_the_sweep() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    // More appends than the channel holds, while nobody takes them.
    let keys = |first: usize, count: usize| {
        let transaction = store.outbox("test").transaction();
        (first..first + count).fold(transaction, |transaction, key| {
            transaction.emit(&posting(&key.to_string(), 1))
        })
    };
    for _ in 0..42 {
        keys(0, 99).commit().await.unwrap();
    }
    keys(99, 20).commit().await.unwrap();
    let start = Instant::now();
    relay.drain().await.unwrap();
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(4),
        "the last wait for their grace: {waited:?}"
    );
    assert_eq!(world.topics.arrived().len(), 42 * 99 + 20, "each once");
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_relay_far_behind_leaves_what_is_due_to_the_sweep() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    commit!(store, Note(1));
    sleep(Duration::from_secs(10)).await;
    // By now any relay may have published it.
    world.store().relay(world.topics.clone()).drain().await.unwrap();
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["1"], "not from memory as well");
}

#[tokio::test(start_paused = true)]
async fn other_relays_leave_a_commit_alone_while_its_own_is_at_it() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_secs(2)));
    let other = world.store().relay(world.topics.clone());
    commit!(store, Note(1), posting("a", 1), posting("b", 1));
    let (a, b) = tokio::join!(relay.drain(), other.drain());
    a.unwrap();
    b.unwrap();
    assert_eq!(
        world.topics.arrived().len(),
        3,
        "each once: {:?}",
        world.topics.arrived()
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_run_of_one_key_is_left_alone_by_other_relays() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_millis(200)));
    let other = world.store().relay(world.topics.clone());
    let mut transaction = store.outbox("test").transaction();
    for number in 1..=80 {
        transaction = transaction.emit(&posting("a", number));
    }
    transaction.commit().await.unwrap();
    let (a, b) = tokio::join!(relay.drain(), other.drain());
    a.unwrap();
    b.unwrap();
    assert_eq!(world.topics.arrived().len(), 80, "each once, in 16 s");
    world.assert_in_order();
}

#[tokio::test(start_paused = true)]
async fn no_index_is_read_for_a_wake() {
    let world = World::new().await;
    let store = world.store_spied(Spy::new().before(|operation, request| match operation {
        "Query" => Err(format!("no sweep today: {}", request["TableName"]).into()),
        _ => Ok(()),
    }));
    let relay = store.relay(world.topics.clone());
    beside!(relay, {
        commit!(store, Note(1), Memo(2), posting("a", 3));
        sleep(Duration::from_millis(10)).await;
    });
    let mut data = world.topics.data();
    data.sort();
    assert_eq!(data, ["1", "2", r#"["a",3]"#]);
}

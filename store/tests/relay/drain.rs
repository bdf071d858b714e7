//! Waiting until nothing is pending.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan};
use fanfare_store::RelayError;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::commit;
use crate::fast::beside;
use crate::topics::Answer;
use crate::world::{Note, Spy, World, posting};

#[tokio::test(start_paused = true)]
async fn an_empty_outbox_is_drained_at_once() {
    let world = World::new().await;
    let start = Instant::now();
    world.store().relay(world.topics.clone()).drain().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_what_another_run_is_at() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_secs(2)));
    beside!(relay, {
        commit!(store, Note(1), posting("a", 1), posting("a", 2));
        relay.drain().await.unwrap();
        world.assert_all_arrived().await;
        assert_eq!(world.topics.arrived().len(), 3, "each once");
    });
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_what_is_put_off() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    // With the longest pauses still within the patience.
    let mut failures = 5;
    world.topics.answer(move |_| {
        failures -= 1;
        if failures > 0 {
            Answer::Fail
        } else {
            Answer::Confirm
        }
    });
    commit!(store, Note(1));
    relay.drain().await.unwrap();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_index_that_shows_nothing_yet_does_not_end_it() {
    let world = World::new().await;
    let hide = Arc::new(Mutex::new(12 * 8));
    let store = world.store_spied(Spy::new().after(move |operation, answer| {
        let mut hide = hide.lock().unwrap();
        if operation == "Query" && *hide > 0 {
            *hide -= 1;
            *answer = json!({"Items": [], "Count": 0, "ScannedCount": 0});
        }
    }));
    commit!(world.store(), Note(1));
    store.relay(world.topics.clone()).drain().await.unwrap();
    assert_eq!(world.topics.data(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_when_nothing_goes_and_says_how_much_is_left() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Fail);
    commit!(store, Note(1), Note(2));
    commit!(store, posting("a", 1));
    let start = Instant::now();
    match relay.drain().await {
        Err(RelayError::Stalled { pending, oldest, .. }) => {
            assert_eq!(pending, 2);
            assert!(oldest >= Duration::from_secs(120), "{oldest:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        start.elapsed() < Duration::from_secs(200),
        "{:?}",
        start.elapsed()
    );
    // And what is new meanwhile counts for nothing.
    let commits = async {
        loop {
            commit!(store, Note(3));
            sleep(Duration::from_secs(5)).await;
        }
    };
    tokio::select! {
        biased;
        never = commits => match never {},
        drained = relay.drain() => assert!(matches!(drained, Err(RelayError::Stalled { .. }))),
    }
}

#[tokio::test(start_paused = true)]
async fn slow_progress_is_progress() {
    let world = World::new().await;
    let store = world.store();
    let relay = store
        .relay(world.topics.clone())
        .patience(Duration::from_secs(30));
    world.topics.answer(|_| Answer::Late(Duration::from_secs(8)));
    let mut transaction = store.outbox("test").transaction();
    for number in 0..40 {
        transaction = transaction.emit(&posting("a", number));
    }
    transaction.commit().await.unwrap();
    // Ten events make a write, which is one every 80 s: two of them in a batch would be one in 160.
    let relay = relay.patience(Duration::from_secs(100));
    relay.drain().await.unwrap();
    assert_eq!(world.topics.arrived().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_now_and_then_does_not_fail_it() {
    let world = World::new().await;
    let plan = FaultPlan::seeded(9).rates(0.1).rate(Fault::Kill, 0.0);
    let relay = world.store_under(&plan).relay(world.topics.clone());
    for number in 0..50 {
        commit!(world.store(), Note(number));
    }
    relay.drain().await.unwrap();
    world.assert_all_arrived().await;
}

//! Publishing again what in-process queues lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan};
use fanfare_store::RelayError;
use tokio::time::sleep;

use crate::commit;
use crate::topics::{Answer, Topics};
use crate::world::{Memo, Note, World, posting};

#[tokio::test(start_paused = true)]
async fn everything_marked_is_published_again_and_each_key_in_its_order() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    // 500 events of a kilobyte and more: several pages.
    for number in 1..=100 {
        let key = format!("{}{}", "x".repeat(1_500), number % 7);
        commit!(
            store,
            Note(number),
            Memo(number),
            posting(&key, number),
            posting(&key, number),
            posting("a", number)
        );
    }
    relay.drain().await.unwrap();
    let again = Topics::new();
    let before = world.records().await;
    let count = world.store().relay(again.clone()).republish().await.unwrap();
    assert_eq!(count, 500);
    let by_id = |topics: &Topics| -> BTreeMap<_, _> {
        let copies = topics.arrived().into_iter();
        copies
            .map(|copy| (copy.id, (copy.destination, copy.key, copy.sequence, copy.data)))
            .collect()
    };
    assert_eq!(
        by_id(&again),
        by_id(&world.topics),
        "the same events under the same ids and numbers"
    );
    assert_eq!(again.first_copies(), world.topics.first_copies());
    assert_eq!(world.records().await, before, "nothing is written");
}

#[tokio::test(start_paused = true)]
async fn what_is_still_pending_or_parked_is_left_to_the_relay() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("2") => Answer::Refuse,
        Some("3") => Answer::Fail,
        _ if outgoing.envelope.sequence() == Some(2) => Answer::Fail,
        _ => Answer::Confirm,
    });
    commit!(store, Note(1), Note(2), Note(3), posting("a", 1), posting("a", 2));
    relay.run(sleep(Duration::from_secs(1))).await;
    let again = Topics::new();
    let reborn = world.store().relay(again.clone());
    assert_eq!(reborn.republish().await.unwrap(), 2);
    let mut data = again.data();
    data.sort();
    assert_eq!(data, ["1", r#"["a",1]"#]);
    reborn.drain().await.unwrap();
    assert_eq!(again.first_copies()["a"], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_to_be_kept_no_longer_is_not_published_again() {
    let world = World::new().await;
    let store = world.store().published_for(Duration::from_secs(600));
    let relay = store.relay(world.topics.clone());
    commit!(store, Note(1), posting("a", 1));
    relay.drain().await.unwrap();
    sleep(Duration::from_secs(500)).await;
    commit!(store, Note(2), posting("a", 2));
    relay.drain().await.unwrap();
    sleep(Duration::from_secs(200)).await;
    let again = Topics::new();
    assert_eq!(world.store().relay(again.clone()).republish().await.unwrap(), 2);
    let mut data = again.data();
    data.sort();
    assert_eq!(data, ["2", r#"["a",2]"#]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_without_breaking_the_order() {
    let world = World::new().await;
    let relay = world.store().relay(world.topics.clone());
    for number in 0..30 {
        commit!(
            world.store(),
            Note(number),
            posting("a", number),
            posting("b", number)
        );
    }
    relay.drain().await.unwrap();
    let plan = FaultPlan::seeded(4).rates(0.1).rate(Fault::Kill, 0.0);
    let again = Topics::new();
    let unlucky = plan.clone();
    again.answer(move |_| match unlucky.below(4) {
        0 => Answer::Fail,
        1 => Answer::Lose,
        _ => Answer::Confirm,
    });
    let count = world
        .store_under(&plan)
        .relay(again.clone())
        .republish()
        .await
        .unwrap();
    assert_eq!(count, 90);
    let ids = |topics: &Topics| -> BTreeSet<_> { topics.arrived().into_iter().map(|copy| copy.id).collect() };
    assert_eq!(ids(&again), ids(&world.topics));
    assert_eq!(again.first_copies(), world.topics.first_copies());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_now_is_left_out_and_one_that_fails_is_named() {
    let world = World::new().await;
    let relay = world.store().relay(world.topics.clone());
    commit!(world.store(), Note(1), Note(2), posting("a", 1), posting("a", 2));
    relay.drain().await.unwrap();
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("1") => Answer::Refuse,
        _ => Answer::Confirm,
    });
    assert_eq!(relay.republish().await.unwrap(), 3);
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("1") => Answer::Fail,
        _ => Answer::Confirm,
    });
    let first = world
        .topics
        .arrived()
        .into_iter()
        .find(|copy| copy.data == "1")
        .unwrap();
    match relay.republish().await {
        Err(RelayError::NotRepublished { id, .. }) => assert_eq!(id, first.id),
        other => panic!("{other:?}"),
    }
}

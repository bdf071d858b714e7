//! Ending: as asked, in time, and not at all.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::commit;
use crate::topics::Answer;
use crate::world::{Note, World, posting};

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_published_and_confirmed_before_run_ends() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_millis(300)));
    for number in 0..20 {
        commit!(store, Note(number));
    }
    let start = Instant::now();
    relay.run(sleep(Duration::from_millis(100))).await;
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(world.topics.arrived().len(), 20);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_right_before_the_shutdown_is_published() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let (stop, stopped) = oneshot::channel();
    let hosts = async {
        sleep(Duration::from_millis(100)).await;
        commit!(store, Note(1));
        stop.send(()).unwrap();
    };
    tokio::join!(relay.run(async { stopped.await.unwrap() }), hosts);
    assert_eq!(world.topics.arrived().len(), 1);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_begun_after_the_shutdown() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_millis(300)));
    let mut transaction = store.outbox("test").transaction();
    for number in 0..50 {
        transaction = transaction.emit(&posting("a", number));
    }
    transaction.commit().await.unwrap();
    let later = async {
        sleep(Duration::from_millis(200)).await;
        commit!(store, Note(1));
    };
    tokio::join!(relay.run(sleep(Duration::from_millis(100))), later);
    let copies = world.topics.arrived();
    assert_eq!(
        copies.len(),
        1,
        "the key's run ends with what is under way: {copies:?}"
    );
    assert_eq!(
        world
            .records()
            .await
            .iter()
            .filter(|((_, sort), _)| sort.starts_with("seq#"))
            .count(),
        1,
        "and that is confirmed"
    );
    relay.drain().await.unwrap();
    assert_eq!(world.topics.arrived().len(), 51, "each once");
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn run_ends_in_time_even_when_a_call_does_not() {
    let world = World::new().await;
    let store = world.store();
    let relay = store
        .relay(world.topics.clone())
        .publish_within(Duration::from_secs(60))
        .finish_within(Duration::from_secs(3));
    world.topics.answer(|_| Answer::Hang);
    commit!(store, Note(1));
    let start = Instant::now();
    relay.run(sleep(Duration::from_secs(1))).await;
    assert_eq!(start.elapsed(), Duration::from_secs(4));
    world.topics.answer(|_| Answer::Confirm);
    relay.drain().await.unwrap();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_does_nothing_more() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_secs(1)));
    commit!(store, Note(1));
    commit!(store, posting("a", 1), posting("a", 2));
    tokio::select! {
        biased;
        () = relay.run(std::future::pending()) => unreachable!(),
        () = sleep(Duration::from_millis(500)) => {}
    }
    let before = (world.topics.calls(), world.dynamo.calls());
    sleep(Duration::from_secs(100)).await;
    assert_eq!((world.topics.calls(), world.dynamo.calls()), before);
    relay.drain().await.unwrap();
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_run_takes_over_when_the_first_has_ended() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let first = relay.run(sleep(Duration::from_secs(10)));
    let second = relay.run(sleep(Duration::from_secs(20)));
    let commits = async {
        for number in 0..18 {
            commit!(store, Note(number));
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::join!(first, second, commits);
    assert_eq!(world.topics.arrived().len(), 18, "each once");
    assert!(
        world
            .topics
            .arrived()
            .iter()
            .all(|copy| copy.at.subsec_millis() < 100),
        "and each at once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_relay_can_be_spawned() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let running = tokio::spawn({
        let relay = relay.clone();
        async move { relay.run(std::future::pending()).await }
    });
    commit!(store, Note(1));
    tokio::spawn(async move { relay.drain().await })
        .await
        .unwrap()
        .unwrap();
    running.abort();
    world.assert_all_arrived().await;
}

//! One destination's trouble is not another's.

use std::time::Duration;

use fanfare::Destination;
use tokio::time::{Instant, sleep};

use crate::commit;
use crate::fast::beside;
use crate::topics::Answer;
use crate::world::{Memo, Note, World, posting};

#[tokio::test(start_paused = true)]
async fn a_destination_that_never_answers_holds_up_no_other() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|outgoing| match &outgoing.destination {
        Destination::Topic(topic) if topic == "memos" => Answer::Hang,
        _ => Answer::Confirm,
    });
    beside!(relay, {
        for number in 0..400 {
            commit!(store, Memo(number));
        }
        commit!(store, Note(1), Memo(400), posting("a", 1));
        let start = Instant::now();
        while world.topics.arrived().len() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(
            start.elapsed() < Duration::from_millis(100),
            "{:?}",
            start.elapsed()
        );
    });
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_call_that_never_ends_fails_with_it_rather_than_after_it() {
    let world = World::new().await;
    let store = world.store();
    let relay = store
        .relay(world.topics.clone())
        .publish_within(Duration::from_secs(5));
    world.topics.answer(|_| Answer::Hang);
    for number in 0..200 {
        commit!(store, Note(number));
    }
    beside!(relay, sleep(Duration::from_secs(6)).await);
    let tried = world
        .records()
        .await
        .values()
        .filter(|record| {
            record["events"].as_l().unwrap()[0].as_m().unwrap()["attempts"]
                .as_n()
                .unwrap()
                == "1"
        })
        .count();
    assert_eq!(tried, 200, "all are put off after one timeout, not twenty");
    world.topics.answer(|_| Answer::Confirm);
    relay.drain().await.unwrap();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn neither_a_flood_of_commits_nor_a_backlog_holds_up_the_other() {
    for flooded in [true, false] {
        let world = World::new().await;
        world.topics.answer(|outgoing| match outgoing.envelope.ty() {
            "memo.written" => Answer::Hang,
            _ => Answer::Confirm,
        });
        let (store, elsewhere) = (world.store(), world.store());
        let relay = store.relay(world.topics.clone());
        let (flood, other) = if flooded {
            (&store, &elsewhere)
        } else {
            (&elsewhere, &store)
        };
        for number in 0..450 {
            commit!(flood, Memo(number));
        }
        beside!(relay, {
            sleep(Duration::from_secs(2)).await;
            commit!(other, Note(1));
            sleep(Duration::from_secs(2)).await;
        });
        assert_eq!(world.topics.data(), ["1"], "flooded: {flooded}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_published_holds_up_no_other_commit() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    // The poison is committed first, and lies in every batch's way.
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("0") => Answer::Fail,
        _ => Answer::Confirm,
    });
    beside!(relay, {
        commit!(store, Note(0));
        for number in 1..=50 {
            commit!(store, Note(number));
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(world.topics.arrived().len(), 50);
        for _ in 0..100 {
            sleep(Duration::from_secs(1)).await;
            commit!(store, Note(1));
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(world.topics.arrived().len(), 150);
    });
}

//! Publishing that fails, and answers that are lost.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::Backoff;
use fanfare::fault::{Fault, FaultPlan};
use tokio::time::{Instant, sleep};

use crate::commit;
use crate::fast::beside;
use crate::topics::Answer;
use crate::world::{Memo, Note, Spy, World, posting};

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_tried_again_after_a_growing_pause_that_the_record_keeps() {
    let world = World::new().await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let tried = Arc::clone(&tries);
    let start = Instant::now();
    world.topics.answer(move |_| {
        let mut tried = tried.lock().unwrap();
        tried.push(start.elapsed());
        if tried.len() <= 12 {
            Answer::Fail
        } else {
            Answer::Confirm
        }
    });
    commit!(world.store(), Note(1));
    // A relay that lives only for a while: what it knows dies with it.
    while world.topics.arrived().is_empty() {
        let relay = world.store().relay(world.topics.clone());
        relay.run(sleep(Duration::from_millis(1_500))).await;
    }
    let tries = tries.lock().unwrap().clone();
    let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    for (failure, pair) in tries.windows(2).enumerate() {
        let (pause, bound) = (pair[1] - pair[0], backoff.bound(failure as u32 + 1));
        assert!(
            pause <= bound + Duration::from_secs(2),
            "{failure}: {pause:?} {bound:?}"
        );
    }
    assert!(tries[12] > Duration::from_secs(20), "the pauses grow: {tries:?}");
    let (_, record) = world.records().await.pop_first().unwrap();
    let event = record["events"].as_l().unwrap()[0].as_m().unwrap();
    assert_eq!(event["attempts"].as_n().unwrap(), "12");
}

#[tokio::test(start_paused = true)]
async fn the_others_of_a_commit_go_and_are_not_published_again_when_one_fails() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let left = Arc::new(Mutex::new(6));
    let failures = Arc::clone(&left);
    world.topics.answer(move |outgoing| {
        let mut left = failures.lock().unwrap();
        match outgoing.envelope.data() {
            Some("2") if *left > 0 => {
                *left -= 1;
                Answer::Fail
            }
            _ => Answer::Confirm,
        }
    });
    commit!(store, Note(1), Note(2), Memo(3));
    relay.drain().await.unwrap();
    assert_eq!(*left.lock().unwrap(), 0);
    let mut data = world.topics.data();
    assert_eq!(data.pop().unwrap(), "2");
    data.sort();
    assert_eq!(data, ["1", "3"]);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_answer_was_lost_is_published_again_under_the_same_id() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let mut answers = vec![Answer::Lose, Answer::Lose];
    world
        .topics
        .answer(move |_| answers.pop().unwrap_or(Answer::Confirm));
    commit!(store, Note(1));
    relay.drain().await.unwrap();
    let arrived = world.topics.arrived();
    let ids: BTreeSet<_> = arrived.iter().map(|copy| &copy.id).collect();
    assert_eq!((arrived.len(), ids.len()), (3, 1));
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_whose_answer_was_lost_is_made_again_without_harm() {
    let world = World::new().await;
    let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::LoseReply, 0.4);
    let store = world.store_under(&plan);
    let relay = store.relay(world.topics.clone());
    for number in 0..40 {
        commit!(store, Note(number), Memo(number), posting("a", number));
    }
    relay.drain().await.unwrap();
    assert!(plan.injected()["lose_reply"] > 20);
    world.assert_all_arrived().await;
    world.assert_in_order();
    for record in world.records().await.values() {
        if let Some(revision) = record.get("rev") {
            assert_eq!(
                revision.as_n().unwrap(),
                "1",
                "one change took effect, of all tries"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_conflicts_delay_and_lose_nothing() {
    let world = World::new().await;
    let plan = FaultPlan::seeded(2)
        .rates(0.0)
        .rate(Fault::Throttle, 0.3)
        .rate(Fault::Conflict, 0.3);
    let relay = world.store_under(&plan).relay(world.topics.clone());
    let enough = |plan: &FaultPlan| {
        let injected = plan.injected();
        let times = |fault| injected.get(fault).copied().unwrap_or_default();
        times("throttle") > 10 && times("conflict") > 10
    };
    // In how many calls the records are read and written is up to their ids.
    let mut rounds = 0;
    while !enough(&plan) {
        rounds += 1;
        assert!(rounds < 50, "{:?} after {rounds} rounds", plan.injected());
        for number in 0..40 {
            commit!(world.store(), Note(number), posting("a", number));
        }
        relay.drain().await.unwrap();
        world.assert_all_arrived().await;
        world.assert_in_order();
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_refuses_every_confirmation_leaves_the_events_pending() {
    let world = World::new().await;
    let down = Arc::new(Mutex::new(true));
    let is_down = Arc::clone(&down);
    let store = world.store_spied(Spy::new().before(move |operation, _| {
        match operation == "UpdateItem" && *is_down.lock().unwrap() {
            true => Err("no writes today".into()),
            false => Ok(()),
        }
    }));
    let relay = store.relay(world.topics.clone());
    beside!(relay, {
        commit!(store, Note(1));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(
            world.states().await.into_values().collect::<Vec<_>>(),
            ["pending"]
        );
        let copies = world.topics.arrived().len();
        assert!((2..10).contains(&copies), "{copies} copies in a minute");
        *down.lock().unwrap() = false;
        sleep(Duration::from_secs(10)).await;
    });
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_reason_is_cut_to_what_the_record_has_room_for() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(LongWinded);
    let mut transaction = store.outbox("test").transaction();
    for number in 0..1_000 {
        transaction = transaction.emit(&Note(number));
    }
    transaction.commit().await.unwrap();
    relay.drain().await.unwrap();
    let parked = relay.parked().await.unwrap();
    assert_eq!(parked.len(), 1_000);
    assert!(parked.iter().all(|parked| !parked.reason.is_empty()));
}

/// Refuses everything, with a reason of 100 KB.
struct LongWinded;

impl fanfare::port::Publish for LongWinded {
    fn publish(
        &self,
        outgoing: Vec<fanfare::Outgoing>,
    ) -> fanfare::port::BoxFuture<'_, Vec<Result<(), fanfare::port::PublishError>>> {
        let refuse = |_: &fanfare::Outgoing| {
            Err(fanfare::port::PublishError::Rejected {
                destination: "ü".into(),
                reason: "ü".repeat(50_000),
            })
        };
        let results = outgoing.iter().map(refuse).collect();
        Box::pin(std::future::ready(results))
    }
}

/// Answers for the first of a batch only.
#[derive(Clone)]
struct Curt(crate::topics::Topics);

impl fanfare::port::Publish for Curt {
    fn publish(
        &self,
        outgoing: Vec<fanfare::Outgoing>,
    ) -> fanfare::port::BoxFuture<'_, Vec<Result<(), fanfare::port::PublishError>>> {
        Box::pin(async move {
            let mut results = self.0.publish(outgoing).await;
            results.truncate(1);
            results
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_publisher_says_nothing_of_is_not_taken_for_published() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(Curt(world.topics.clone()));
    for number in 0..5 {
        commit!(store, Note(number));
    }
    relay.drain().await.unwrap();
    assert!(
        world.topics.arrived().len() > 5,
        "those without an answer go again"
    );
    world.assert_all_arrived().await;
}

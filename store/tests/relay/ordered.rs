//! Events of a key, in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan};
use tokio::time::sleep;

use crate::commit;
use crate::fast::beside;
use crate::topics::Answer;
use crate::world::{Note, World, posting};

#[tokio::test(start_paused = true)]
async fn each_event_of_a_key_is_numbered_from_one_without_a_gap() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    commit!(store, posting("a", 1), posting("a", 2), posting("b", 1));
    relay.drain().await.unwrap();
    commit!(store, posting("a", 3));
    relay.drain().await.unwrap();
    let mut arrived: Vec<_> = world
        .topics
        .arrived()
        .into_iter()
        .map(|copy| (copy.key.unwrap(), copy.sequence.unwrap(), copy.data))
        .collect();
    arrived.sort();
    let expected = [("a", 1), ("a", 2), ("a", 3), ("b", 1)];
    let expected = expected.map(|(key, number)| {
        let data = format!(r#"["{key}",{number}]"#);
        (key.to_owned(), u64::from(number as u32), data)
    });
    assert_eq!(arrived, expected);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn one_event_of_a_key_is_unconfirmed_at_a_time_and_other_keys_go_on() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|outgoing| match outgoing.key.as_deref() {
        Some("slow") => Answer::Late(Duration::from_secs(1)),
        _ => Answer::Confirm,
    });
    beside!(relay, {
        commit!(store, posting("slow", 1), posting("slow", 2));
        sleep(Duration::from_millis(100)).await;
        commit!(store, posting("fast", 1), posting("fast", 2), Note(3));
        sleep(Duration::from_millis(100)).await;
        let mut data = world.topics.data();
        data.sort();
        assert_eq!(data, ["3", r#"["fast",1]"#, r#"["fast",2]"#, r#"["slow",1]"#]);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(world.topics.data().last().unwrap(), r#"["slow",2]"#);
    });
}

#[tokio::test(start_paused = true)]
async fn events_of_several_keys_share_batches() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    for key in 0..10 {
        commit!(store, posting(&key.to_string(), 1), posting(&key.to_string(), 2));
    }
    relay.drain().await.unwrap();
    assert!(world.topics.calls().len() < 20, "{:?}", world.topics.calls());
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_holds_back_those_behind_it() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let failures = Arc::new(AtomicU32::new(5));
    let left = Arc::clone(&failures);
    world.topics.answer(move |outgoing| {
        let second = outgoing.envelope.sequence() == Some(2);
        match second && left.load(Ordering::Relaxed) > 0 {
            true => {
                left.fetch_sub(1, Ordering::Relaxed);
                Answer::Fail
            }
            false => Answer::Confirm,
        }
    });
    commit!(store, posting("a", 1), posting("a", 2), posting("a", 3));
    relay.drain().await.unwrap();
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    let sequences: Vec<_> = world
        .topics
        .arrived()
        .iter()
        .map(|copy| copy.sequence.unwrap())
        .collect();
    assert_eq!(sequences, [1, 2, 3], "and the first is not published again");
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_append_does_not_cut_the_pause_after_a_failure_short() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let tries = Arc::new(AtomicU32::new(0));
    let tried = Arc::clone(&tries);
    world.topics.answer(move |_| {
        tried.fetch_add(1, Ordering::Relaxed);
        Answer::Fail
    });
    beside!(relay, {
        for number in 0..100 {
            commit!(store, posting("a", number));
            sleep(Duration::from_millis(100)).await;
        }
    });
    let tries = tries.load(Ordering::Relaxed);
    assert!((2..40).contains(&tries), "{tries} tries in 10 s, for 100 appends");
}

#[tokio::test(start_paused = true)]
async fn events_appended_while_their_key_is_under_way_follow_at_once() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_millis(10)));
    beside!(relay, {
        for number in 1..=50 {
            commit!(store, posting("a", number));
            sleep(Duration::from_millis(fastrand::u64(0..25))).await;
        }
        sleep(Duration::from_millis(600)).await;
    });
    assert_eq!(world.topics.arrived().len(), 50, "each once");
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_appended_elsewhere_while_its_key_is_under_way_is_not_left_behind() {
    let world = World::new().await;
    let (store, elsewhere) = (world.store(), world.store());
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Late(Duration::from_millis(500)));
    commit!(store, posting("a", 1));
    let append = async {
        sleep(Duration::from_millis(250)).await;
        commit!(elsewhere, posting("a", 2));
    };
    let (drained, ()) = tokio::join!(relay.drain(), append);
    drained.unwrap();
    assert_eq!(world.topics.first_copies()["a"], [1, 2]);
    world.assert_all_arrived().await;
}

/// Commits on several keys, by several producers, while publishing and the table fail now and then;
/// then quiet, and an account of what arrived.
#[tokio::test(start_paused = true)]
async fn whatever_fails_the_first_copies_of_a_key_come_in_order() {
    for seed in 0..12 {
        fastrand::seed(seed);
        let world = World::new().await;
        let plan = FaultPlan::seeded(seed)
            .rates(0.05)
            .rate(Fault::Kill, 0.0)
            .rate(Fault::StaleRead, 0.3);
        let store = world.store_under(&plan);
        let relays: Vec<_> = (0..1 + seed % 3)
            .map(|_| store.relay(world.topics.clone()))
            .collect();
        let unlucky = plan.clone();
        world.topics.answer(move |_| match unlucky.below(10) {
            0 => Answer::Fail,
            1 => Answer::Lose,
            2 => Answer::Late(Duration::from_millis(unlucky.below(300))),
            _ => Answer::Confirm,
        });
        let produce = async {
            let producers = (0..3).map(|producer| {
                let store = store.clone();
                let plan = plan.clone();
                async move {
                    for number in 0..15 {
                        let key = plan.below(4).to_string();
                        let other = format!("x{}", plan.below(2));
                        let transaction = store.outbox("test").transaction();
                        // A commit that isn't made, or of which that is unknown, is all right here:
                        // what arrives is held against what lies in the table.
                        let _ = transaction
                            .emit(&posting(&key, number))
                            .emit(&posting(&other, number))
                            .emit(&Note(producer * 100 + number))
                            .commit()
                            .await;
                        sleep(Duration::from_millis(plan.below(400))).await;
                    }
                }
            });
            futures_util::future::join_all(producers).await;
            plan.stop();
            sleep(Duration::from_secs(1)).await;
            world.topics.answer(|_| Answer::Confirm);
            relays[0].drain().await
        };
        let relay =
            futures_util::future::join_all(relays.iter().map(|relay| relay.run(std::future::pending())));
        tokio::select! {
            biased;
            _ = relay => unreachable!(),
            drained = produce => drained.unwrap_or_else(|error| panic!("seed {seed}: {error}")),
        }
        println!("seed {seed}: {} copies", world.topics.arrived().len());
        world.assert_in_order();
        world.assert_all_arrived().await;
    }
}

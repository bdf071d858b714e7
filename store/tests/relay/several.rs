//! Several relays at once.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::sleep;

use crate::commit;
use crate::fast::beside;
use crate::topics::Answer;
use crate::world::{Memo, Note, TABLE, World, posting};

#[tokio::test(start_paused = true)]
async fn three_relays_lose_nothing_and_keep_each_keys_order() {
    for seed in 0..6 {
        fastrand::seed(seed);
        let world = World::new().await;
        let stores = [world.store(), world.store(), world.store()];
        let relays = stores.clone().map(|store| store.relay(world.topics.clone()));
        world.topics.answer(|_| match fastrand::u32(0..8) {
            0 => Answer::Lose,
            1 => Answer::Fail,
            _ => Answer::Late(Duration::from_millis(fastrand::u64(0..50))),
        });
        let produce = async {
            // Each relay's process appends to the same keys, and each wakes its own.
            let producers = stores.iter().map(|store| async move {
                for number in 0..12 {
                    let key = fastrand::u32(0..2).to_string();
                    commit!(store, posting(&key, number), Note(number), Memo(number));
                    sleep(Duration::from_millis(fastrand::u64(0..200))).await;
                }
            });
            futures_util::future::join_all(producers).await;
            relays[0].drain().await.unwrap();
        };
        tokio::select! {
            biased;
            _ = futures_util::future::join_all(relays.iter().map(|relay| relay.run(std::future::pending()))) => {}
            () = produce => {}
        }
        println!(
            "seed {seed}: {} copies of {}",
            world.topics.arrived().len(),
            3 * 12 * 3
        );
        world.assert_in_order();
        world.assert_all_arrived().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_another_relay_confirmed_is_read_again_and_its_key_goes_on() {
    let world = World::new().await;
    let store = world.store();
    let slow = store.relay(world.topics.clone());
    let mut transaction = store.outbox("test").transaction();
    for number in 1..=25 {
        transaction = transaction.emit(&posting("a", number));
    }
    transaction.commit().await.unwrap();
    // The first relay's first call hangs until the other one, which finds the key by its sweep, has
    // gone past it.
    let mut first = true;
    world.topics.answer(move |_| match std::mem::take(&mut first) {
        true => Answer::Late(Duration::from_secs(9)),
        false => Answer::Late(Duration::from_millis(200)),
    });
    let fast = world.store().relay(world.topics.clone());
    let (a, b) = tokio::join!(slow.drain(), fast.drain());
    a.unwrap();
    b.unwrap();
    world.assert_in_order();
    world.assert_all_arrived().await;
    let numbers: Vec<_> = world
        .topics
        .arrived()
        .iter()
        .map(|copy| copy.sequence.unwrap())
        .collect();
    assert!(
        numbers.len() < 40,
        "the slow one doesn't start all over: {numbers:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_relays_that_fail_at_once_count_one_attempt() {
    let world = World::new().await;
    commit!(world.store(), Note(1), posting("a", 1));
    world.topics.answer(|_| Answer::Fail);
    let relays = [world.store(), world.store()].map(|store| store.relay(world.topics.clone()));
    let stop = || sleep(Duration::from_millis(20));
    tokio::join!(relays[0].run(stop()), relays[1].run(stop()));
    assert_eq!(world.topics.calls().len(), 4, "both have tried both");
    for record in world.records().await.into_values() {
        let attempts = match record.get("events") {
            Some(events) => events.as_l().unwrap()[0].as_m().unwrap()["attempts"].clone(),
            None => record["attempts"].clone(),
        };
        assert_eq!(attempts.as_n().unwrap(), "1");
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_relay_published_stays_published_when_another_fails_or_is_refused() {
    for answer in [Answer::Fail, Answer::Refuse] {
        let world = World::new().await;
        commit!(world.store(), Note(1), posting("a", 1), posting("a", 2));
        let mut calls = 0;
        world.topics.answer(move |_| {
            calls += 1;
            match calls {
                // The first relay's two calls end late, and well.
                1 | 2 => Answer::Late(Duration::from_millis(500)),
                3 | 4 => answer,
                _ => Answer::Confirm,
            }
        });
        let relays = [world.store(), world.store()].map(|store| store.relay(world.topics.clone()));
        let second = async {
            sleep(Duration::from_millis(100)).await;
            relays[1].drain().await
        };
        let (a, b) = tokio::join!(relays[0].drain(), second);
        a.unwrap();
        b.unwrap();
        relays[0].drain().await.unwrap();
        assert_eq!(relays[0].parked().await.unwrap(), [], "{answer:?}");
        world.assert_in_order();
        world.assert_all_arrived().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_written_down_late_does_not_put_a_published_event_back() {
    let world = World::new().await;
    commit!(world.store(), Note(1));
    let mut calls = 0;
    world.topics.answer(move |_| {
        calls += 1;
        match calls {
            1 => Answer::FailLate(Duration::from_millis(500)),
            _ => Answer::Confirm,
        }
    });
    let relays = [world.store(), world.store()].map(|store| store.relay(world.topics.clone()));
    let second = async {
        sleep(Duration::from_millis(100)).await;
        relays[1].drain().await
    };
    let ((), drained) = tokio::join!(relays[0].run(sleep(Duration::from_secs(1))), second);
    drained.unwrap();
    assert_eq!(world.topics.data(), ["1"]);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_gets_the_same_events_again_is_not_left_empty_in_the_index() {
    let world = World::new().await;
    let store = world.store();
    let slow = store.relay(world.topics.clone());
    let mut transaction = store.outbox("test").transaction();
    for number in 1..=11 {
        transaction = transaction.emit(&posting("a", number));
    }
    transaction.commit().await.unwrap();
    world.topics.answer(|_| Answer::Late(Duration::from_millis(100)));
    beside!(slow, {
        // Ten are under way together. Meanwhile another relay takes all eleven, and a commit that isn't
        // deduplicated appends the first ten again.
        sleep(Duration::from_millis(950)).await;
        let records = world.records().await;
        let (pk, sk) = records.keys().find(|(_, sk)| sk == "head").unwrap();
        let key = |name: &str| AttributeValue::S(name.to_owned());
        let update = world.client().update_item().table_name(TABLE);
        update
            .key("pk", key(pk))
            .key("sk", key(sk))
            .update_expression("REMOVE pending[10] SET seq = seq + :ten")
            .expression_attribute_values(":ten", AttributeValue::N("10".into()))
            .send()
            .await
            .unwrap();
        sleep(Duration::from_secs(60)).await;
    });
    assert_eq!(store.outbox_status().await.unwrap().pending, 0);
}

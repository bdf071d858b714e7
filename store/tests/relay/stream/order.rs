//! The order within a key, whatever order the stream has.

use std::time::Duration;

use fanfare_store::StreamRecord;
use tokio::time::sleep;

use super::shown::{assert_done, stream};
use crate::commit;
use crate::topics::Answer;
use crate::world::{Note, World, posting};

#[tokio::test(start_paused = true)]
async fn records_in_any_order_and_twice_do_not_disturb_a_keys_order() {
    for seed in 0..30 {
        fastrand::seed(seed);
        let world = World::streamed().await;
        let store = world.store();
        for number in 0..12 {
            commit!(store, posting("a", number), posting("b", number), Note(number));
            if number % 3 == 0 {
                commit!(store, posting("a", number + 100), posting("a", number + 200));
            }
        }
        let mut shown: Vec<StreamRecord> = world.shown().await;
        let again: Vec<_> = fastrand::choose_multiple(shown.iter().cloned(), 10);
        shown.extend(again);
        fastrand::shuffle(&mut shown);
        let relay = world.store().relay(world.topics.clone());
        for batch in shown.chunks(7) {
            assert_done(&stream(&relay, batch).await);
        }
        world.assert_in_order();
        world.assert_all_arrived().await;
        assert_eq!(world.topics.arrived().len(), 12 * 3 + 4 * 2, "each once");
    }
}

#[tokio::test(start_paused = true)]
async fn several_functions_at_once_under_failures_keep_each_keys_order() {
    for seed in 0..6 {
        fastrand::seed(seed);
        let world = World::streamed().await;
        world.topics.answer(|_| match fastrand::u32(0..10) {
            0 => Answer::Lose,
            1 | 2 => Answer::Fail,
            _ => Answer::Late(Duration::from_millis(fastrand::u64(0..50))),
        });
        let store = world.store();
        let relays = [(); 2].map(|()| world.store().relay(world.topics.clone()));
        let produce = async {
            for number in 0..30 {
                let key = fastrand::u32(0..4).to_string();
                commit!(store, posting(&key, number), posting("all", number), Note(number));
                sleep(Duration::from_millis(fastrand::u64(0..200))).await;
            }
            sleep(Duration::from_secs(90)).await;
        };
        // Two mappings of one stream, each with shards of its own: twice at every record.
        let mapping = |seed| world.mapping().shards(3).batch(10).shuffled(seed);
        let other = async {
            let forever = std::future::pending();
            world.behind(mapping(seed + 100), &relays[1], forever).await;
        };
        tokio::select! {
            biased;
            () = other => unreachable!(),
            () = world.behind(mapping(seed), &relays[0], produce) => {}
        }
        world.assert_in_order();
        world.assert_all_arrived().await;
    }
}

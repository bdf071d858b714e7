//! What can be seen from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare::fault::Life;
use fanfare::metric;
use metrics_util::CompositeKey;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::{Instant, sleep};

use crate::commit;
use crate::fast::beside;
use crate::topics::Answer;
use crate::world::{Note, Spy, World, posting};

#[tokio::test(start_paused = true)]
async fn the_age_of_the_oldest_grows_while_publishing_fails_and_falls_afterwards() {
    let world = World::new().await;
    let store = world.store();
    let relay = store
        .relay(world.topics.clone())
        .sweep_every(Duration::from_secs(10));
    world.topics.answer(|_| Answer::Fail);
    beside!(relay, {
        assert_eq!(relay.status().await.unwrap(), Default::default());
        let mut last = Duration::ZERO;
        for number in 1..=10 {
            commit!(store, Note(number));
            sleep(Duration::from_secs(60)).await;
            let status = relay.status().await.unwrap();
            let oldest = status.oldest_unsent.unwrap();
            assert_eq!((status.pending, status.parked), (u64::from(number), 0));
            assert!(
                oldest >= last + Duration::from_secs(60),
                "{oldest:?} after {last:?}"
            );
            last = oldest;
        }
        world.topics.answer(|_| Answer::Confirm);
        sleep(Duration::from_secs(80)).await;
        assert_eq!(relay.status().await.unwrap(), Default::default());
    });
}

#[tokio::test(start_paused = true)]
async fn the_age_of_an_ordered_event_that_fails_grows_too() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let relay = relay.sweep_every(Duration::from_secs(10));
    commit!(store, posting("a", 1));
    relay.drain().await.unwrap();
    world.topics.answer(|_| Answer::Fail);
    sleep(Duration::from_secs(1_000)).await;
    beside!(relay, {
        commit!(store, posting("a", 2));
        sleep(Duration::from_secs(300)).await;
        commit!(store, posting("a", 3), posting("b", 1));
        sleep(Duration::from_secs(300)).await;
    });
    let status = relay.status().await.unwrap();
    let oldest = status.oldest_unsent.unwrap();
    assert_eq!(status.pending, 2, "one for each key");
    assert!(
        (Duration::from_secs(600)..Duration::from_secs(601)).contains(&oldest),
        "{oldest:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_run_shows_in_the_age() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    commit!(store, Note(1));
    sleep(Duration::from_secs(9 * 24 * 3600)).await;
    let oldest = relay.status().await.unwrap().oldest_unsent.unwrap();
    assert!(oldest >= Duration::from_secs(9 * 24 * 3600));
}

#[tokio::test(start_paused = true)]
async fn parked_events_are_counted_apart_and_have_no_age() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|outgoing| match outgoing.envelope.ty() {
        "note.taken" => Answer::Refuse,
        _ => Answer::Fail,
    });
    commit!(store, Note(1));
    commit!(store, Note(2), Note(3));
    commit!(store, posting("a", 4));
    relay.run(sleep(Duration::from_secs(2))).await;
    let status = relay.status().await.unwrap();
    assert_eq!((status.pending, status.parked), (1, 2));
    assert_eq!(relay.parked().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_outbox_is_measured() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new().await;
    let store = world.store();
    let relay = store
        .relay(world.topics.clone())
        .measure_every(Duration::from_secs(30));
    world.topics.answer(|_| Answer::Fail);
    beside!(relay, {
        commit!(store, Note(1));
        sleep(Duration::from_secs(65)).await;
        let values = recorded(&recorder);
        assert_eq!(values[metric::OUTBOX_PENDING], 1.0);
        let oldest = values[metric::OUTBOX_OLDEST];
        assert!((55.0..=65.0).contains(&oldest), "{oldest}");
        assert!(values[metric::OUTBOX_FAILURES] >= 1.0);
        world.topics.answer(|_| Answer::Confirm);
        sleep(Duration::from_secs(120)).await;
        let values = recorded(&recorder);
        assert_eq!(values[metric::OUTBOX_PUBLISHED], 1.0);
        assert_eq!(
            (values[metric::OUTBOX_PENDING], values[metric::OUTBOX_OLDEST]),
            (0.0, 0.0)
        );
        assert_eq!(values[metric::OUTBOX_PARKED], 0.0);
    });
}

#[tokio::test(start_paused = true)]
async fn behind_the_stream_the_outbox_is_measured_by_the_first_batch_and_not_before_the_pause_again() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::streamed().await;
    let store = world.store();
    let pause = Duration::from_secs(60);
    let relay = world.store().relay(world.topics.clone()).measure_every(pause);
    let deadline = || Instant::now() + Duration::from_secs(20);
    commit!(store, Note(1));
    let shown = world.shown().await;
    world.topics.answer(|_| Answer::Fail);
    assert!(relay.stream(&shown, deadline()).await[0].is_err());
    assert_eq!(recorded(&recorder)[metric::OUTBOX_PENDING], 1.0);

    // A value that was read is gone.
    sleep(Duration::from_secs(55)).await;
    relay.stream(&[], deadline()).await;
    assert_eq!(recorded(&recorder)[metric::OUTBOX_PENDING], 0.0, "not yet");
    sleep(Duration::from_secs(5)).await;
    relay.clone().stream(&[], deadline()).await;
    assert_eq!(recorded(&recorder)[metric::OUTBOX_PENDING], 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_is_not_measured_past_a_batch_s_deadline() {
    let world = World::streamed().await;
    let life = Life::default();
    let relay = world.store_for(&life, Spy::new()).relay(world.topics.clone());
    let relay = relay.measure_every(Duration::from_secs(60));
    // No call gets an answer.
    life.kill();
    let start = Instant::now();
    relay.stream(&[], start + Duration::from_secs(2)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    relay.stream(&[], start + Duration::from_secs(4)).await;
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(2),
        "not in the next batch again"
    );
}

/// The value of each counter and gauge; counters begin anew.
fn recorded(recorder: &DebuggingRecorder) -> BTreeMap<String, f64> {
    let snapshot = recorder.snapshotter().snapshot().into_vec().into_iter();
    let value = |value| match value {
        DebugValue::Counter(count) => count as f64,
        DebugValue::Gauge(value) => value.into_inner(),
        DebugValue::Histogram(_) => 0.0,
    };
    let by_name = |(key, _, _, found): (CompositeKey, _, _, _)| (key.key().name().to_owned(), value(found));
    snapshot.map(by_name).collect()
}

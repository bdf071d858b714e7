//! What fails, and what doesn't.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::fault::{Fault, FaultPlan, Life};
use fanfare_store::StreamError;
use tokio::time::{Instant, sleep};

use super::shown::{INVOCATION, assert_done, stream};
use crate::commit;
use crate::topics::Answer;
use crate::world::{Memo, Note, Steps, TABLE, World, posting};

#[tokio::test(start_paused = true)]
async fn what_is_not_confirmed_fails_alone_and_is_written_down_for_the_sweep() {
    let world = World::streamed().await;
    let store = world.store();
    for number in 0..5 {
        commit!(store, Note(number));
    }
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("2") => Answer::Fail,
        _ => Answer::Confirm,
    });
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    let start = Instant::now();
    let results = stream(&relay, &shown).await;
    assert!(start.elapsed() < Duration::from_secs(1), "and is told at once");
    let failed: Vec<_> = results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, false, true, false, false]);
    let error = results[2].as_ref().unwrap_err();
    assert!(matches!(error, StreamError::NotPublished { .. }), "{error:?}");
    assert!(error.to_string().contains("out of order"), "{error}");
    let status = relay.status().await.unwrap();
    assert_eq!((status.pending, status.parked), (1, 0));
    let attempts: Vec<_> = world
        .records()
        .await
        .into_values()
        .map(|record| {
            let event = record["events"].as_l().unwrap()[0].as_m().unwrap();
            event["attempts"].as_n().unwrap().clone()
        })
        .collect();
    assert_eq!(attempts.iter().filter(|attempts| *attempts == "1").count(), 1);

    // The sweep takes it, and what is shown again then is done.
    world.topics.answer(|_| Answer::Confirm);
    let other = world.store().relay(world.topics.clone());
    other.run(sleep(Duration::from_secs(4))).await;
    assert_eq!(world.topics.arrived().len(), 5);
    assert_done(&stream(&relay, &shown[2..]).await);
    assert_eq!(world.topics.arrived().len(), 5);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_shown_again_publishes_only_what_failed_when_its_pause_is_over() {
    let world = World::streamed().await;
    let store = world.store();
    for number in 0..5 {
        commit!(store, Note(number));
    }
    let mut first = true;
    world
        .topics
        .answer(move |outgoing| match outgoing.envelope.data() {
            Some("0") if std::mem::take(&mut first) => Answer::Fail,
            _ => Answer::Confirm,
        });
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    assert!(stream(&relay, &shown).await[0].is_err());
    assert_done(&stream(&relay, &shown).await);
    let mut data = world.topics.data();
    data.sort();
    assert_eq!(data, ["0", "1", "2", "3", "4"], "each once");
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_event_of_a_key_fails_the_records_from_it_on_and_no_other_key() {
    let world = World::streamed().await;
    let store = world.store();
    for number in 1..=4 {
        commit!(store, posting("a", number));
    }
    commit!(store, posting("b", 1));
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    world.topics.answer(move |outgoing| {
        let third = outgoing.key.as_deref() == Some("a") && outgoing.envelope.sequence() == Some(3);
        match third && failing.load(Ordering::Relaxed) {
            true => Answer::Fail,
            false => Answer::Confirm,
        }
    });
    let relay = world.store().relay(world.topics.clone());
    let mut shown = world.shown().await;
    // A commit that only appends leaves a mark as well.
    shown.retain(|record| record.keys["sk"].as_s().is_ok_and(|sk| sk == "head"));
    let results = stream(&relay, &shown).await;
    let failed: Vec<_> = results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, false, true, true, false]);
    fails.store(false, Ordering::Relaxed);
    assert_done(&stream(&relay, &shown[2..]).await);
    world.assert_in_order();
    world.assert_all_arrived().await;
    assert_eq!(world.topics.arrived().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn nothing_parked_fails_and_a_shard_goes_on() {
    let world = World::streamed().await;
    let store = world.store();
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("1" | "[\"a\",1]") => Answer::Refuse,
        _ => Answer::Confirm,
    });
    let relay = world.store().relay(world.topics.clone());
    let mapping = world.mapping().shards(1).batch(2);
    let produce = async {
        commit!(store, Note(1), posting("a", 1), posting("b", 1));
        // Behind the parked one, and told of by the stream too.
        commit!(store, posting("a", 2));
        commit!(store, Memo(2), posting("b", 2));
        sleep(Duration::from_secs(2)).await;
    };
    world.behind(mapping, &relay, produce).await;
    let mut data = world.topics.data();
    data.sort();
    assert_eq!(data, ["2", "[\"b\",1]", "[\"b\",2]"]);
    assert_eq!(relay.parked().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_can_not_be_read_is_parked_and_fails_nothing() {
    let world = World::streamed().await;
    let store = world.store();
    commit!(store, Note(1), posting("a", 1));
    let shown = world.shown().await;
    for (pk, sk) in world.records().await.into_keys() {
        let (name, value) = match &*sk {
            "commit" => ("events", AttributeValue::S("what?".into())),
            _ => ("pending", AttributeValue::S("what?".into())),
        };
        let update = world.client().update_item().table_name(TABLE);
        update
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk))
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }
    let relay = world.store().relay(world.topics.clone());
    assert_done(&stream(&relay, &shown).await);
    assert_eq!(relay.parked().await.unwrap().len(), 2);
    assert_eq!(world.topics.arrived().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_it_returns_and_what_is_not_done_has_failed() {
    let world = World::streamed().await;
    let store = world.store();
    commit!(store, Note(1), posting("a", 1));
    commit!(store, Memo(2));
    world.topics.answer(
        |outgoing| match outgoing.destination.to_string().contains("memos") {
            true => Answer::Confirm,
            false => Answer::Hang,
        },
    );
    let relay = world
        .store()
        .relay(world.topics.clone())
        .publish_within(INVOCATION * 2);
    let shown = world.shown().await;
    let start = Instant::now();
    let results = relay.stream(&shown, start + INVOCATION).await;
    assert_eq!(start.elapsed(), INVOCATION);
    let failed: Vec<_> = results.iter().map(Result::is_err).collect();
    let expected: Vec<_> = shown
        .iter()
        .map(|record| {
            let image = record.new_image.as_ref().unwrap();
            !format!("{image:?}").contains("memo.written")
        })
        .collect();
    assert_eq!(failed, expected);
    world.topics.answer(|_| Answer::Confirm);
    let relay = world.store().relay(world.topics.clone());
    assert_done(&stream(&relay, &shown).await);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_fails_all_and_publishes_nothing() {
    let world = World::streamed().await;
    commit!(world.store(), Note(1), posting("a", 1));
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    let results = relay.stream(&shown, Instant::now()).await;
    assert!(results.iter().all(Result::is_err));
    assert_eq!(world.topics.calls(), [0_usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_for_throttling_fails_and_comes_again() {
    let world = World::streamed().await;
    commit!(world.store(), Note(1), posting("a", 1));
    let shown = world.shown().await;
    let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::Throttle, 1.0);
    let relay = world.store_under(&plan).relay(world.topics.clone());
    let results = stream(&relay, &shown).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(StreamError::Relay(_)))),
        "{results:?}"
    );
    plan.stop();
    assert_done(&stream(&relay, &shown).await);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_down_fails_and_is_published_again() {
    let world = World::streamed().await;
    commit!(world.store(), Note(1), posting("a", 1));
    let shown = world.shown().await;
    let plan = FaultPlan::seeded(1).rates(0.0);
    let spied = plan.clone();
    // Everything is throttled from the first write on.
    let throttled = Arc::new(AtomicBool::new(true));
    let refuse = Arc::clone(&throttled);
    let spy = crate::world::Spy::new().before(move |operation, _| {
        let _ = &spied;
        match refuse.load(Ordering::Relaxed) && operation != "BatchGetItem" {
            true => Err("no answer".into()),
            false => Ok(()),
        }
    });
    let relay = world.store_spied(spy).relay(world.topics.clone());
    let results = stream(&relay, &shown).await;
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(world.topics.arrived().len(), 2);
    throttled.store(false, Ordering::Relaxed);
    assert_done(&stream(&relay, &shown).await);
    assert_eq!(world.topics.arrived().len(), 4, "each a second time, by its id");
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_at_any_step_what_is_shown_again_is_published_in_order() {
    let mut kills = 0;
    for step in 1.. {
        fastrand::seed(7);
        let world = World::streamed().await;
        let store = world.store();
        for number in 0..2 {
            commit!(
                store,
                posting("a", number),
                posting("b", number),
                Note(number),
                Memo(number)
            );
        }
        let shown = world.shown().await;
        let life = Life::new("function");
        let steps = Steps::new(&life, step);
        let relay = world.store_for(&life, steps.spy()).relay(world.topics.of(&steps));
        tokio::select! {
            biased;
            () = life.killed() => {}
            results = stream(&relay, &shown) => assert_done(&results),
        }
        let reborn = world.store().relay(world.topics.clone());
        assert_done(&stream(&reborn, &shown).await);
        world.assert_in_order();
        world.assert_all_arrived().await;
        if !life.is_over() {
            break;
        }
        kills += 1;
    }
    assert!(kills > 15, "{kills} steps are too few to show anything");
}

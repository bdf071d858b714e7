//! What is published, and what is left alone.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::Delivery;
use fanfare_store::StreamRecord;
use tokio::time::{Instant, sleep};

use super::shown::{assert_done, stream};
use crate::commit;
use crate::topics::Answer;
use crate::world::{Memo, Note, TABLE, World, posting};

/// Only what reaches the tables counts.
fn calls(world: &World) -> u64 {
    world.dynamo.calls().values().sum()
}

#[tokio::test(start_paused = true)]
async fn what_a_commit_writes_is_published_and_marked_without_a_sweep() {
    let world = World::streamed().await;
    let store = world.store();
    commit!(store, Note(1), Memo(2), posting("a", 1), posting("b", 1));
    commit!(store, posting("a", 2), posting("a", 3));
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    assert_done(&stream(&relay, &shown).await);
    world.assert_in_order();
    world.assert_all_arrived().await;
    assert_eq!(world.topics.arrived().len(), 6);
    assert!(world.states().await.values().all(|state| state == "published"));
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_again_is_not_published_again() {
    let world = World::streamed().await;
    commit!(world.store(), Note(1), posting("a", 1), posting("a", 2));
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    for _ in 0..3 {
        assert_done(&stream(&relay, &shown).await);
    }
    assert_eq!(world.topics.arrived().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_of_the_outbox_and_what_the_relay_wrote_down_costs_no_call() {
    let world = World::streamed().await;
    let store = world.store().window(Duration::from_secs(1_000 * 24 * 60 * 60));
    // Inbox records, what a commit marks, and an item of the application's.
    let delivery = Delivery::of("billing", Note(1)).unwrap();
    let inbox = store.inbox();
    inbox.once(&delivery).commit().await.unwrap();
    let other = Delivery::of("billing", Note(2)).unwrap();
    inbox.once(&other).emit(&Note(3)).commit().await.unwrap();
    commit!(store, posting("a", 1));
    let put = world.client().put_item().table_name(TABLE);
    put.item("pk", AttributeValue::S("order".into()))
        .item("sk", AttributeValue::S("head".into()))
        .item("pending", AttributeValue::L(Vec::new()))
        .send()
        .await
        .unwrap();
    let first = world.shown().await;
    let relay = store.relay(world.topics.clone());
    assert_done(&stream(&relay, &first).await);
    world.assert_all_arrived().await;
    let written = world.shown().await.split_off(first.len());
    assert!(written.len() >= 2, "{}", written.len());
    let before = calls(&world);
    assert_done(&stream(&relay, &written).await);
    assert_eq!(calls(&world), before);
    // And what goes: by hand and by expiry.
    sleep(Duration::from_secs(2_000 * 24 * 60 * 60)).await;
    assert!(world.dynamo.sweep_expired().unwrap() >= 3);
    for key in world.records().await.keys() {
        let delete = world.client().delete_item().table_name(TABLE);
        delete
            .key("pk", AttributeValue::S(key.0.clone()))
            .key("sk", AttributeValue::S(key.1.clone()))
            .send()
            .await
            .unwrap();
    }
    let second = world.shown().await;
    assert!(second.len() >= 5, "{}", second.len());
    let before = calls(&world);
    assert_done(&stream(&relay, &second).await);
    assert_eq!(calls(&world), before);

    // And of the first, all but what had something pending.
    let nothing: Vec<_> = first
        .into_iter()
        .filter(|record| {
            let image = record.new_image.as_ref().unwrap();
            !image.contains_key("shard")
        })
        .collect();
    assert!(nothing.len() >= 3, "{}", nothing.len());
    assert_done(&stream(&relay, &nothing).await);
    assert_eq!(calls(&world), before);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_keys_alone_is_enough() {
    let world = World::streamed().await;
    commit!(world.store(), Note(1), posting("a", 1));
    let shown = world.shown().await.into_iter();
    let shown: Vec<_> = shown
        .map(|record| StreamRecord::new(record.change, record.keys))
        .collect();
    let relay = world.store().relay(world.topics.clone());
    assert_done(&stream(&relay, &shown).await);
    assert_done(&stream(&relay, &shown).await);
    assert_eq!(world.topics.arrived().len(), 2);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_records_are_read_in_one_call_and_each_key_once() {
    let world = World::streamed().await;
    let store = world.store();
    for number in 0..80 {
        commit!(store, Note(number), posting("a", number), posting("b", number));
    }
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    assert_eq!(shown.len(), 240);
    assert_done(&stream(&relay, &shown).await);
    let calls = world.dynamo.calls();
    assert_eq!(calls["BatchGetItem"], 1, "82 records in one: {calls:?}");
    assert!(!calls.contains_key("GetItem"));
    assert_eq!(world.topics.arrived().len(), 240);
    world.assert_in_order();
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_records_are_published_side_by_side() {
    let world = World::streamed().await;
    let store = world.store();
    for number in 0..1_000 {
        commit!(store, Note(number));
    }
    world.topics.answer(|_| Answer::Late(Duration::from_millis(5)));
    let relay = world.store().relay(world.topics.clone());
    let shown = world.shown().await;
    let start = Instant::now();
    assert_done(&stream(&relay, &shown).await);
    // In batches of ten, of which four are under way at a time.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_unparked_shows_in_the_stream() {
    let world = World::streamed().await;
    let store = world.store();
    let relay = world.store().relay(world.topics.clone());
    world.topics.answer(|_| Answer::Refuse);
    commit!(store, Note(1), Note(2), posting("a", 1), posting("a", 2));
    assert_done(&stream(&relay, &world.shown().await).await);
    let parked = relay.parked().await.unwrap();
    assert_eq!(parked.len(), 3);
    world.topics.answer(|_| Answer::Confirm);
    let before = world.shown().await.len();
    for parked in &parked {
        assert!(relay.unpark(parked).await.unwrap());
    }
    let shown = world.shown().await.split_off(before);
    assert_done(&stream(&relay, &shown).await);
    world.assert_in_order();
    world.assert_all_arrived().await;
    assert_eq!(world.topics.arrived().len(), 4);
}

/// What failed has its turn when its record says, and what is parked waits for somebody.
#[tokio::test(start_paused = true)]
async fn what_was_written_down_of_a_failure_or_parked_costs_no_call() {
    for (answer, number) in [(Answer::Fail, 1), (Answer::Refuse, 2)] {
        let world = World::streamed().await;
        let relay = world.store().relay(world.topics.clone());
        world.topics.answer(move |_| answer);
        match answer {
            Answer::Fail => commit!(world.store(), Note(1)),
            _ => commit!(world.store(), Note(1), posting("a", 1)),
        };
        let shown = world.shown().await;
        stream(&relay, &shown).await;
        let written = world.shown().await.split_off(shown.len());
        assert!(written.len() >= number, "{}", written.len());
        let before = calls(&world);
        assert_done(&stream(&relay, &written).await);
        assert_eq!(calls(&world), before, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_only_looks_like_the_outbox_is_ignored() {
    let world = World::streamed().await;
    let relay = world.store().relay(world.topics.clone());
    let text = |name: &str| AttributeValue::S(name.to_owned());
    let records = ["commit", "head"].map(|sort| {
        let keys = [("pk".to_owned(), text("order#7")), ("sk".to_owned(), text(sort))];
        let image = [("shard".to_owned(), text("pending#0"))];
        StreamRecord::new(fanfare_store::StreamChange::Insert, keys.into()).with_new_image(image.into())
    });
    let before = calls(&world);
    assert_done(&stream(&relay, &records).await);
    assert_eq!(calls(&world), before);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_not_ours_is_ignored() {
    let world = World::streamed().await;
    let relay = world.store().relay(world.topics.clone());
    let key = |name: &str| AttributeValue::N(name.to_owned());
    let records = [
        StreamRecord::new(fanfare_store::StreamChange::Insert, Default::default()),
        StreamRecord::new(
            fanfare_store::StreamChange::Insert,
            [("pk".to_owned(), key("1")), ("sk".to_owned(), key("2"))].into(),
        ),
    ];
    let before = calls(&world);
    assert_done(&stream(&relay, &records).await);
    assert_eq!(calls(&world), before);
}

//! The store's table and its settings.

use std::time::Duration;

use fanfare::fault::Life;
use fanfare::{App, Clock, Delivery, Failure, Handled, Router};
use fanfare_local::Dynamo;
use fanfare_store::{Store, StoreError};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn it_is_made_as_the_records_need_it_and_making_it_again_changes_nothing() {
    let dynamo = Dynamo::memory(Clock::tokio(start())).unwrap();
    let client = dynamo.client(&Life::default());
    let store = Store::new(client.clone(), "mine");
    store.create_table().await.unwrap();
    let before = dynamo.calls();
    store.create_table().await.unwrap();
    let after = dynamo.calls();
    assert_eq!((after["CreateTable"], after["UpdateTimeToLive"]), (1, 1));
    assert!(after["DescribeTable"] > before["DescribeTable"]);

    let table = client
        .describe_table()
        .table_name("mine")
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    let index = &table.global_secondary_indexes()[0];
    assert_eq!(index.index_name(), Some("pending"));
    assert_eq!(
        index.projection().unwrap().projection_type().unwrap().as_str(),
        "KEYS_ONLY"
    );
    let expiry = client
        .describe_time_to_live()
        .table_name("mine")
        .send()
        .await
        .unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name(), Some("expires_at"));
}

#[tokio::test(start_paused = true)]
async fn it_is_made_although_answers_are_lost() {
    for lost in ["CreateTable", "UpdateTimeToLive"] {
        let dynamo = Dynamo::memory(Clock::tokio(start())).unwrap();
        let tap = Tap::first(lost, vec![Deed::LoseReply]);
        let store = Store::new(tap.client(&dynamo), "mine");
        store.create_table().await.unwrap_err();
        store.create_table().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_that_make_it_at_once_do_not_disturb_each_other() {
    let dynamo = Dynamo::memory(Clock::tokio(start())).unwrap();
    let make = || Store::new(dynamo.client(&Life::default()), "mine");
    let all = futures_util::future::join_all((0..5).map(|_| async { make().create_table().await })).await;
    for made in all {
        made.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn another_table_of_that_name_is_refused_with_what_is_wrong() {
    let world = World::new().await;
    let store = Store::new(
        world.dynamo.client(&Life::default()),
        crate::support::things::TABLE,
    );
    let error = store.create_table().await.unwrap_err();
    let StoreError::Table { has, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(has, "the keys [\"id\"], and no index `pending`");
}

fn app(retention: Duration) -> App {
    async fn handle(_: Delivery<Placed>) -> Result<Handled, Failure> {
        Ok(Handled::Applied)
    }
    let mail = Router::new("mail").on::<Placed>(handle);
    let billing = Router::new("billing").on::<Placed>(handle).retention(retention);
    App::new("shop").consumer(mail).consumer(billing)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_forgets_sooner_than_the_application_says_is_refused() {
    let world = World::new().await;
    let topology = app(4 * DAY).dedupe_window(40 * DAY).topology().unwrap();
    let check = |window| world.store().window(window).check_retention(&topology);
    check(40 * DAY).unwrap();
    check(50 * DAY).unwrap();
    let error = check(40 * DAY - SECOND).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store remembers what was handled for 3455999 s, and the application declares 3456000 s: raise \
         `Store::window`, or lower `App::dedupe_window`"
    );
}

#[tokio::test(start_paused = true)]
async fn the_window_is_held_against_queue_and_dead_letter_queue() {
    let world = World::new().await;
    let check = |window: Duration, retention: Duration| {
        let topology = app(retention).dedupe_window(window).topology().unwrap();
        world.store().window(window).check_retention(&topology)
    };
    check(30 * DAY, 14 * DAY).unwrap();
    // 4 days, and 14 in the dead-letter queue.
    check(18 * DAY + 5 * SECOND, 4 * DAY).unwrap();
    let error = check(18 * DAY + 4 * SECOND, 4 * DAY).unwrap_err();
    assert!(error.to_string().contains("`mail`"), "{error}");
    let error = check(20 * DAY, 10 * DAY).unwrap_err();
    let StoreError::Window {
        consumer,
        needed,
        window,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (consumer.as_str(), needed, window),
        ("billing", 24 * DAY, 20 * DAY)
    );
}

//! edge-cases.md, "Clock and TTL": DynamoDB deletes days late, and clocks differ.

use std::time::SystemTime;

use fanfare::Handled;
use fanfare_store::{CommitError, Inbox};

use crate::support::things::count;
use crate::support::*;

async fn handle(inbox: &Inbox, time: Option<SystemTime>) -> Result<Handled, CommitError> {
    let delivery = deliver("billing", &envelope("/checkout", "17", time)).await;
    inbox.once(&delivery).write(count("sold")).commit().await
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(start_paused = true)]
async fn clock_and_ttl_an_expired_record_that_is_still_there_is_still_a_duplicate() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    // Without a time the event's own age doesn't get in the way.
    assert_eq!(handle(&inbox, None).await.unwrap(), Handled::Applied);
    tokio::time::advance(31 * DAY).await;
    let expires_at = number(&world.inbox().await[0], "expires_at");
    assert!(expires_at < seconds(world.clock.now()));
    assert_eq!(handle(&inbox, None).await.unwrap(), Handled::Duplicate);
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_older_than_what_is_remembered_is_refused_for_good() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    tokio::time::advance(40 * DAY).await;
    let now = world.clock.now();

    let error = handle(&inbox, Some(now - 30 * DAY + 4 * SECOND))
        .await
        .unwrap_err();
    let CommitError::TooOld { age, window, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*age, *window), (30 * DAY - 4 * SECOND, 30 * DAY));
    assert!(is_terminal(error));
    assert!(world.records().await.is_empty());
    assert_eq!(world.counted("sold").await, 0);

    // Younger than the window less the skew of 5 s.
    let handled = handle(&inbox, Some(now - 30 * DAY + 6 * SECOND)).await;
    assert_eq!(handled.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn window_and_skew_can_be_set() {
    let world = World::new().await;
    let inbox = world.store().window(10 * MINUTE).skew(MINUTE).inbox();
    tokio::time::advance(HOUR).await;
    let now = world.clock.now();
    let error = handle(&inbox, Some(now - 9 * MINUTE - SECOND)).await.unwrap_err();
    assert!(matches!(error, CommitError::TooOld { .. }), "{error}");
    handle(&inbox, Some(now - 9 * MINUTE)).await.unwrap();
    assert_eq!(number(&world.inbox().await[0], "expires_at"), seconds(now) + 600);
}

#[tokio::test(start_paused = true)]
async fn a_record_outlives_the_window_of_an_event_handled_late() {
    let world = World::new().await;
    tokio::time::advance(20 * DAY).await;
    handle(&world.store().inbox(), Some(start())).await.unwrap();
    let expires_at = number(&world.inbox().await[0], "expires_at");
    assert_eq!(expires_at, seconds(start()) + 50 * 24 * 60 * 60);
}

#[tokio::test(start_paused = true)]
async fn a_record_outlives_the_window_of_an_event_whose_publishers_clock_is_ahead() {
    let world = World::new().await;
    handle(&world.store().inbox(), Some(start() + DAY)).await.unwrap();
    let expires_at = number(&world.inbox().await[0], "expires_at");
    assert_eq!(expires_at, seconds(start()) + 31 * 24 * 60 * 60);
}

#[tokio::test(start_paused = true)]
async fn once_it_is_deleted_the_event_is_too_old_so_it_is_never_handled_unguarded() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    handle(&inbox, Some(start())).await.unwrap();
    // Deleted at the very second of its expiry, and asked by a host whose clock is 5 s slow.
    tokio::time::advance(30 * DAY + SECOND).await;
    assert_eq!(world.dynamo.sweep_expired().unwrap(), 1);
    let slow = world.store_behind(5 * SECOND).inbox();
    for inbox in [slow, inbox] {
        let error = handle(&inbox, Some(start())).await.unwrap_err();
        assert!(matches!(error, CommitError::TooOld { .. }), "{error}");
    }
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_to_be_published_never_expires() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = inbox
        .once(&delivery)
        .emit(&charged("17"))
        .emit(&posted("cash", "5 USD"));
    once.commit().await.unwrap();
    tokio::time::advance(365 * DAY).await;
    assert_eq!(world.dynamo.sweep_expired().unwrap(), 1); // the inbox record
    assert_eq!(world.outbox().await.len(), 1);
    assert_eq!(world.records_of("key#").await.len(), 1);
}

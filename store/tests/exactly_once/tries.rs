//! Failed tries that a queue's receives can't count.

use fanfare::port::Tries;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn failed_tries_are_counted_for_each_consumer_and_message_with_one_write_each() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let before = world.dynamo.calls();
    for (consumer, message, count) in [
        ("ledger", "m-1", 1),
        ("ledger", "m-1", 2),
        ("ledger", "m-2", 1),
        ("audit", "m-1", 1),
        // Names that would run together without their lengths.
        ("ledger1", "m-2", 1),
        ("ledger", "m-1", 3),
    ] {
        assert_eq!(inbox.failed(consumer, message).await.unwrap(), count);
    }
    assert_eq!(world.calls_since(&before), [("UpdateItem", 6)].into());
    let other = world.store().inbox();
    assert_eq!(other.failed("ledger", "m-1").await.unwrap(), 4, "of any host");
}

#[tokio::test(start_paused = true)]
async fn a_count_expires_as_an_inbox_record_does_counted_from_the_last_try() {
    let world = World::new().await;
    let inbox = world.store().window(10 * DAY).inbox();
    inbox.failed("ledger", "m-1").await.unwrap();
    tokio::time::advance(DAY).await;
    inbox.failed("ledger", "m-1").await.unwrap();
    let records = world.records_of("tries#").await;
    assert_eq!(records.len(), 1);
    assert_eq!(text(&records[0], "pk"), "tries#6:ledger3:m-1");
    let since = (start() + 11 * DAY)
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(number(&records[0], "expires_at"), since.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_try_whose_answer_is_lost_counts_once_more_at_the_most() {
    let world = World::new().await;
    let tap = Tap::first("UpdateItem", vec![Deed::LoseReply]);
    let inbox = world.store_through(&tap).inbox();
    let first = inbox.failed("ledger", "m-1").await;
    let next = inbox.failed("ledger", "m-1").await.unwrap();
    // A client that tries again by itself has counted twice and answers; one that doesn't is an error.
    assert_eq!(next, first.map_or(2, |count| count + 1));
    assert!((2..=3).contains(&next), "{next}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_an_error_in_time() {
    let world = World::new().await;
    let tap = Tap::new(|operation, _| match operation {
        "UpdateItem" => Deed::Hang,
        _ => Deed::Pass,
    });
    let inbox = world.store_through(&tap).inbox();
    let started = tokio::time::Instant::now();
    inbox.failed("ledger", "m-1").await.unwrap_err();
    assert!(started.elapsed() <= 10 * SECOND);
}

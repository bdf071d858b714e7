//! Receipts, visibility and retention.

use std::time::Duration;

use fanfare::memory::{BrokerError, Entry, QueueSettings};
use tokio::time::advance;

use super::{DAY, HOUR, counts, one, seconds, with_queue};

#[tokio::test(start_paused = true)]
async fn deleting_with_an_old_receipt_succeeds_and_does_nothing() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let first = one(&broker, "q").await;
    advance(seconds(30)).await;
    let second = one(&broker, "q").await;
    broker.delete("q", first.receipt).unwrap();
    assert_eq!(counts(&broker), (0, 1, 0, 0));
    broker.delete("q", second.receipt).unwrap();
    assert_eq!(counts(&broker), (0, 0, 0, 0));
    broker.delete("q", second.receipt).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_receipt_deletes_also_after_its_time_unless_received_again() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let message = one(&broker, "q").await;
    advance(seconds(31)).await;
    broker.delete("q", message.receipt).unwrap();
    assert_eq!(counts(&broker), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stale_receipt_extends_nothing() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let first = one(&broker, "q").await;
    advance(seconds(30)).await;
    let stale = broker.change_visibility("q", first.receipt, seconds(30));
    assert_eq!(stale, Err(BrokerError::NotInFlight("q".into())), "visible again");
    let second = one(&broker, "q").await;
    let stale = broker.change_visibility("q", first.receipt, seconds(60));
    assert_eq!(stale, Err(BrokerError::NotHeld("q".into())), "received again");
    broker
        .change_visibility("q", second.receipt, seconds(60))
        .unwrap();
    advance(seconds(59)).await;
    assert_eq!(counts(&broker), (0, 1, 0, 0));
    broker.delete("q", second.receipt).unwrap();
    let gone = broker.change_visibility("q", second.receipt, seconds(1));
    assert_eq!(gone, Err(BrokerError::NotHeld("q".into())), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_visibility_counts_from_now_and_zero_shows_at_once() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let message = one(&broker, "q").await;
    advance(seconds(20)).await;
    broker
        .change_visibility("q", message.receipt, seconds(30))
        .unwrap();
    advance(seconds(29)).await;
    assert_eq!(counts(&broker), (0, 1, 0, 0));
    broker
        .change_visibility("q", message.receipt, Duration::ZERO)
        .unwrap();
    assert_eq!(counts(&broker), (1, 0, 0, 0));
    // The next receive is back at the queue's own timeout.
    one(&broker, "q").await;
    advance(seconds(30)).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn visibility_is_capped_at_12_hours_from_the_receive() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    let message = one(&broker, "q").await;
    broker.change_visibility("q", message.receipt, 12 * HOUR).unwrap();
    advance(11 * HOUR).await;
    let error = broker
        .change_visibility("q", message.receipt, HOUR + seconds(1))
        .unwrap_err();
    assert_eq!(
        error,
        BrokerError::TooLong {
            queue: "q".into(),
            left: HOUR
        }
    );
    broker.change_visibility("q", message.receipt, HOUR).unwrap();
    advance(HOUR).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
    // Another receive starts another 12 hours.
    let message = one(&broker, "q").await;
    broker.change_visibility("q", message.receipt, 12 * HOUR).unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_are_dropped_after_their_retention_also_in_flight() {
    let broker = with_queue(QueueSettings {
        retention: seconds(60),
        ..QueueSettings::default()
    });
    broker.send("q", Entry::new("a")).unwrap();
    broker.send("q", Entry::new("b")).unwrap();
    advance(seconds(59)).await;
    let message = one(&broker, "q").await;
    assert_eq!(counts(&broker), (1, 1, 0, 0));
    advance(seconds(1)).await;
    assert_eq!(counts(&broker), (0, 0, 0, 0));
    assert_eq!(broker.counts("q").unwrap().expired, 2);
    broker.delete("q", message.receipt).unwrap();
    // A longer retention keeps what is there.
    broker.send("q", Entry::new("c")).unwrap();
    broker
        .set_queue(
            "q",
            QueueSettings {
                retention: DAY,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    advance(23 * HOUR).await;
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_purge_deletes_all_and_a_second_within_a_minute_is_refused() {
    let broker = with_queue(QueueSettings::default());
    broker.send("q", Entry::new("a")).unwrap();
    one(&broker, "q").await;
    broker
        .send(
            "q",
            Entry {
                delay: Some(seconds(5)),
                ..Entry::new("b")
            },
        )
        .unwrap();
    broker.send("q", Entry::new("c")).unwrap();
    broker.purge("q").unwrap();
    assert_eq!(counts(&broker), (0, 0, 0, 0));
    assert_eq!(broker.purge("q"), Err(BrokerError::PurgeInProgress("q".into())));
    advance(seconds(60)).await;
    assert_eq!(counts(&broker), (0, 0, 0, 0), "nothing shows up again");
    broker.purge("q").unwrap();
}

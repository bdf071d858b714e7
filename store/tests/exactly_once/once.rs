//! `inbox.once`: one commit a delivery.

use std::collections::BTreeMap;

use fanfare::port::Completed;
use fanfare::{DedupeKey, Handled, Lost};
use fanfare_store::CommitError;

use crate::support::things::{check, count, delete, put, put_new};
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn the_first_handling_writes_everything_in_one_transaction_and_reads_nothing() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let before = world.dynamo.calls();

    let delivery = deliver("billing", &placed("17", start())).await;
    let handled = inbox
        .once(&delivery)
        .write(count("sold"))
        .write(put_new("charge 17", "5 USD"))
        .emit(&charged("17"))
        .commit()
        .await
        .unwrap();

    assert_eq!(handled, Handled::Applied);
    assert_eq!(
        world.calls_since(&before),
        BTreeMap::from([("TransactWriteItems", 1)])
    );
    assert_eq!(world.counted("sold").await, 1);
    assert_eq!(text(&world.thing("charge 17").await.unwrap(), "value"), "5 USD");
    assert_eq!(world.outbox().await.len(), 1);
    let inbox = world.inbox().await;
    assert_eq!(text(&inbox[0], "pk"), "inbox#7:billing9:/checkout2:17");
    assert_eq!(text(&inbox[0], "state"), "done");
}

#[tokio::test(start_paused = true)]
async fn all_kinds_of_writes_take_part() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let first = deliver("billing", &placed("1", start())).await;
    let prepare = inbox.once(&first).write(put("there", "x")).write(put("old", "x"));
    prepare.commit().await.unwrap();

    let second = deliver("billing", &placed("2", start())).await;
    let all = inbox
        .once(&second)
        .write(put("new", "x"))
        .write(count("counter"))
        .write(delete("old"))
        .write(check("there"));
    all.commit().await.unwrap();

    assert!(world.thing("new").await.is_some());
    assert!(world.thing("old").await.is_none());
    assert_eq!(world.counted("counter").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_a_duplicate_and_writes_nothing() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let handle = async || {
        let delivery = deliver("billing", &placed("17", start())).await;
        let once = inbox.once(&delivery).write(count("sold")).emit(&charged("17"));
        once.commit().await.unwrap()
    };
    assert_eq!(handle().await, Handled::Applied);
    let records = world.records().await;
    tokio::time::advance(HOUR).await;

    assert_eq!(handle().await, Handled::Duplicate);
    assert_eq!(world.counted("sold").await, 1);
    assert_eq!(world.records().await, records);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_unique_only_within_its_source_and_each_consumer_handles_it() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    for (consumer, source) in [
        ("billing", "/checkout"),
        ("billing", "/returns"),
        ("mail", "/checkout"),
    ] {
        let delivery = deliver(consumer, &envelope(source, "17", None)).await;
        let handled = inbox.once(&delivery).write(count("sold")).commit().await;
        assert_eq!(handled.unwrap(), Handled::Applied, "{consumer} {source}");
    }
    assert_eq!(world.counted("sold").await, 3);
}

#[tokio::test(start_paused = true)]
async fn an_id_longer_than_a_key_may_be_is_handled_once_too() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let long = "x".repeat(3_000);
    for expected in [Handled::Applied, Handled::Duplicate] {
        let delivery = deliver("billing", &placed(&long, start())).await;
        let handled = inbox.once(&delivery).write(count("sold")).commit().await;
        assert_eq!(handled.unwrap(), expected);
    }
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_write_for_one_delivery_is_a_terminal_error() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    inbox.once(&delivery).write(count("a")).commit().await.unwrap();

    let second = inbox
        .once(&delivery)
        .write(count("b"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(second, CommitError::SecondWrite { .. }), "{second}");
    assert!(is_terminal(second));
    assert_eq!(world.counted("b").await, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_built_and_dropped_costs_nothing() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    drop(inbox.once(&delivery).write(count("a")));
    let handled = inbox.once(&delivery).write(count("b")).commit().await;
    assert_eq!(handled.unwrap(), Handled::Applied);
    assert_eq!((world.counted("a").await, world.counted("b").await), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_delivery_writes_nothing() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let (lose, lost) = Lost::new();
    let delivery = deliver_with("billing", &placed("17", start()), lost).await;
    lose.raise();
    let error = inbox
        .once(&delivery)
        .write(count("sold"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::Lost { .. }), "{error}");
    assert!(!is_terminal(error));
    assert_eq!(world.counted("sold").await, 0);
    assert!(world.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_lost_between_two_tries_is_not_tried_again() {
    let world = World::new().await;
    let (lose, lost) = Lost::new();
    let tap = Tap::new(move |operation, _| match operation {
        "TransactWriteItems" => {
            lose.raise();
            Deed::Cancel(&["TransactionConflict"])
        }
        _ => Deed::Pass,
    });
    let inbox = world.store_through(&tap).inbox();
    let delivery = deliver_with("billing", &placed("17", start()), lost).await;
    let error = inbox
        .once(&delivery)
        .write(count("sold"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::Lost { .. }), "{error}");
    assert_eq!(tap.bodies("TransactWriteItems").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_lost_after_a_try_without_answer_is_not_said_to_be_unwritten() {
    let world = World::new().await;
    let (lose, lost) = Lost::new();
    let tap = Tap::new(move |operation, _| match operation {
        "TransactWriteItems" => {
            lose.raise();
            Deed::LoseReply
        }
        _ => Deed::Pass,
    });
    let inbox = world.store_through(&tap).inbox();
    let delivery = deliver_with("billing", &placed("17", start()), lost).await;
    let error = inbox
        .once(&delivery)
        .write(count("sold"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::NoAnswer { tries: 1, .. }), "{error}");
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_lacks_the_record_is_taken_for_neither_written_nor_a_duplicate() {
    let world = World::new().await;
    let tap = Tap::new(|operation, _| match operation {
        "TransactWriteItems" => Deed::Cancel(&["ConditionalCheckFailed"]),
        _ => Deed::Pass,
    });
    let store = world.store_through(&tap);
    let delivery = deliver("billing", &placed("17", start())).await;
    let error = store.inbox().once(&delivery).commit().await.unwrap_err();
    assert!(matches!(error, CommitError::Store(_)), "{error}");

    let key = fanfare_store::IdempotencyKey::of("customer 7", "place order", "4f1c", b"a CD");
    let transaction = store.outbox("checkout").transaction().write(count("orders"));
    let error = transaction.idempotent(key, DAY).commit().await.unwrap_err();
    assert!(matches!(error, CommitError::Store(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_says_which_write_and_what_was_there() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let first = deliver("billing", &placed("1", start())).await;
    inbox
        .once(&first)
        .write(put("charge", "5 USD"))
        .commit()
        .await
        .unwrap();
    let records = world.records().await;

    let second = deliver("billing", &placed("2", start())).await;
    let error = inbox
        .once(&second)
        .write(count("sold"))
        .write_as("the charge", put_new("charge", "9 USD"))
        .commit()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`the charge`"), "{error}");
    let CommitError::ConditionFailed { name, index, item } = error else {
        panic!("{error}");
    };
    assert_eq!((name.as_str(), index), ("the charge", 1));
    assert_eq!(text(&item.unwrap(), "value"), "5 USD");
    // Nothing was written: neither the other write nor the inbox record.
    assert_eq!(world.counted("sold").await, 0);
    assert_eq!(world.records().await, records);
}

#[tokio::test(start_paused = true)]
async fn without_a_name_of_its_own_a_write_is_called_after_its_table() {
    let world = World::new().await;
    let delivery = deliver("billing", &placed("2", start())).await;
    let once = world.store().inbox().once(&delivery).write(check("not there"));
    let error = once.commit().await.unwrap_err();
    let CommitError::ConditionFailed { name, index, item } = error else {
        panic!("{error}");
    };
    assert_eq!((name.as_str(), index, item), ("things", 0, None));
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_condition_the_handler_can_decide_otherwise() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = deliver("inventory", &placed("17", start())).await;
    let reserve = inbox.once(&delivery).write_as("shelf", check("shelf"));
    let error = reserve.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::ConditionFailed { .. }), "{error}");
    let rejected = inbox.once(&delivery).write(count("rejected")).commit().await;
    assert_eq!(rejected.unwrap(), Handled::Applied);
    assert_eq!(world.counted("rejected").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_inbox_condition_outranks_the_applications() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    for expected in [Handled::Applied, Handled::Duplicate] {
        // On the repeat both fail: the record is there, and so is the charge.
        let delivery = deliver("billing", &placed("17", start())).await;
        let handled = inbox
            .once(&delivery)
            .write(put_new("charge", "5 USD"))
            .commit()
            .await;
        assert_eq!(handled.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_beside_a_conflict_on_the_inbox_record_is_tried_again() {
    // The conflict may be the first handling, still under way: then its record decides, not the
    // condition that fails because of it.
    let world = World::new().await;
    let deeds = vec![Deed::Cancel(&["TransactionConflict", "ConditionalCheckFailed"])];
    let tap = Tap::first("TransactWriteItems", deeds);
    let inbox = world.store_through(&tap).inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let handled = inbox
        .once(&delivery)
        .write(put_new("charge", "5 USD"))
        .commit()
        .await;
    assert_eq!(handled.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_under_one_token_and_one_commit_id() {
    let world = World::new().await;
    let deeds = vec![
        Deed::Cancel(&["None", "TransactionConflict"]),
        Deed::Refuse("TransactionInProgressException"),
        Deed::Cancel(&["ThrottlingError"]),
        Deed::Refuse("ProvisionedThroughputExceededException"),
    ];
    let tap = Tap::first("TransactWriteItems", deeds);
    let inbox = world.store_through(&tap).inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = inbox.once(&delivery).write(count("sold")).emit(&charged("17"));
    assert_eq!(once.commit().await.unwrap(), Handled::Applied);

    let tries = tap.bodies("TransactWriteItems");
    assert_eq!(tries.len(), 5);
    assert!(
        tries.iter().all(|body| *body == tries[0]),
        "token and content stay the same"
    );
    let token = tries[0]["ClientRequestToken"].as_str().unwrap();
    assert_eq!(text(&world.inbox().await[0], "commit"), token);
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_tries_are_random_up_to_a_growing_bound() {
    let world = World::new().await;
    let pauses = async |seed| {
        fastrand::seed(seed);
        let at = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let times = at.clone();
        let tap = Tap::new(move |operation, _| match operation {
            "TransactWriteItems" => {
                times.lock().unwrap().push(tokio::time::Instant::now());
                Deed::Cancel(&["TransactionConflict"])
            }
            _ => Deed::Pass,
        });
        let delivery = deliver("billing", &placed("17", start())).await;
        let once = world
            .store_through(&tap)
            .inbox()
            .once(&delivery)
            .write(count("sold"));
        let error = once.commit().await.unwrap_err();
        assert!(matches!(error, CommitError::Conflict { tries: 8, .. }), "{error}");
        let at = at.lock().unwrap();
        at.windows(2).map(|two| two[1] - two[0]).collect::<Vec<_>>()
    };
    let (one, other) = (pauses(1).await, pauses(2).await);
    assert_ne!(one, other);
    for (pause, bound) in one
        .iter()
        .chain(&other)
        .zip([50, 100, 200, 400, 800, 1_600, 2_000].iter().cycle())
    {
        // A millisecond more, since tokio's timer rounds up.
        assert!(pause.as_millis() <= bound + 1, "{pause:?} of {bound}");
    }
    assert_eq!(world.counted("sold").await, 0);
}

#[tokio::test(start_paused = true)]
async fn whether_it_was_handled_can_be_read_consistently() {
    let world = World::new().await;
    let tap = Tap::open();
    let inbox = world.store_through(&tap).inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    assert!(!inbox.seen(&delivery).await.unwrap());
    inbox.once(&delivery).commit().await.unwrap();
    assert!(inbox.seen(&delivery).await.unwrap());
    assert!(
        tap.bodies("GetItem")
            .iter()
            .all(|body| body["ConsistentRead"] == true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_can_ask_whether_an_event_is_completed() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let key = DedupeKey::new("billing", "/checkout", "17");
    assert!(!inbox.completed(&key).await.unwrap());
    let delivery = deliver("billing", &placed("17", start())).await;
    inbox.once(&delivery).commit().await.unwrap();
    assert!(inbox.completed(&key).await.unwrap());
    let other = DedupeKey::new("billing", "/returns", "17");
    assert!(!inbox.completed(&other).await.unwrap());
}

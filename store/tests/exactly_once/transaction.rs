//! `outbox.transaction`: a producer's commit, with an idempotency key or without.

use std::collections::BTreeMap;

use fanfare_store::{CommitError, Committed, IdempotencyKey, Store, Transaction};

use crate::support::things::{count, put_new};
use crate::support::*;

fn key(body: &str) -> IdempotencyKey {
    IdempotencyKey::of("customer 7", "place order", "4f1c", body.as_bytes())
}

/// Places an order; the condition is that it isn't there yet.
fn place(store: &Store, order: &str, key: IdempotencyKey) -> Transaction<String> {
    store
        .outbox("checkout")
        .transaction()
        .write_as("order", put_new(order, "placed"))
        .write(count("orders"))
        .emit(&charged(order))
        .idempotent(key, DAY)
        .result(order.to_owned())
}

#[tokio::test(start_paused = true)]
async fn state_and_events_are_one_transaction_and_nothing_is_read() {
    let world = World::new().await;
    let before = world.dynamo.calls();
    let outbox = world.store().outbox("checkout");
    let transaction = outbox.transaction().write(count("orders")).emit(&charged("17"));
    assert_eq!(transaction.commit().await.unwrap(), Committed::New(()));
    assert_eq!(
        world.calls_since(&before),
        BTreeMap::from([("TransactWriteItems", 1)])
    );
    let event = &world.outbox().await[0];
    assert_eq!(event.source(), "/checkout");
    assert_eq!(event.correlation_id(), event.id());
    assert_eq!(event.causation_id(), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_again_gets_the_first_ones_result() {
    let world = World::new().await;
    let store = world.store();
    let first = place(&store, "order 1", key("a CD")).commit().await.unwrap();
    assert_eq!(first, Committed::New("order 1".to_owned()));
    tokio::time::advance(DAY - SECOND).await;
    // As a server does it that makes a new order id for each request.
    let again = place(&store, "order 2", key("a CD")).commit().await.unwrap();
    assert_eq!(again, Committed::Repeated("order 1".to_owned()));
    assert!(world.thing("order 2").await.is_none());
    assert_eq!(world.counted("orders").await, 1);
    assert_eq!(world.outbox().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_the_very_order_is_repeated_rather_than_a_failed_condition() {
    let world = World::new().await;
    let store = world.store();
    place(&store, "order 1", key("a CD")).commit().await.unwrap();
    let again = place(&store, "order 1", key("a CD")).commit().await.unwrap();
    assert!(again.is_repeated());
}

#[tokio::test(start_paused = true)]
async fn the_same_key_with_another_body_is_refused() {
    let world = World::new().await;
    let store = world.store();
    place(&store, "order 1", key("a CD")).commit().await.unwrap();
    let error = place(&store, "order 2", key("two CDs"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::KeyReused { .. }), "{error}");
    assert!(error.to_string().contains("place order"));
    assert_eq!(world.counted("orders").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_its_callers_and_its_operations_own() {
    let world = World::new().await;
    let store = world.store();
    let keys = [
        key("a CD"),
        IdempotencyKey::of("customer 8", "place order", "4f1c", b"a CD"),
        IdempotencyKey::of("customer 7", "cancel order", "4f1c", b"a CD"),
        // The parts don't run together.
        IdempotencyKey::of("customer 7place order", "", "4f1c", b"a CD"),
    ];
    for (number, key) in keys.into_iter().enumerate() {
        let order = format!("order {number}");
        let committed = place(&store, &order, key).commit().await.unwrap();
        assert_eq!(committed, Committed::New(order));
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_expiry_the_orders_own_condition_returns_the_order() {
    let world = World::new().await;
    let store = world.store();
    place(&store, "order 1", key("a CD")).commit().await.unwrap();
    tokio::time::advance(DAY + SECOND).await;
    // Not deleted yet: expiry is in the condition.
    assert_eq!(world.records_of("request#").await.len(), 1);
    let error = place(&store, "order 1", key("a CD")).commit().await.unwrap_err();
    let CommitError::ConditionFailed { name, item, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(name, "order");
    assert_eq!(text(&item.unwrap(), "value"), "placed");
    assert_eq!(world.counted("orders").await, 1);
    // And another order may have the key.
    let other = place(&store, "order 2", key("two CDs")).commit().await.unwrap();
    assert_eq!(other, Committed::New("order 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_in_flight_waits_for_the_first_one() {
    let world = World::new().await;
    // The first one is made while the repeat meets it on the request's record.
    let store = world.store();
    let first = store.clone();
    let (placed, mut wait) = tokio::sync::mpsc::unbounded_channel();
    let mut tries = 0;
    let tap = Tap::new(move |operation, _| {
        if operation != "TransactWriteItems" {
            return Deed::Pass;
        }
        tries += 1;
        match tries {
            1..=3 => {
                let _ = placed.send(tries);
                Deed::Cancel(&["TransactionConflict"])
            }
            _ => Deed::Pass,
        }
    });
    let repeat = place(&world.store_through(&tap), "order 2", key("a CD"));
    let (repeated, ()) = tokio::join!(repeat.commit(), async {
        while wait.recv().await != Some(3) {}
        place(&first, "order 1", key("a CD")).commit().await.unwrap();
    });
    assert_eq!(repeated.unwrap(), Committed::Repeated("order 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_whose_first_one_stays_in_flight_is_told_so() {
    let world = World::new().await;
    let tap = Tap::new(|operation, _| match operation {
        "TransactWriteItems" => Deed::Cancel(&["TransactionConflict"]),
        _ => Deed::Pass,
    });
    let error = place(&world.store_through(&tap), "order 1", key("a CD"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::InFlight { .. }), "{error}");
    let failure = fanfare::Failure::from(error);
    assert!(matches!(failure.advice(), fanfare::Advice::RetryAfter(_)));

    // Where the conflict is on something else, it is just that.
    let tap = Tap::new(|operation, _| match operation {
        "TransactWriteItems" => Deed::Cancel(&["None", "TransactionConflict"]),
        _ => Deed::Pass,
    });
    let error = place(&world.store_through(&tap), "order 1", key("a CD"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::Conflict { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn concurrent_repeats_make_one_order() {
    let world = World::new().await;
    let store = world.store();
    let orders: Vec<String> = (0..20).map(|number| format!("order {number}")).collect();
    let all = orders
        .iter()
        .map(|order| place(&store, order, key("a CD")).commit());
    let all = futures_util::future::join_all(all).await;
    let results: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| !result.is_repeated()).count(), 1);
    let first = results[0].clone().into_inner();
    assert!(results.into_iter().all(|result| result.into_inner() == first));
    assert_eq!(world.counted("orders").await, 1);
}

/// Loses the first answer, and makes DynamoDB forget the token, as it does after ten minutes.
fn forgetful() -> Tap {
    let mut first = true;
    Tap::new(move |operation, body| {
        body.as_object_mut().unwrap().remove("ClientRequestToken");
        match operation == "TransactWriteItems" && std::mem::take(&mut first) {
            true => Deed::LoseReply,
            false => Deed::Pass,
        }
    })
}

#[tokio::test(start_paused = true)]
async fn past_the_tokens_ten_minutes_a_lost_answer_is_still_recognised() {
    // By the request's record.
    let world = World::new().await;
    let store = world.store_through(&forgetful());
    let committed = place(&store, "order 1", key("a CD")).commit().await.unwrap();
    assert_eq!(committed, Committed::New("order 1".to_owned()));
    assert_eq!(world.counted("orders").await, 1);

    // By the outbox record.
    let outbox = world.store_through(&forgetful()).outbox("checkout");
    let transaction = outbox.transaction().write(count("one")).emit(&charged("17"));
    transaction.commit().await.unwrap();
    assert_eq!(world.counted("one").await, 1);

    // By a record that is there for nothing else, where an append would be made twice.
    let outbox = world.store_through(&forgetful()).outbox("checkout");
    let transaction = outbox
        .transaction()
        .write(count("two"))
        .emit(&posted("cash", "5 USD"));
    transaction.commit().await.unwrap();
    assert_eq!(world.counted("two").await, 1);
    assert_eq!(number(&world.records_of("key#").await[0], "seq"), 1);
    tokio::time::advance(2 * DAY).await;
    assert!(
        world.dynamo.sweep_expired().unwrap() >= 1,
        "that record goes by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stored_result_of_another_type_is_an_error() {
    let world = World::new().await;
    let store = world.store();
    place(&store, "order 1", key("a CD")).commit().await.unwrap();
    let again = place(&store, "order 1", key("a CD"))
        .result(17_u64)
        .commit()
        .await;
    let error = again.unwrap_err();
    assert!(matches!(error, CommitError::Result(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_write_makes_no_call() {
    let world = World::new().await;
    let before = world.dynamo.calls();
    let committed = world
        .store()
        .outbox("checkout")
        .transaction()
        .result(5)
        .commit()
        .await;
    assert_eq!(committed.unwrap(), Committed::New(5));
    assert!(world.calls_since(&before).is_empty());
}

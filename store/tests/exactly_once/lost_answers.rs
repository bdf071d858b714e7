//! Answers that are lost: whether the commit was made is found out, not guessed.

use fanfare::Handled;
use fanfare_store::{CommitError, TransactPolicy};

use crate::support::things::count;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_was_lost_is_applied_once() {
    let world = World::new().await;
    let tap = Tap::first("TransactWriteItems", vec![Deed::LoseReply, Deed::LoseRequest]);
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world
        .store_through(&tap)
        .inbox()
        .once(&delivery)
        .write(count("sold"));
    assert_eq!(once.commit().await.unwrap(), Handled::Applied);
    assert_eq!(world.counted("sold").await, 1);
    assert_eq!(tap.bodies("TransactWriteItems").len(), 3);
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
async fn past_the_tokens_ten_minutes_our_own_commit_id_in_the_record_is_applied() {
    let world = World::new().await;
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world.store_through(&forgetful()).inbox().once(&delivery);
    let handled = once.write(count("sold")).emit(&charged("17")).commit().await;
    assert_eq!(handled.unwrap(), Handled::Applied, "ours, no duplicate");
    assert_eq!(world.counted("sold").await, 1);
    assert_eq!(world.outbox().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_is_an_error_in_time_and_the_repeat_finds_out() {
    let world = World::new().await;
    let tap = Tap::new(|operation, _| match operation {
        "TransactWriteItems" => Deed::Hang,
        _ => Deed::Pass,
    });
    let policy = TransactPolicy::default();
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world
        .store_through(&tap)
        .transact_policy(policy)
        .inbox()
        .once(&delivery);
    let started = tokio::time::Instant::now();
    let error = once.write(count("sold")).commit().await.unwrap_err();
    assert!(matches!(error, CommitError::NoAnswer { tries: 8, .. }), "{error}");
    assert!(!is_terminal(error));
    assert!(started.elapsed() <= 8 * policy.timeout + 10 * SECOND);

    let again = deliver("billing", &placed("17", start())).await;
    let handled = world
        .store()
        .inbox()
        .once(&again)
        .write(count("sold"))
        .commit()
        .await;
    assert_eq!(handled.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_every_answer_is_lost_is_a_duplicate_when_it_comes_again() {
    let world = World::new().await;
    let tap = Tap::new(|operation, _| match operation {
        "TransactWriteItems" => Deed::LoseReply,
        _ => Deed::Pass,
    });
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world
        .store_through(&tap)
        .inbox()
        .once(&delivery)
        .write(count("sold"));
    let error = once.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::NoAnswer { .. }), "{error}");

    let again = deliver("billing", &placed("17", start())).await;
    let handled = world
        .store()
        .inbox()
        .once(&again)
        .write(count("sold"))
        .commit()
        .await;
    assert_eq!(handled.unwrap(), Handled::Duplicate);
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_dropped_half_way_is_found_out_by_the_repeat() {
    let world = World::new().await;
    let tap = Tap::first("TransactWriteItems", vec![Deed::LoseReply]);
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world
        .store_through(&tap)
        .inbox()
        .once(&delivery)
        .write(count("sold"));
    // Dropped in the pause before its second try.
    let mut commit = Box::pin(once.commit());
    while world.counted("sold").await == 0 {
        tokio::select! {
            biased;
            done = &mut commit => panic!("{done:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(commit);
    let again = deliver("billing", &placed("17", start())).await;
    let handled = world
        .store()
        .inbox()
        .once(&again)
        .write(count("sold"))
        .commit()
        .await;
    assert_eq!(handled.unwrap(), Handled::Duplicate);
    assert_eq!(world.counted("sold").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_not_answered_ends_in_time() {
    let world = World::new().await;
    let tap = Tap::new(|_, _| Deed::Hang);
    let inbox = world.store_through(&tap).inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let started = tokio::time::Instant::now();
    inbox.seen(&delivery).await.unwrap_err();
    assert!(started.elapsed() <= 11 * SECOND);
}

//! Completion: one fenced transaction.

use fanfare::Handled;
use fanfare_store::CommitError;

use crate::support::things::check;

use super::*;

#[tokio::test(start_paused = true)]
async fn an_effect_that_succeeds_without_completing_is_completed() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    for handled in [Handled::Applied, Handled::Duplicate] {
        let delivery = order_17().await;
        let lease = inbox.lease(&delivery, TTL, async move |_| Ok(handled));
        assert_eq!(lease.await.unwrap(), handled);
        assert_eq!(text(&world.inbox().await[0], "state"), "done");
        world.meddle_away("inbox#").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_answer_was_lost_is_made_once_with_its_token_or_without() {
    for forget in [false, true] {
        let world = World::new().await;
        let mut first = true;
        let tap = Tap::new(move |operation, body| {
            if operation != "TransactWriteItems" {
                return Deed::Pass;
            }
            if forget {
                body.as_object_mut().unwrap().remove("ClientRequestToken");
            }
            match std::mem::take(&mut first) {
                true => Deed::LoseReply,
                false => Deed::Pass,
            }
        });
        let handled = charge(&world.store_through(&tap).inbox(), &Provider::default()).await;
        assert_eq!(handled.unwrap(), Handled::Applied);
        assert_eq!(world.counted("charged").await, 1);
        assert_eq!(world.outbox().await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_a_renewal_is_tried_again() {
    let world = World::new().await;
    let tap = Tap::first("TransactWriteItems", vec![Deed::Cancel(&["TransactionConflict"])]);
    let handled = charge(&world.store_through(&tap).inbox(), &Provider::default()).await;
    assert_eq!(handled.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_condition_the_effect_can_complete_otherwise() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        let error = claim
            .complete()
            .write_as("order", check("order"))
            .commit()
            .await
            .unwrap_err();
        assert!(matches!(error, CommitError::ConditionFailed { .. }), "{error}");
        Ok(claim.complete().write(count("refused")).commit().await?)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
    assert_eq!(world.counted("refused").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_completion_or_commit_is_a_terminal_error() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        let handled = claim.complete().write(count("a")).commit().await?;
        let second = claim.complete().write(count("b")).commit().await.unwrap_err();
        assert!(matches!(second, CommitError::SecondWrite { .. }), "{second}");
        Ok(handled)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
    let second = inbox
        .once(&delivery)
        .write(count("b"))
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(second, CommitError::SecondWrite { .. }), "{second}");
    assert_eq!((world.counted("a").await, world.counted("b").await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_completion_emits_has_the_same_ids_whoever_completes() {
    let ids = async |failures: usize| {
        let world = World::new().await;
        let inbox = world.store().inbox();
        for _ in 0..failures {
            let delivery = order_17().await;
            inbox
                .lease(&delivery, TTL, async |_| Err("503".into()))
                .await
                .unwrap_err();
        }
        charge(&inbox, &Provider::default()).await.unwrap();
        world.outbox().await[0].id().to_owned()
    };
    assert_eq!(ids(0).await, ids(2).await);
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_completion_leaves_it_completed() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        claim.complete().write(count("charged")).commit().await?;
        Err("afterwards".into())
    });
    lease.await.unwrap_err();
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Duplicate);
    assert!(provider.fences().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_result_larger_than_an_item_is_terminal() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        let complete = claim.complete().result(&"x".repeat(410_000));
        Ok(complete.commit().await?)
    });
    let failure = lease.await.unwrap_err();
    assert!(failure.is_terminal(), "{failure}");
}

//! Between hosts: held by another, taken over, lost.

use std::future::IntoFuture;
use std::time::Duration;

use fanfare::fault::Life;
use fanfare::port::Completed;
use fanfare::{Handled, Lost};
use fanfare_store::CommitError;
use futures_util::FutureExt;

use super::*;

/// Starts an effect on a host that is then killed in the middle of it.
async fn killed_in_its_effect(world: &World, provider: &Provider) {
    let life = Life::new("first");
    let inbox = world.store_of(&life).inbox();
    let (provider, dies) = (provider.clone(), life.clone());
    let effect = async move {
        let delivery = order_17().await;
        let lease = inbox.lease(&delivery, TTL, async |claim| {
            provider.call(&claim);
            dies.kill();
            Ok(claim.complete().write(count("charged")).commit().await?)
        });
        let _ = lease.await;
    };
    tokio::select! {
        biased;
        () = life.killed() => {}
        () = effect => panic!("survived"),
    }
}

#[tokio::test(start_paused = true)]
async fn held_by_another_is_a_wait_for_the_time_it_has_left_and_the_skew() {
    let world = World::new().await;
    let provider = Provider::default();
    killed_in_its_effect(&world, &provider).await;
    let records = world.records().await;
    tokio::time::advance(10 * SECOND).await;

    let failure = charge(&world.store().inbox(), &provider).await.unwrap_err();
    assert_eq!(held_for(failure), 25 * SECOND);
    assert_eq!(world.records().await, records);
    assert_eq!(provider.fences(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_host_is_taken_over_from_only_after_its_time_and_the_skew() {
    let world = World::new().await;
    let provider = Provider::default();
    killed_in_its_effect(&world, &provider).await;
    let inbox = world.store().inbox();

    tokio::time::advance(35 * SECOND - Duration::from_millis(1)).await;
    let failure = charge(&inbox, &provider).await.unwrap_err();
    assert_eq!(held_for(failure), Duration::from_millis(1));

    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);
    assert_eq!(provider.fences(), [1, 2]);
    assert_eq!(provider.keys().len(), 1, "so that the other side charges once");
    assert_eq!(world.counted("charged").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_held_beyond_its_records_expiry_is_still_held() {
    // DynamoDB's deletion decides nothing, nor does its coming late.
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    killed_in_its_effect(&world, &provider).await;
    let record = &world.inbox().await[0];
    world
        .meddle(record, |record| {
            record.insert("expires_at".into(), n(5));
        })
        .await;
    held_for(charge(&inbox, &provider).await.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_paused_past_its_lease_cannot_complete() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let delivery = order_17().await;
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let mut paused = Box::pin(
        inbox
            .lease(&delivery, TTL, async |claim| {
                provider.call(&claim);
                wait.await?;
                let completed = claim
                    .complete()
                    .write(count("charged"))
                    .emit(&charged("17"))
                    .commit()
                    .await;
                assert!(
                    matches!(completed, Err(CommitError::LeaseLost { fence: 1, now: 2, .. })),
                    "{completed:?}"
                );
                Ok(completed?)
            })
            .into_future(),
    );
    // It starts, and then nobody polls it: as when its process is stopped.
    assert!((&mut paused).now_or_never().is_none());
    while provider.fences().is_empty() {
        tokio::task::yield_now().await;
        assert!((&mut paused).now_or_never().is_none());
    }
    tokio::time::advance(35 * SECOND).await;
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);

    go_on.send(()).unwrap();
    let failure = paused.await.unwrap_err();
    assert!(failure.to_string().contains("claim 1, now 2"), "{failure}");
    assert_eq!(
        provider.fences(),
        [1, 2],
        "both were made: the key is what makes them one"
    );
    assert_eq!(world.counted("charged").await, 1);
    assert_eq!(world.outbox().await.len(), 1);
    // What it has lost it doesn't give back.
    assert_eq!(text(&world.inbox().await[0], "state"), "done");
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_of_a_lost_holder_does_not_release_the_new_ones_claim() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let first = order_17().await;
    let (fail, wait) = tokio::sync::oneshot::channel::<()>();
    let mut paused = Box::pin(
        inbox
            .lease(&first, TTL, async |_| {
                Ok(wait.await.map(|()| Handled::Applied)?)
            })
            .into_future(),
    );
    while world.inbox().await.is_empty() {
        assert!((&mut paused).now_or_never().is_none());
    }
    tokio::time::advance(35 * SECOND).await;
    let second = order_17().await;
    let working = inbox.lease(&second, TTL, async |claim| {
        drop(fail);
        paused.await.unwrap_err();
        assert_eq!(text(&world.inbox().await[0], "state"), "claimed");
        Ok(claim.complete().commit().await?)
    });
    assert_eq!(working.await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn with_clocks_further_apart_than_the_skew_effects_overlap_and_one_is_completed() {
    // As the docs say: no lease can prevent it. The key and the fence are what the other side has.
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let ahead = world.store_ahead(MINUTE).inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        provider.call(&claim);
        let other = charge(&ahead, &provider).await;
        assert_eq!(other.unwrap(), Handled::Applied);
        Ok(claim.complete().write(count("charged")).commit().await?)
    });
    lease.await.unwrap_err();
    assert_eq!((provider.fences(), provider.keys().len()), (vec![1, 2], 1));
    assert_eq!(world.counted("charged").await, 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_hosts_at_once_one_runs_the_effect() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let all = futures_util::future::join_all((0..20).map(|_| charge(&inbox, &provider))).await;
    let (applied, held): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert!(
        applied
            .iter()
            .any(|handled| *handled.as_ref().unwrap() == Handled::Applied)
    );
    assert_eq!(provider.fences(), [1]);
    for failure in held {
        held_for(failure.unwrap_err());
    }
    assert_eq!(world.counted("charged").await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_is_neither_seen_nor_completed() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    killed_in_its_effect(&world, &Provider::default()).await;
    let delivery = order_17().await;
    assert!(!inbox.seen(&delivery).await.unwrap());
    assert!(!inbox.completed(&delivery.context().dedupe_key()).await.unwrap());
    assert_eq!(inbox.result::<_, String>(&delivery).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn once_waits_for_a_lease_and_takes_over_what_was_left() {
    // A handler that was changed from a lease to `once` meets the records of both: a claim is no
    // handled event.
    let world = World::new().await;
    let inbox = world.store().inbox();
    killed_in_its_effect(&world, &Provider::default()).await;
    let once = async || {
        let delivery = order_17().await;
        inbox.once(&delivery).write(count("charged")).commit().await
    };
    let failure = once().await.unwrap_err().into();
    assert_eq!(held_for(failure), 35 * SECOND);
    tokio::time::advance(35 * SECOND).await;
    assert_eq!(once().await.unwrap(), Handled::Applied);
    assert_eq!(once().await.unwrap(), Handled::Duplicate);

    let delivery = deliver("billing", &placed("18", start())).await;
    inbox
        .lease(&delivery, TTL, async |_| Err("failed".into()))
        .await
        .unwrap_err();
    let delivery = deliver("billing", &placed("18", start())).await;
    assert_eq!(inbox.once(&delivery).commit().await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_is_not_completed_and_the_claim_given_back() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let (lose, lost) = Lost::new();
    let delivery = deliver_with("billing", &placed("17", start()), lost).await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        lose.raise();
        claim.lost().await;
        Ok(claim.complete().write(count("charged")).commit().await?)
    });
    let failure = lease.await.unwrap_err();
    assert!(failure.to_string().contains("lost"), "{failure}");
    assert_eq!(world.counted("charged").await, 0);
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);
}

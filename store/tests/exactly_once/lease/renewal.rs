//! A claim is renewed for as long as its effect runs.

use fanfare::Handled;
use serde_json::Value;

use super::*;

/// Whether a request is a renewal.
fn is_renewal(operation: &str, body: &Value) -> bool {
    operation == "UpdateItem" && body["UpdateExpression"] == "SET #lease_until = :until"
}

#[tokio::test(start_paused = true)]
async fn a_long_effect_keeps_its_claim() {
    let world = World::new().await;
    let tap = Tap::open();
    let inbox = world.store_through(&tap).inbox();
    let (other, provider) = (world.store().inbox(), Provider::default());
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        for _ in 0..60 {
            tokio::time::sleep(10 * SECOND).await;
            held_for(charge(&other, &provider).await.unwrap_err());
        }
        Ok(claim.complete().commit().await?)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
    assert!(provider.fences().is_empty());
    let renewals = tap
        .bodies("UpdateItem")
        .iter()
        .filter(|body| is_renewal("UpdateItem", body))
        .count();
    assert!(
        (58..=61).contains(&renewals),
        "{renewals} in ten minutes, one each third of 30 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_before_the_lease_runs_out() {
    let world = World::new().await;
    let mut number = 0;
    // Of three, two fail.
    let tap = Tap::new(move |operation, body| {
        if !is_renewal(operation, body) {
            return Deed::Pass;
        }
        number += 1;
        match number % 3 {
            0 => Deed::Pass,
            1 => Deed::LoseRequest,
            _ => Deed::Refuse("ThrottlingException"),
        }
    });
    let inbox = world.store_through(&tap).inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        tokio::select! {
            biased;
            () = claim.lost() => panic!("lost"),
            () = tokio::time::sleep(10 * MINUTE) => {}
        }
        Ok(claim.complete().commit().await?)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_be_renewed_is_lost_in_time_and_completed_if_nobody_took_it() {
    let world = World::new().await;
    for deed in [|| Deed::LoseRequest, || Deed::Hang] {
        let tap = Tap::new(move |operation, body| match is_renewal(operation, body) {
            true => deed(),
            false => Deed::Pass,
        });
        let inbox = world.store_through(&tap).inbox();
        let delivery = order_17().await;
        let started = tokio::time::Instant::now();
        let lease = inbox.lease(&delivery, TTL, async |claim| {
            claim.lost().await;
            assert!(started.elapsed() <= TTL + SECOND, "{:?}", started.elapsed());
            assert!(started.elapsed() >= TTL);
            // The condition decides, not our fear.
            Ok(claim.complete().write(count("charged")).commit().await?)
        });
        assert_eq!(lease.await.unwrap(), Handled::Applied);
        world.meddle_away("inbox#").await;
    }
    assert_eq!(world.counted("charged").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_finds_another_owner_ends_the_claim_and_completion_makes_no_call() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    // A clock so far ahead that it takes over at once.
    let ahead = world.store_ahead(HOUR).inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        charge(&ahead, &provider).await.unwrap();
        claim.lost().await;
        let before = world.dynamo.calls();
        let refused = claim
            .complete()
            .write(count("charged"))
            .commit()
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("claim 1, now 2"), "{refused}");
        assert!(world.calls_since(&before).is_empty());
        Err(refused.into())
    });
    let calls = world.dynamo.calls();
    lease.await.unwrap_err();
    assert_eq!(
        world.calls_since(&calls)["UpdateItem"],
        3,
        "two claims, one renewal, no release"
    );
    assert_eq!(world.counted("charged").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_completed_claim_is_not_lost_by_a_renewal_that_finds_it_done() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        let handled = claim.complete().write(count("charged")).commit().await?;
        tokio::select! {
            biased;
            () = claim.lost() => panic!("lost"),
            () = tokio::time::sleep(HOUR) => {}
        }
        Ok(handled)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
    assert_eq!(text(&world.inbox().await[0], "state"), "done");
}

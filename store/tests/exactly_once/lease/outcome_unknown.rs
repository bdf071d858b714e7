//! Past the time for which the other side honours the idempotency key.

use fanfare::{Failure, Handled};
use fanfare_store::LeaseError;

use super::*;

const VALID: std::time::Duration = HOUR;

/// An attempt whose effect fails, so that it may have been made.
async fn failed_attempt(inbox: &Inbox) {
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |_| Err("timed out".into()));
    lease.key_valid_for(VALID).await.unwrap_err();
}

fn is_unknown(failure: &Failure) -> bool {
    matches!(
        failure.error().downcast_ref(),
        Some(LeaseError::OutcomeUnknown { .. })
    )
}

#[tokio::test(start_paused = true)]
async fn an_attempt_past_the_keys_time_ends_terminal_as_outcome_unknown() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    failed_attempt(&inbox).await;
    tokio::time::advance(HOUR / 2).await;
    // Counted from the first attempt, not the last.
    failed_attempt(&inbox).await;
    tokio::time::advance(HOUR / 2).await;
    for _ in 0..2 {
        let delivery = order_17().await;
        let lease = inbox.lease(&delivery, TTL, async |_| panic!("run"));
        let failure = lease.key_valid_for(VALID).await.unwrap_err();
        assert!(is_unknown(&failure) && failure.is_terminal(), "{failure}");
        assert!(failure.to_string().contains("outcome unknown"), "{failure}");
        // Given back, so that a redrive meets no claim.
        assert_eq!(text(&world.inbox().await[0], "state"), "released");
    }
}

#[tokio::test(start_paused = true)]
async fn within_the_keys_time_less_the_skew_the_effect_is_run() {
    for (late, run) in [(HOUR - 5 * SECOND, true), (HOUR - 4 * SECOND, false)] {
        let world = World::new().await;
        let inbox = world.store().inbox();
        failed_attempt(&inbox).await;
        tokio::time::advance(late).await;
        let delivery = order_17().await;
        let lease = inbox.lease(&delivery, TTL, async |_| Ok(Handled::Applied));
        assert_eq!(lease.key_valid_for(VALID).await.is_ok(), run, "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_is_run_however_old_the_event_is() {
    let world = World::new().await;
    tokio::time::advance(DAY).await;
    let delivery = order_17().await;
    let inbox = world.store().inbox();
    let lease = inbox.lease(&delivery, TTL, async |_| Ok(Handled::Applied));
    assert_eq!(lease.key_valid_for(VALID).await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn reconcile_completes_what_had_happened() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    failed_attempt(&inbox).await;
    tokio::time::advance(DAY).await;
    let delivery = order_17().await;
    let lease = inbox
        .lease(&delivery, TTL, async |_| panic!("run"))
        .key_valid_for(VALID)
        .reconcile(async |claim| {
            // It takes longer than a lease: the claim is renewed meanwhile.
            tokio::time::sleep(10 * MINUTE).await;
            Ok(Some(
                claim
                    .complete()
                    .write(count("charged"))
                    .emit(&charged("17"))
                    .commit()
                    .await?,
            ))
        });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
    assert_eq!(world.counted("charged").await, 1);
    assert_eq!(world.outbox().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn reconcile_that_only_says_so_is_completed_too() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    failed_attempt(&inbox).await;
    tokio::time::advance(DAY).await;
    let delivery = order_17().await;
    let lease = inbox
        .lease(&delivery, TTL, async |_| panic!("run"))
        .key_valid_for(VALID)
        .reconcile(async |_| Ok(Some(Handled::Duplicate)));
    assert_eq!(lease.await.unwrap(), Handled::Duplicate);
    assert_eq!(text(&world.inbox().await[0], "state"), "done");
}

#[tokio::test(start_paused = true)]
async fn what_surely_had_not_happened_is_run() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    failed_attempt(&inbox).await;
    tokio::time::advance(DAY).await;
    let delivery = order_17().await;
    let lease = inbox
        .lease(&delivery, TTL, async |claim| {
            Ok(claim.complete().write(count("charged")).commit().await?)
        })
        .key_valid_for(VALID)
        .reconcile(async |_| Ok(None));
    assert_eq!(lease.await.unwrap(), Handled::Applied);
    assert_eq!(world.counted("charged").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_fails_is_tried_again_and_the_effect_not_run() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    failed_attempt(&inbox).await;
    tokio::time::advance(DAY).await;
    let delivery = order_17().await;
    let lease = inbox
        .lease(&delivery, TTL, async |_| panic!("run"))
        .key_valid_for(VALID)
        .reconcile(async |_| Err("the provider is down".into()));
    let failure = lease.await.unwrap_err();
    assert!(!failure.is_terminal(), "{failure}");
    assert_eq!(text(&world.inbox().await[0], "state"), "released");
}

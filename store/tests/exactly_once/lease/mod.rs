//! `inbox.lease`: effects outside the table.

mod complete;
mod held;
mod outcome_unknown;
mod renewal;

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use fanfare::{Advice, Delivery, Failure, Handled, derived_id};
use fanfare_store::{Claim, Inbox};

use crate::support::things::count;
use crate::support::*;

const TTL: std::time::Duration = std::time::Duration::from_secs(30);

/// The other side: it notes every call that reaches it.
#[derive(Clone, Default)]
struct Provider(Arc<Mutex<Vec<(String, u64)>>>);

impl Provider {
    fn call(&self, claim: &Claim) {
        let call = (claim.idempotency_key().to_owned(), claim.fence());
        self.0.lock().unwrap().push(call);
    }

    /// The fences of the calls so far.
    fn fences(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(_, fence)| *fence).collect()
    }

    /// The idempotency keys of the calls so far, each once.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|(key, _)| key.clone())
            .collect();
        keys.dedup();
        keys
    }
}

async fn order_17() -> Delivery<Placed> {
    deliver("billing", &placed("17", start())).await
}

/// Calls the provider and completes, with the count of those that did.
async fn charge(inbox: &Inbox, provider: &Provider) -> Result<Handled, Failure> {
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        provider.call(&claim);
        Ok(claim
            .complete()
            .write(count("charged"))
            .emit(&charged("17"))
            .commit()
            .await?)
    });
    lease.await
}

fn held_for(failure: Failure) -> std::time::Duration {
    match failure.advice() {
        Advice::Held(left) => left,
        other => panic!("{other:?}: {failure}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_is_claimed_run_and_completed_in_two_writes_and_no_read() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let before = world.dynamo.calls();
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);
    let expected = BTreeMap::from([("UpdateItem", 1), ("TransactWriteItems", 1)]);
    assert_eq!(world.calls_since(&before), expected);
    assert_eq!(world.counted("charged").await, 1);
    assert_eq!(world.outbox().await.len(), 1);
    assert_eq!(text(&world.inbox().await[0], "state"), "done");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_does_not_run_the_effect_and_has_the_stored_result() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = order_17().await;
    assert_eq!(inbox.result::<_, String>(&delivery).await.unwrap(), None);
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        Ok(claim.complete().result(&"receipt 5".to_owned()).commit().await?)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);

    let again = order_17().await;
    let lease = inbox.lease(&again, TTL, async |_| panic!("run again"));
    assert_eq!(lease.await.unwrap(), Handled::Duplicate);
    let result: Option<String> = inbox.result(&again).await.unwrap();
    assert_eq!(result.as_deref(), Some("receipt 5"));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_the_same_key_and_a_larger_fence() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    for _ in 0..3 {
        let delivery = order_17().await;
        let lease = inbox.lease(&delivery, TTL, async |claim| {
            provider.call(&claim);
            Err(Failure::retry("503"))
        });
        lease.await.unwrap_err();
    }
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);
    assert_eq!(provider.fences(), [1, 2, 3, 4]);
    assert_eq!(provider.keys(), [derived_id(&["billing", "/checkout", "17"])]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_effect_gives_the_claim_back_so_that_the_retry_runs_at_once() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    for failure in [Failure::retry("503"), Failure::terminal("card refused")] {
        let delivery = order_17().await;
        let terminal = failure.is_terminal();
        let lease = inbox.lease(&delivery, TTL, async move |_| Err(failure));
        assert_eq!(lease.await.unwrap_err().is_terminal(), terminal);
        assert_eq!(text(&world.inbox().await[0], "state"), "released");
    }
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_the_claim_back_and_goes_on() {
    let world = World::new().await;
    let (inbox, provider) = (world.store().inbox(), Provider::default());
    let panicking = inbox.clone();
    let effect = tokio::spawn(async move {
        let delivery = order_17().await;
        panicking
            .lease(&delivery, TTL, async |_| panic!("on purpose"))
            .await
    });
    assert!(effect.await.unwrap_err().is_panic());
    assert_eq!(charge(&inbox, &provider).await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn an_event_too_old_is_not_claimed() {
    let world = World::new().await;
    tokio::time::advance(31 * DAY).await;
    let failure = charge(&world.store().inbox(), &Provider::default())
        .await
        .unwrap_err();
    assert!(failure.is_terminal(), "{failure}");
    assert!(world.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_is_not_claimed() {
    let world = World::new().await;
    let (lose, lost) = fanfare::Lost::new();
    let delivery = deliver_with("billing", &placed("17", start()), lost).await;
    lose.raise();
    let inbox = world.store().inbox();
    let failure = inbox
        .lease(&delivery, TTL, async |_| panic!("run"))
        .await
        .unwrap_err();
    assert!(!failure.is_terminal(), "{failure}");
    assert!(world.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_recognised_as_ours() {
    let world = World::new().await;
    let provider = Provider::default();
    let tap = Tap::first(
        "UpdateItem",
        vec![Deed::LoseReply, Deed::Refuse("TransactionConflictException")],
    );
    let before = tokio::time::Instant::now();
    charge(&world.store_through(&tap).inbox(), &provider)
        .await
        .unwrap();
    assert_eq!(provider.fences(), [1], "claimed once");
    assert!(before.elapsed() < SECOND, "without waiting for the lease's end");
    let owners: Vec<_> = tap
        .bodies("UpdateItem")
        .iter()
        .map(|body| body["ExpressionAttributeValues"][":owner"].clone())
        .collect();
    assert!(owners.len() == 3 && owners.iter().all(|owner| *owner == owners[0]));
}

#[tokio::test(start_paused = true)]
async fn a_claim_dropped_half_way_makes_no_calls() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = order_17().await;
    let lease = inbox.lease(&delivery, TTL, async |claim| {
        let _kept = claim.complete().write(count("charged"));
        std::future::pending().await
    });
    let dropped = tokio::time::timeout(MINUTE, lease.into_future()).await;
    assert!(dropped.is_err());
    let calls = world.dynamo.calls();
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.dynamo.calls(), calls);
    assert_eq!(text(&world.inbox().await[0], "state"), "claimed");
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_is_not_answered_by_dynamodb_ends_in_time() {
    let world = World::new().await;
    let tap = Tap::new(|_, _| Deed::Hang);
    let started = tokio::time::Instant::now();
    charge(&world.store_through(&tap).inbox(), &Provider::default())
        .await
        .unwrap_err();
    assert!(started.elapsed() <= 90 * SECOND, "8 tries of 10 s");
}

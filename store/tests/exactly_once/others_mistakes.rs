//! What other systems got wrong, each held by a test.

use fanfare::port::Completed;
use fanfare::{Failure, Handled};
use fanfare_store::{CommitError, Inbox};

use crate::support::things::{count, put, put_new};
use crate::support::*;

/// Watermill marks the key before the handler runs: it fails, the redelivery is a "duplicate", and the
/// event is lost.
#[tokio::test(start_paused = true)]
async fn watermill_an_event_whose_handler_failed_is_handled_when_it_comes_again() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let mut failures = vec!["before the commit", "condition"];
    let mut handle = async || -> Result<Handled, Failure> {
        let delivery = deliver("billing", &placed("17", start())).await;
        if inbox.seen(&delivery).await? {
            return Ok(Handled::Duplicate);
        }
        let once = inbox.once(&delivery).write(count("sold"));
        match failures.pop() {
            Some("before the commit") => Err(Failure::retry("fails")),
            Some(_) => Ok(once
                .write(crate::support::things::check("not there"))
                .commit()
                .await?),
            None => Ok(once.commit().await?),
        }
    };
    handle().await.unwrap_err();
    handle().await.unwrap_err();
    assert_eq!(handle().await.unwrap(), Handled::Applied);
    assert_eq!(handle().await.unwrap(), Handled::Duplicate);
    assert_eq!(world.counted("sold").await, 1);
}

/// Powertools' completing update and its deletion have no condition: a slow first runner whose lock has
/// lapsed overwrites or deletes the second one's record.
#[tokio::test(start_paused = true)]
async fn powertools_a_slow_first_runner_neither_overwrites_nor_deletes_the_second_ones_record() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    // The second runner's clock is so far ahead that it takes over in the first one's effect.
    let second = world.store_ahead(HOUR).inbox();
    for first_succeeds in [true, false] {
        let event = placed(&format!("{first_succeeds}"), start());
        let delivery = deliver("billing", &event).await;
        let slow = inbox.lease(&delivery, MINUTE, async |claim| {
            let delivery = deliver("billing", &event).await;
            let taken_over = second.lease(&delivery, MINUTE, async |claim| {
                Ok(claim.complete().result(&"second").commit().await?)
            });
            assert_eq!(taken_over.await.unwrap(), Handled::Applied);
            match first_succeeds {
                true => Ok(claim.complete().result(&"first").commit().await?),
                false => Err("failed late".into()),
            }
        });
        slow.await.unwrap_err();
        let result: Option<String> = inbox.result(&delivery).await.unwrap();
        assert_eq!(result.as_deref(), Some("second"));
    }
}

/// Powertools compares an epoch time in milliseconds with `getUTCMilliseconds()`, 0 to 999: a lock is
/// never, or always, past its end.
#[tokio::test(start_paused = true)]
async fn powertools_a_lock_ends_at_its_time_and_not_at_a_fraction_of_a_second() {
    let world = World::new().await;
    let inbox = world.store().skew(std::time::Duration::ZERO).inbox();
    let claim_and_leave = async || {
        let delivery = deliver("billing", &placed("17", start())).await;
        let lease = inbox.lease(&delivery, MINUTE, async |_| std::future::pending().await);
        let left = std::future::IntoFuture::into_future(lease);
        tokio::time::timeout(SECOND, left).await
    };
    assert!(
        claim_and_leave().await.is_err(),
        "claimed, and left after a second"
    );
    for _ in 0..58 {
        let refused = claim_and_leave().await.unwrap().unwrap_err();
        assert!(matches!(refused.advice(), fanfare::Advice::Held(_)));
        tokio::time::advance(SECOND).await;
    }
    tokio::time::advance(SECOND).await;
    assert!(claim_and_leave().await.is_err(), "taken over after a minute");
}

/// Powertools keeps a record for an hour by default, and SQS redelivers for 14 days, and then there is
/// the dead-letter queue.
#[tokio::test(start_paused = true)]
async fn powertools_a_redelivery_after_queue_and_dead_letter_queue_is_still_a_duplicate() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    for expected in [Handled::Applied, Handled::Duplicate, Handled::Duplicate] {
        world.dynamo.sweep_expired().unwrap();
        let delivery = deliver("billing", &placed("17", start())).await;
        let handled = inbox.once(&delivery).write(count("sold")).commit().await;
        assert_eq!(handled.unwrap(), expected);
        tokio::time::advance(14 * DAY).await;
    }
}

/// A saga that rejects an illegal transition dead-letters a mere duplicate: the repeat meets the state
/// that it has itself advanced. So dedupe is read before the transition and written in the commit.
#[tokio::test(start_paused = true)]
async fn a_trial_of_our_own_a_repeat_that_meets_the_state_it_has_advanced_is_a_duplicate() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    async fn advance(world: &World, inbox: &Inbox, ask: bool) -> Result<Handled, Failure> {
        let delivery = deliver("saga", &placed("17", start())).await;
        if ask && inbox.seen(&delivery).await? {
            return Ok(Handled::Duplicate);
        }
        if world.thing("saga").await.is_some() {
            return Err(Failure::terminal("illegal transition"));
        }
        Ok(inbox
            .once(&delivery)
            .write(put("saga", "charged"))
            .commit()
            .await?)
    }
    assert_eq!(advance(&world, &inbox, true).await.unwrap(), Handled::Applied);
    assert_eq!(advance(&world, &inbox, true).await.unwrap(), Handled::Duplicate);

    // One that raced past the question, or didn't ask, fails; and before that becomes a dead letter,
    // the host reads the inbox.
    let failure = advance(&world, &inbox, false).await.unwrap_err();
    let key = fanfare::DedupeKey::new("saga", "/checkout", "17");
    let mut message = fanfare::Message::new("");
    message.receive_count = 5;
    let (outcome, verdict) = fanfare::settle(
        fanfare::Outcome::failed(Some(key.clone()), failure),
        &message,
        &fanfare::RetryPolicy::default(),
        Some(&inbox as &dyn Completed),
        &world.clock,
    )
    .await;
    assert_eq!((outcome.name(), verdict), ("duplicate", fanfare::Verdict::Delete));
}

/// edge-cases.md 6, powertools-python#1038: a lock that its runner never gave back sticks for ever.
#[tokio::test(start_paused = true)]
async fn idempotency_lock_a_crashed_runners_lock_does_not_stick() {
    let world = World::new().await;
    let life = fanfare::fault::Life::new("crashes");
    let (inbox, dies) = (world.store_of(&life).inbox(), life.clone());
    let crash = async {
        let delivery = deliver("billing", &placed("17", start())).await;
        let lease = inbox.lease(&delivery, MINUTE, async |_| {
            dies.kill();
            std::future::pending().await
        });
        let _ = lease.await;
    };
    tokio::select! {
        biased;
        () = life.killed() => {}
        () = crash => panic!("survived"),
    }
    let inbox = world.store().inbox();
    tokio::time::advance(MINUTE + 5 * SECOND).await;
    let delivery = deliver("billing", &placed("17", start())).await;
    let lease = inbox.lease(&delivery, MINUTE, async |_| Ok(Handled::Applied));
    assert_eq!(lease.await.unwrap(), Handled::Applied);
}

/// edge-cases.md 6, powertools-python#8049: the lock lapses while the effect is still at work.
#[tokio::test(start_paused = true)]
async fn idempotency_lock_it_does_not_lapse_in_a_long_effect() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let lease = inbox.lease(&delivery, SECOND, async |claim| {
        tokio::time::sleep(MINUTE).await;
        Ok(claim.complete().commit().await?)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
}

/// edge-cases.md 6, powertools-python#8386: a live lock is stolen, since the stealer's condition looks
/// at something else than the time.
#[tokio::test(start_paused = true)]
async fn idempotency_lock_a_live_one_is_not_stolen() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let lease = inbox.lease(&delivery, MINUTE, async |claim| {
        for _ in 0..100 {
            tokio::time::sleep(7 * SECOND).await;
            let other = deliver("billing", &placed("17", start())).await;
            let stolen = inbox.lease(&other, MINUTE, async |_| panic!("stolen")).await;
            assert!(matches!(stolen.unwrap_err().advice(), fanfare::Advice::Held(_)));
        }
        Ok(claim.complete().commit().await?)
    });
    assert_eq!(lease.await.unwrap(), Handled::Applied);
}

/// edge-cases.md 6, tomodachi#2074: the message whose deletion failed comes again, and dedupe must
/// answer it so that it is deleted again, each time.
#[tokio::test(start_paused = true)]
async fn idempotency_lock_a_redelivery_after_a_failed_delete_is_deleted_again() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    for receive in 1..=5 {
        let delivery = deliver("billing", &placed("17", start())).await;
        let handled = inbox
            .once(&delivery)
            .write(put_new("charge", "5 USD"))
            .commit()
            .await;
        let outcome = fanfare::Outcome::handled(None, handled.unwrap());
        let mut message = fanfare::Message::new("");
        message.receive_count = receive;
        let verdict = outcome.verdict(&message, &fanfare::RetryPolicy::default(), world.clock.now());
        assert_eq!(verdict, fanfare::Verdict::Delete);
    }
}

/// wolverine#1725: handled events are forgotten after five minutes. Ours, checked at start-up: see
/// `retention`. Here: what is kept too short is refused, not handled twice.
#[tokio::test(start_paused = true)]
async fn wolverine_an_event_that_outlived_what_is_remembered_is_refused_rather_than_handled_twice() {
    let world = World::new().await;
    let inbox = world.store().window(5 * MINUTE).inbox();
    let handle = async || {
        let delivery = deliver("billing", &placed("17", start())).await;
        inbox.once(&delivery).write(count("sold")).commit().await
    };
    handle().await.unwrap();
    tokio::time::advance(6 * MINUTE).await;
    world.dynamo.sweep_expired().unwrap();
    assert!(matches!(handle().await, Err(CommitError::TooOld { .. })));
    assert_eq!(world.counted("sold").await, 1);
}

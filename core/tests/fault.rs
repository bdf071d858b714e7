//! Faults on purpose: drawn from a seed, each with the effect that it is named after.
#![cfg(feature = "memory")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{applied, event, handle, message};
use fanfare::fault::{Call, Fault, FaultPlan, Faulty, Life, PanicLayer};
use fanfare::port::{BoxFuture, DeadLetter, Publish, PublishError, Queue, QueueError, Received};
use fanfare::{Clock, Draft, Message, Outgoing, Router};
use proptest::prelude::*;
use tokio::time::{Instant, timeout};

event!(OrderPlaced, "order.placed");

/// A plan in which only this fault happens, and always.
fn always(fault: Fault) -> FaultPlan {
    FaultPlan::seeded(7).rates(0.0).rate(fault, 1.0)
}

/// Makes a call that counts itself, and says what came of it and how often it was made.
async fn call(plan: &FaultPlan, life: &Life) -> (Option<Call<u32>>, u32) {
    let made = AtomicU32::new(0);
    let call = async { made.fetch_add(1, Ordering::Relaxed) + 1 };
    // A killed host's call never returns: nobody waits an hour for one.
    let answer = timeout(
        Duration::from_secs(3600),
        plan.around(life, "call", &Fault::ALL, call),
    )
    .await;
    (answer.ok(), made.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn without_a_plan_every_call_is_made_and_answered() {
    let life = Life::default();
    for plan in [FaultPlan::none(), FaultPlan::seeded(7).rates(0.0)] {
        for _ in 0..1000 {
            assert_eq!(call(&plan, &life).await, (Some(Call::Answered(1)), 1));
        }
        assert!(plan.injected().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_has_no_effect_and_no_answer() {
    let plan = always(Fault::LoseRequest);
    assert_eq!(call(&plan, &Life::default()).await, (Some(Call::Lost), 0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_has_its_effect_and_no_answer() {
    let plan = always(Fault::LoseReply);
    assert_eq!(call(&plan, &Life::default()).await, (Some(Call::Lost), 1));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_not_made() {
    let plan = always(Fault::Throttle);
    assert_eq!(call(&plan, &Life::default()).await, (Some(Call::Throttled), 0));
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_comes_within_two_seconds_and_not_always_at_once() {
    let plan = always(Fault::DelayReply);
    let mut waits = BTreeSet::new();
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(call(&plan, &Life::default()).await, (Some(Call::Answered(1)), 1));
        waits.insert(start.elapsed());
    }
    assert!(waits.len() > 10, "{waits:?}");
    assert!(
        waits.iter().all(|wait| *wait <= Duration::from_secs(2)),
        "{waits:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kill_comes_before_or_after_the_effect_and_the_call_never_returns() {
    let plan = always(Fault::Kill);
    let mut made = BTreeSet::new();
    for _ in 0..20 {
        let life = Life::new("billing");
        let (answer, times) = call(&plan, &life).await;
        assert_eq!(answer, None);
        assert!(life.is_over());
        made.insert(times);
    }
    assert_eq!(made, BTreeSet::from([0, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_killed_hosts_further_calls_are_not_made() {
    let life = Life::new("billing");
    life.kill();
    assert_eq!(call(&FaultPlan::none(), &life).await, (None, 0));
    assert_eq!(call(&FaultPlan::seeded(7), &life).await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_killed_during_a_call_never_sees_the_answer() {
    let life = Life::new("billing");
    let plan = FaultPlan::none();
    let killed = life.clone();
    let call = plan.around(&life, "call", &[], async { killed.kill() });
    assert!(timeout(Duration::from_secs(3600), call).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_host_is_started_anew_after_each_kill_and_its_destructors_find_their_life_over() {
    static DESTRUCTORS: AtomicU32 = AtomicU32::new(0);
    struct Guard(Life);
    impl Drop for Guard {
        fn drop(&mut self) {
            if self.0.is_over() {
                DESTRUCTORS.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let lives = AtomicU32::new(0);
    let start = Instant::now();
    let host = |life: Life| {
        let number = lives.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            let guard = Guard(life.clone());
            if number < 4 {
                life.kill();
            }
            life.check().await;
            drop(guard);
            number
        }
    };
    let ended = Life::restart("billing", Duration::from_secs(5), host).await;
    assert_eq!(ended, (4, 3));
    assert_eq!(DESTRUCTORS.load(Ordering::Relaxed), 3);
    assert_eq!(start.elapsed(), Duration::from_secs(15));
}

/// What a plan does to these calls.
async fn trace(seed: u64) -> Vec<String> {
    let plan = FaultPlan::seeded(seed).rates(0.05).traced();
    for number in 0..200 {
        let life = Life::new("billing");
        let calls = plan.around(&life, "call", &Fault::ALL, async { number });
        let _ = timeout(Duration::from_secs(3), calls).await;
        plan.draw("draw", &[Fault::Duplicate, Fault::Panic]);
        plan.below(10);
    }
    plan.trace()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
    let traced = trace(7).await;
    assert_eq!(traced.len(), 400);
    assert_eq!(traced, trace(7).await);
    assert_ne!(traced, trace(8).await);
}

#[test]
fn the_number_of_possible_kinds_doesnt_shift_what_comes_later() {
    let draws = |possible: &[Fault]| {
        let plan = FaultPlan::seeded(7).rate(Fault::Throttle, 0.3);
        plan.draw("first", possible);
        (0..50)
            .map(|_| plan.draw("later", &[Fault::Throttle]))
            .collect::<Vec<_>>()
    };
    assert_eq!(draws(&[]), draws(&Fault::ALL));
}

#[test]
fn every_kind_happens_at_about_its_rate_and_is_counted_by_its_name() {
    let plan = FaultPlan::seeded(7).rates(0.05);
    for _ in 0..10_000 {
        plan.draw("call", &Fault::ALL);
    }
    let injected = plan.injected();
    for fault in Fault::ALL {
        let count = injected.get(fault.name()).copied().unwrap_or_default();
        assert!(
            (400..600).contains(&count),
            "{}: {count} of 500 expected",
            fault.name()
        );
    }
    plan.stop();
    assert!((0..1000).all(|_| plan.draw("call", &Fault::ALL).is_none()));
    assert_eq!(plan.injected(), injected);
}

#[test]
fn every_kind_happens_by_default() {
    let plan = FaultPlan::seeded(7);
    for fault in Fault::ALL {
        assert!(
            (0..20_000).any(|_| plan.draw("call", &[fault]) == Some(fault)),
            "{}",
            fault.name()
        );
    }
    let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), Fault::ALL.len());
}

/// A destination and a queue that confirm everything and keep what reached them.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<String>>>);

impl Sink {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add<E>(&self, names: impl IntoIterator<Item = String>) -> Vec<Result<(), E>> {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = reached.len();
        reached.extend(names);
        (before..reached.len()).map(|_| Ok(())).collect()
    }
}

impl Publish for Sink {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        let keys = outgoing.into_iter().filter_map(|outgoing| outgoing.key);
        let results = self.add(keys);
        Box::pin(async { results })
    }
}

impl Queue for Sink {
    type Receipt = String;

    fn name(&self) -> &str {
        "sink"
    }

    async fn receive(&self, max: usize, _: Duration) -> Result<Vec<Received<String>>, QueueError> {
        let received = |number: usize| Received {
            message: Message::new("{}"),
            receipt: number.to_string(),
        };
        let received: Vec<_> = (0..max).map(received).collect();
        self.add::<QueueError>(received.iter().map(|received| received.receipt.clone()));
        Ok(received)
    }
    async fn delete(&self, receipts: Vec<String>) -> Vec<Result<(), QueueError>> {
        self.add(receipts)
    }
    async fn extend(&self, receipts: Vec<(String, Duration)>) -> Vec<Result<(), QueueError>> {
        self.add(receipts.into_iter().map(|(receipt, _)| receipt))
    }
    async fn release(&self, receipts: Vec<(String, Duration)>) -> Vec<Result<(), QueueError>> {
        self.add(receipts.into_iter().map(|(receipt, _)| receipt))
    }
    async fn dead_letter(&self, letters: Vec<(Received<String>, DeadLetter)>) -> Vec<Result<(), QueueError>> {
        self.add(letters.into_iter().map(|(received, _)| received.receipt))
    }
}

fn outgoing(count: usize) -> Vec<Outgoing> {
    let clock = Clock::system();
    let draft = |number: usize| {
        Draft::event(&OrderPlaced {
            order: format!("{number}"),
        })
    };
    (1..=count)
        .filter_map(|number| Some(draft(number).ok()?.first("/test", &clock)))
        .collect()
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

/// Publishes so many, and says which were confirmed and which arrived.
async fn publish(plan: &FaultPlan, sink: &Sink, count: usize) -> (Vec<bool>, Vec<String>) {
    let faulty = Faulty::new(sink.clone(), plan.clone(), Life::default());
    let results = faulty.publish(outgoing(count)).await;
    (results.iter().map(Result::is_ok).collect(), sink.take())
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_a_batch_is_an_error_for_entries_that_arrived() {
    let sink = Sink::default();
    assert_eq!(
        publish(&always(Fault::LoseReply), &sink, 3).await,
        (vec![false; 3], names(3))
    );
    assert_eq!(
        publish(&always(Fault::LoseRequest), &sink, 3).await,
        (vec![false; 3], vec![])
    );
    assert_eq!(
        publish(&always(Fault::Throttle), &sink, 3).await,
        (vec![false; 3], vec![])
    );
    assert_eq!(
        publish(&FaultPlan::none(), &sink, 3).await,
        (vec![true; 3], names(3))
    );
    let faulty = Faulty::new(sink, always(Fault::Throttle), Life::default());
    for result in faulty.publish(outgoing(2)).await {
        let error = result.unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), "not confirmed by topic orders: throttled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_batch_confirms_just_what_arrived_and_always_leaves_some_out_and_takes_some() {
    let plan = always(Fault::PartialBatch);
    let sink = Sink::default();
    for count in 2..=10 {
        for _ in 0..20 {
            let (confirmed, arrived) = publish(&plan, &sink, count).await;
            let confirmed: Vec<_> = names(count)
                .into_iter()
                .zip(confirmed)
                .filter_map(|(name, ok)| ok.then_some(name))
                .collect();
            assert_eq!(confirmed, arrived);
            assert!((1..count).contains(&arrived.len()), "{arrived:?} of {count}");
        }
    }
    // One entry has no part.
    assert_eq!(publish(&plan, &sink, 1).await, (vec![true], names(1)));
    assert_eq!(plan.injected()["partial_batch"], 9 * 20);
}

#[tokio::test(start_paused = true)]
async fn every_call_on_a_queue_meets_the_plan() {
    let sink = Sink::default();
    let queue = |fault| Faulty::new(sink.clone(), always(fault), Life::default());
    let letter = |name: &String| {
        let received = Received {
            message: Message::new("{}"),
            receipt: name.clone(),
        };
        let letter = DeadLetter {
            reason: "r".into(),
            consumer: "c".into(),
            attempts: 1,
        };
        (received, letter)
    };
    let second = Duration::from_secs(1);
    let later = || {
        names(2)
            .into_iter()
            .map(|name| (name, second))
            .collect::<Vec<_>>()
    };
    for (fault, arrives) in [
        (Fault::LoseRequest, 0),
        (Fault::Throttle, 0),
        (Fault::LoseReply, 2),
        (Fault::PartialBatch, 1),
    ] {
        let queue = queue(fault);
        let batches = [
            queue.delete(names(2)).await,
            queue.extend(later()).await,
            queue.release(later()).await,
            queue.dead_letter(names(2).iter().map(letter).collect()).await,
        ];
        for results in batches {
            assert_eq!(results.len(), 2);
            let confirmed = results.iter().filter(|result| result.is_ok()).count();
            assert_eq!(confirmed, usize::from(fault == Fault::PartialBatch), "{fault:?}");
            let errors = results.into_iter().filter_map(Result::err);
            errors.for_each(|error| assert!(error.is_retryable(), "{error}"));
        }
        assert_eq!(sink.take().len(), 4 * arrives, "{fault:?}");
    }
    // A receive whose reply is lost has hidden its messages all the same.
    assert!(queue(Fault::LoseReply).receive(10, second).await.is_err());
    assert_eq!(sink.take().len(), 10);
    assert!(queue(Fault::Throttle).receive(10, second).await.is_err());
    assert!(sink.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_killed_host_publishes_nothing_more() {
    let (sink, life) = (Sink::default(), Life::new("billing"));
    let faulty = Faulty::new(sink.clone(), FaultPlan::none(), life.clone());
    life.kill();
    assert!(
        timeout(Duration::from_secs(3600), faulty.publish(outgoing(3)))
            .await
            .is_err()
    );
    assert!(
        timeout(Duration::from_secs(3600), faulty.delete(names(3)))
            .await
            .is_err()
    );
    assert!(sink.take().is_empty());
}

#[tokio::test]
async fn a_handler_panics_before_or_after_its_work() {
    static WORKED: AtomicU32 = AtomicU32::new(0);
    let plan = always(Fault::Panic);
    let service = Router::new("billing")
        .on::<OrderPlaced>(|placed| {
            WORKED.fetch_add(1, Ordering::Relaxed);
            applied(placed)
        })
        .layer(PanicLayer::new(plan.clone()))
        .into_service()
        .unwrap();
    let placed = message(&OrderPlaced::default()).unwrap();
    let mut reasons = BTreeSet::new();
    for _ in 0..20 {
        let outcome = handle(&service, placed.clone()).await;
        reasons.insert(outcome.reason().unwrap_or_default());
    }
    let expected = [
        "panicked: the fault plan's panic, after the handler",
        "panicked: the fault plan's panic, before the handler",
    ];
    assert_eq!(reasons, expected.map(str::to_owned).into());
    assert!((1..20).contains(&WORKED.load(Ordering::Relaxed)));
    plan.stop();
    assert_eq!(handle(&service, placed).await.name(), "applied");
}

proptest! {
    #[test]
    fn a_number_is_below_its_bound(seed in any::<u64>(), bound in any::<u64>()) {
        let plan = FaultPlan::seeded(seed);
        prop_assert!(plan.below(bound) < bound.max(1));
        prop_assert_eq!(FaultPlan::none().below(bound), 0);
    }
}

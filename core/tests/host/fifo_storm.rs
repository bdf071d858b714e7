//! The order of each group on a FIFO queue, whatever happens to hosts and handlers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::fault::{FaultPlan, Faulty, Life};
use fanfare::memory::MemoryQueue;
use fanfare::{Failure, Message, Outcome};
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use crate::memory_support::*;
use crate::service;

const Q: &str = "q.fifo";
const DLQ: &str = "q-dlq.fifo";

/// What handlers see of a run with two hosts that are killed and restarted, under a fault plan.
async fn stormy(seed: u64, groups: usize, each: usize, fail: u8) -> Result<(), TestCaseError> {
    fastrand::seed(seed);
    let broker = with_queue(Q, 1000);
    for number in 0..each {
        for group in 0..groups {
            send_fifo(&broker, Q, &[(&format!("g{group}"), &number.to_string())]);
        }
    }
    let plan = FaultPlan::seeded(seed).rates(0.03);
    // By group: what was begun and what was done, in order.
    type Log = BTreeMap<String, Vec<u32>>;
    let (done, wrong): (Arc<Mutex<Log>>, Arc<Mutex<Vec<String>>>) = Default::default();
    let run = |name: &'static str| {
        let (broker, plan, done, wrong) = (broker.clone(), plan.clone(), done.clone(), wrong.clone());
        Life::restart(name, seconds(3), move |life| {
            let queue = Faulty::new(MemoryQueue::new(broker.clone(), Q), plan.clone(), life);
            let (done, wrong) = (done.clone(), wrong.clone());
            let handler = move |message: Message| {
                let (done, wrong) = (done.clone(), wrong.clone());
                async move {
                    sleep(Duration::from_millis(fastrand::u64(0..20_000))).await;
                    if fastrand::u8(..100) < fail {
                        return failed();
                    }
                    let number: u32 = message.body.parse().unwrap();
                    let mut done = done.lock().unwrap();
                    let group = done.entry(message.group.unwrap()).or_default();
                    // A repeat is the inbox's affair; what comes first must come in order.
                    let expected = group.len() as u32;
                    if number > expected {
                        wrong.lock().unwrap().push(format!("{number} before {expected}"));
                    } else if number == expected {
                        group.push(number);
                    }
                    applied()
                }
            };
            let quiet = broker.clone();
            host(queue, &broker)
                .retry(policy(1000))
                .concurrency(6)
                .serve(service!(handler), async move {
                    quiet.quiet([Q]).await.unwrap();
                })
        })
    };
    let both = async { tokio::join!(run("one"), run("two")) };
    let ended = timeout(30 * DAY, both).await;
    prop_assert!(ended.is_ok(), "a group is stuck: {:?}", broker.counts(Q));
    let wrong = wrong.lock().unwrap();
    prop_assert!(wrong.is_empty(), "{wrong:?}");
    let done = done.lock().unwrap();
    prop_assert_eq!(done.values().map(Vec::len).sum::<usize>(), groups * each);
    prop_assert_eq!(broker.counts(Q).unwrap().dead, 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Per-group order is a prefix, whatever fails; other groups progress; nothing is lost.
    #[test]
    fn the_order_of_each_group_survives_failures_kills_and_concurrent_hosts(
        seed in any::<u64>(),
        groups in 1usize..5,
        each in 1usize..8,
        fail in 0u8..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(stormy(seed, groups, each, fail))?;
    }

    /// While a head backs off its followers are held: only what failed itself becomes a dead letter.
    #[test]
    fn no_message_that_never_failed_becomes_a_dead_letter(
        seed in any::<u64>(),
        groups in 1usize..4,
        each in 1usize..12,
        receives in 1u32..6,
        concurrency in 1usize..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(failing_heads(seed, groups, each, receives, concurrency))?;
    }
}

/// Some messages always fail, with pauses longer than the visibility timeout; all others never do.
async fn failing_heads(
    seed: u64,
    groups: usize,
    each: usize,
    receives: u32,
    concurrency: usize,
) -> Result<(), TestCaseError> {
    fastrand::seed(seed);
    let broker = with_queue(Q, receives);
    let mut bad = 0;
    for number in 0..each {
        for group in 0..groups {
            let fails = fastrand::u8(..100) < 30;
            bad += usize::from(fails);
            let body = format!("{}{number}", if fails { "bad" } else { "good" });
            send_fifo(&broker, Q, &[(&format!("g{group}"), &body)]);
        }
    }
    let done = Arc::new(Mutex::new(BTreeMap::<String, Vec<u32>>::new()));
    let noted = done.clone();
    let handler = move |message: Message| {
        let number = message
            .body
            .strip_prefix("good")
            .map(|number| number.parse().unwrap());
        if let Some(number) = number {
            noted
                .lock()
                .unwrap()
                .entry(message.group.unwrap())
                .or_default()
                .push(number);
        }
        async move {
            sleep(Duration::from_millis(fastrand::u64(0..5_000))).await;
            let pause = seconds(fastrand::u64(0..100));
            match number {
                Some(_) => applied(),
                None => Outcome::failed(None, Failure::retry_after(pause, "never")),
            }
        }
    };
    let served = host(MemoryQueue::new(broker.clone(), Q), &broker)
        .retry(policy(receives))
        .concurrency(concurrency)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() });
    prop_assert!(timeout(30 * DAY, served).await.is_ok(), "a group is stuck");
    let done = done.lock().unwrap().clone();
    prop_assert_eq!(done.values().map(Vec::len).sum::<usize>(), groups * each - bad);
    prop_assert!(done.values().all(|numbers| numbers.is_sorted()), "{:?}", done);
    let dead = drain(&broker, DLQ).await;
    prop_assert_eq!(dead.len(), bad);
    prop_assert!(dead.iter().all(|dead| dead.body.starts_with("bad")));
    Ok(())
}

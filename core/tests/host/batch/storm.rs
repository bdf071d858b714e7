//! Whatever fails, nothing is lost and the order of each group holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanfare::Failure;
use fanfare::fault::{FaultPlan, Faulty, Life};
use fanfare::host::BatchHost;
use fanfare::memory::MemoryQueue;
use fanfare::topology::FunctionSettings;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::service;

const Q: &str = "q.fifo";
const DLQ: &str = "q-dlq.fifo";

/// What handlers saw.
#[derive(Default)]
struct Log {
    /// By group, in the order in which they were done.
    done: BTreeMap<String, Vec<u32>>,
    /// How often each failed.
    failed: BTreeMap<String, u32>,
    wrong: Vec<String>,
}

impl Log {
    fn tried(&mut self, group: &str, number: u32, works: bool) {
        let done = self.done.entry(group.to_owned()).or_default();
        let repeated = done.contains(&number);
        // Repeats are allowed, as after a lost answer: an inbox drops them. Going ahead isn't.
        if done.last().is_some_and(|last| *last > number) && !repeated {
            self.wrong.push(format!("{group} {number} late"));
        }
        if works && !repeated {
            done.push(number);
        }
        if !works {
            *self.failed.entry(format!("{group} {number}")).or_default() += 1;
        }
    }
}

/// Batches under a fault plan, some of them cancelled, with handlers that fail, panic, hang and give up.
async fn stormy(seed: u64, groups: usize, each: u32) -> Result<(), TestCaseError> {
    fastrand::seed(seed);
    // Cancelled invocations receive without trying.
    let broker = broker_of(Q, 1000);
    for number in 0..each {
        for group in 0..groups {
            send_fifo(&broker, Q, &[(&format!("g{group}"), &number.to_string())]);
        }
    }
    let log = Arc::new(Mutex::new(Log::default()));
    let noted = log.clone();
    let handler = move |message: Message| {
        let noted = noted.clone();
        async move {
            let (group, number) = (
                message.group.clone().unwrap(),
                message.body.parse::<u32>().unwrap(),
            );
            sleep(Duration::from_millis(fastrand::u64(0..4000))).await;
            let roll = fastrand::u8(0..10);
            noted.lock().unwrap().tried(&group, number, roll >= 4);
            match roll {
                4.. => applied(),
                0 => Outcome::failed(None, Failure::terminal("never")),
                1 => panic!("on purpose"),
                2 => std::future::pending().await,
                _ => failed(),
            }
        }
    };
    let handling = service!(handler);
    let service = function(1000, FunctionSettings::default());
    let queue = Faulty::new(
        MemoryQueue::new(broker.clone(), Q),
        FaultPlan::seeded(seed).rates(0.05),
        Life::default(),
    );
    let host = BatchHost::of(queue, &service).tries(Arc::new(Counter::default()));
    let mapping = MemoryQueue::new(broker.clone(), Q);
    let work = async {
        while broker.counts(Q).unwrap().total() > 0 {
            let batch = mapping.receive(10, seconds(20)).await.unwrap();
            let deadline = Instant::now() + TIME;
            let within = seconds(fastrand::u64(5..100));
            let handled = timeout(within, host.handle(handling.clone(), batch.clone(), deadline)).await;
            assert!(Instant::now() <= deadline, "the reply is there in time");
            let Ok(handed) = handled else { continue };
            let done = |received: &&Received<Receipt>| !handed.failed.contains(&received.message.id);
            let receipts = batch.iter().filter(done).map(|received| received.receipt);
            mapping.delete(receipts.collect()).await;
        }
    };
    timeout(30 * DAY, work).await.unwrap();
    let dead = drain(&broker, DLQ).await;
    let log = log.lock().unwrap();
    prop_assert!(log.wrong.is_empty(), "{:?}", log.wrong);
    let dead: BTreeSet<_> = dead
        .iter()
        .map(|dead| format!("{} {}", dead.group.as_deref().unwrap(), dead.body))
        .collect();
    for group in 0..groups {
        for number in 0..each {
            let (group, name) = (format!("g{group}"), format!("g{group} {number}"));
            let done = log.done.get(&group).is_some_and(|done| done.contains(&number));
            prop_assert!(done || dead.contains(&name), "{name} is lost");
            if dead.contains(&name) {
                prop_assert!(log.failed.contains_key(&name), "{name} is dead and never failed");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_fails_nothing_is_lost_and_the_order_of_each_group_holds(
        seed in any::<u64>(), groups in 1..5_usize, each in 1..8_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(stormy(seed, groups, each))?;
    }
}

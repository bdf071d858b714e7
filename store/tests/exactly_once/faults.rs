//! Under lost requests, lost and late answers, throttling, conflicts and kills, over some hundred
//! seeds: every effect happens once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan, Life};
use fanfare::{Advice, Failure, Handled};
use fanfare_store::{CommitError, IdempotencyKey, Store};

use crate::support::things::{count, put_new};
use crate::support::*;

const SEEDS: u64 = 150;

/// The other side of a lease's effect: it honours idempotency keys.
#[derive(Clone, Default)]
struct Provider {
    charged: Arc<Mutex<BTreeSet<String>>>,
}

fn plan(seed: u64) -> FaultPlan {
    FaultPlan::seeded(seed)
        .rates(0.0)
        .rate(Fault::LoseReply, 0.15)
        .rate(Fault::LoseRequest, 0.1)
        .rate(Fault::DelayReply, 0.05)
        .rate(Fault::Throttle, 0.1)
        .rate(Fault::Conflict, 0.15)
        .rate(Fault::Kill, 0.03)
}

/// Delivers an event until a host has settled it, as a queue would: at least once, and now and then to
/// two hosts at a time. Every host may be killed and started anew.
async fn deliver_until_settled(world: &World, plan: &FaultPlan, provider: &Provider, id: &str) {
    let name = format!("host of {id}");
    let host = |life: Life| {
        let store = world.store_under(plan, &life);
        async move {
            let mut settled = 0;
            while settled < 2 {
                match handle(&store, provider, &life, id).await {
                    Ok(_) => settled += 1,
                    Err(failure) => {
                        let pause = match failure.advice() {
                            Advice::Held(left) | Advice::RetryAfter(left) => left,
                            Advice::Terminal => panic!("{id}: {failure}"),
                            _ => Duration::from_millis(fastrand::u64(0..1_000)),
                        };
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    };
    Life::restart(&name, SECOND, host).await;
}

async fn handle(store: &Store, provider: &Provider, life: &Life, id: &str) -> Result<Handled, Failure> {
    let inbox = store.inbox();
    let delivery = deliver("billing", &placed(id, start())).await;
    if id.starts_with("once") {
        let once = inbox
            .once(&delivery)
            .write(count(id))
            .emit(&charged(id))
            .emit(&posted("cash", id));
        return Ok(once.commit().await?);
    }
    let lease = inbox.lease(&delivery, 10 * SECOND, async |claim| {
        life.check().await;
        provider
            .charged
            .lock()
            .unwrap()
            .insert(claim.idempotency_key().to_owned());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20_000))).await;
        let complete = claim
            .complete()
            .write(count(id))
            .emit(&charged(id))
            .emit(&posted("cash", id));
        Ok(complete.commit().await?)
    });
    lease.await
}

/// Places an order until it is answered, as a client with an idempotency key does.
async fn place_until_answered(world: &World, plan: &FaultPlan, id: &str) -> String {
    let name = format!("client of {id}");
    let host = |life: Life| {
        let store = world.store_under(plan, &life);
        async move {
            for attempt in 0.. {
                let order = format!("{id} {}", fastrand::u64(..));
                let key = IdempotencyKey::of("customer", "place order", id, b"a CD");
                let transaction = store
                    .outbox("checkout")
                    .transaction()
                    .write(put_new(&order, "placed"))
                    .write(count(id))
                    .emit(&charged(id))
                    .idempotent(key, DAY)
                    .result(order);
                match transaction.commit().await {
                    Ok(committed) => return committed.into_inner(),
                    Err(error @ (CommitError::KeyReused { .. } | CommitError::ConditionFailed { .. })) => {
                        panic!("{error}")
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(attempt * 100)).await,
                }
            }
            unreachable!()
        }
    };
    Life::restart(&name, SECOND, host).await.0
}

#[tokio::test(start_paused = true)]
async fn every_effect_happens_once_whatever_is_lost() {
    let mut injected = std::collections::BTreeMap::<_, u64>::new();
    for seed in 0..SEEDS {
        fastrand::seed(seed);
        let world = World::new().await;
        let (plan, provider) = (plan(seed), Provider::default());
        let ids = ["once 1", "once 2", "lease 1", "lease 2"];
        let deliveries = ids
            .iter()
            .chain(&ids[1..3]) // two hosts at a time
            .map(|id| deliver_until_settled(&world, &plan, &provider, id));
        let (_, first, again) = tokio::join!(
            futures_util::future::join_all(deliveries),
            place_until_answered(&world, &plan, "order"),
            place_until_answered(&world, &plan, "order"),
        );

        for id in ids.into_iter().chain(["order"]) {
            assert_eq!(world.counted(id).await, 1, "seed {seed}: {id}");
        }
        assert_eq!(first, again, "seed {seed}: both get the one order");
        assert!(world.thing(&first).await.is_some(), "seed {seed}");
        let events = world.outbox().await;
        let distinct: BTreeSet<_> = events.iter().map(|event| event.id()).collect();
        assert_eq!((events.len(), distinct.len()), (5, 5), "seed {seed}: events");
        let head = &world.records_of("key#").await[0];
        assert_eq!(number(head, "seq"), 4, "seed {seed}: ordered events");
        assert_eq!(provider.charged.lock().unwrap().len(), 2, "seed {seed}: keys");
        for (fault, times) in plan.injected() {
            *injected.entry(fault).or_default() += times;
        }
    }
    for fault in [
        "lose_reply",
        "lose_request",
        "delay_reply",
        "throttle",
        "conflict",
        "kill",
    ] {
        assert!(
            injected.get(fault).is_some_and(|times| *times > SEEDS / 2),
            "{injected:?}"
        );
    }
}

//! From a commit to the effect of what it emitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fanfare::fault::{Fault, FaultPlan, Faulty, Life};
use fanfare::memory::MemoryPublisher;
use fanfare::port::{BoxFuture, Publish, PublishError};
use fanfare::{Delivery, Handled, Outgoing, Router};
use tokio::time::sleep;

use crate::support::{Ground, OrderPlaced, SECOND, add_one, order};

fn billing(ground: Option<&Ground>, deliveries: Arc<AtomicU32>) -> Router {
    let inbox = ground.map(|ground| ground.store(&Life::default()).inbox());
    Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        deliveries.fetch_add(1, Ordering::Relaxed);
        let inbox = inbox.clone();
        async move {
            match inbox {
                Some(inbox) => Ok(inbox.once(&placed).write(add_one(&placed.order)).commit().await?),
                None => Ok(Handled::Applied),
            }
        }
    })
}

/// Publishes, and is killed before it can say so.
struct KilledAfterPublishing {
    inner: MemoryPublisher,
    life: Life,
}

impl Publish for KilledAfterPublishing {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let results = self.inner.publish(outgoing).await;
            self.life.kill();
            self.life.check().await;
            results
        })
    }
}

/// "Outbox relay": killed between publish and mark, five times in a row.
#[tokio::test(start_paused = true)]
async fn a_relay_killed_between_publish_and_mark_doubles_no_effect() {
    let deliveries = Arc::<AtomicU32>::default();
    let ground = Ground::new([billing(None, deliveries.clone())]).await;
    let host = ground.serve(billing(Some(&ground), deliveries.clone()));
    for number in 0..5 {
        let life = Life::new("relay");
        let store = ground.store(&life);
        let publish = KilledAfterPublishing {
            inner: ground.publisher(),
            life: life.clone(),
        };
        let relay = store.relay(publish);
        if number == 0 {
            store
                .outbox("test")
                .transaction()
                .emit(&order("1"))
                .commit()
                .await
                .unwrap();
        }
        tokio::select! {
            biased;
            () = life.killed() => {}
            () = relay.run(sleep(60 * SECOND)) => panic!("nothing was published by relay {number}"),
        }
    }
    let relay = ground.store(&Life::default()).relay(ground.publisher());
    relay.drain().await.unwrap();
    sleep(60 * SECOND).await;
    assert_eq!(
        deliveries.load(Ordering::Relaxed),
        6,
        "published by each of six relays"
    );
    assert_eq!(ground.count("1").await, 1);
    assert!(ground.is_quiet("billing"));
    host.stop().await;
}

/// "Partial batch results ignored": rejected sends marked as sent, or accepted ones sent again for
/// ever. And "Outbox relay": two of them at once.
#[tokio::test(start_paused = true)]
async fn entries_left_out_of_a_batch_are_published_and_none_has_two_effects() {
    let deliveries = Arc::<AtomicU32>::default();
    let ground = Ground::new([billing(None, deliveries.clone())]).await;
    let host = ground.serve(billing(Some(&ground), deliveries.clone()));
    let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::PartialBatch, 1.0);
    let stores = [ground.store(&Life::default()), ground.store(&Life::default())];
    let relays = stores
        .clone()
        .map(|store| store.relay(Faulty::new(ground.publisher(), plan.clone(), Life::default())));
    for commit in 0..10 {
        let mut transaction = stores[commit % 2].outbox("test").transaction();
        for event in 0..7 {
            transaction = transaction.emit(&order(&format!("{commit}-{event}")));
        }
        transaction.commit().await.unwrap();
    }
    let [first, second] = relays;
    let (first, second) = tokio::join!(first.drain(), second.drain());
    first.unwrap();
    second.unwrap();
    sleep(60 * SECOND).await;
    assert!(plan.injected()["partial_batch"] > 5);
    assert!(deliveries.load(Ordering::Relaxed) >= 70);
    for commit in 0..10 {
        for event in 0..7 {
            assert_eq!(ground.count(&format!("{commit}-{event}")).await, 1);
        }
    }
    host.stop().await;
}

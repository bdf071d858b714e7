//! A killed host's destructors do nothing: what they call through is of a life that is over.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use fanfare::fault::{FaultPlan, Faulty, Life};
use fanfare::host::Host;
use fanfare::memory::{Broker, MemoryPublisher, MemoryQueue, set_up};
use fanfare::port::Publish;
use fanfare::{App, Clock, Delivery, Draft, Event, Failure, Handled, Router};
use fanfare_local::Dynamo;
use fanfare_store::Store;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OrderPlaced {
    order: u32,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CleanedUp {
    order: u32,
}

impl Event for CleanedUp {
    const TYPE: &'static str = "cleaned.up";
    const TOPIC: &'static str = "cleanups";
}

/// What a handler may hold at an await: it tidies up when it is dropped, as a guard does that gives
/// back a lock or says that the work was given up.
struct TidyUp {
    store: Store,
    publish: Arc<dyn Publish>,
    clock: Clock,
}

impl Drop for TidyUp {
    fn drop(&mut self) {
        let (store, publish, clock) = (self.store.clone(), self.publish.clone(), self.clock.clone());
        tokio::spawn(async move {
            let event = Draft::event(&CleanedUp { order: 1 })
                .unwrap()
                .first("/billing", &clock);
            publish.publish(vec![event]).await;
        });
        tokio::spawn(async move {
            let committed = store
                .outbox("billing")
                .transaction()
                .emit(&CleanedUp { order: 2 })
                .commit()
                .await;
            committed.unwrap();
        });
    }
}

fn billing(tidy: Option<(Store, Arc<dyn Publish>, Clock)>) -> Router {
    Router::new("billing").on::<OrderPlaced>(move |_: Delivery<OrderPlaced>| {
        let held = tidy.clone().map(|(store, publish, clock)| TidyUp {
            store,
            publish,
            clock,
        });
        async move {
            // Dropped in here.
            sleep(Duration::from_secs(60)).await;
            drop(held);
            Ok(Handled::Applied)
        }
    })
}

async fn unused(_: Delivery<CleanedUp>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

/// Runs a host into the middle of a handler, ends it there, and says how many events its destructors
/// published and how many records they wrote.
async fn left_by_destructors(end: impl FnOnce(&Life)) -> (usize, usize) {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000));
    let broker = Broker::new(clock.clone(), FaultPlan::none());
    let app = App::new("tidy")
        .consumer(billing(None))
        .consumer(Router::new("janitor").on::<CleanedUp>(unused));
    set_up(&broker, &app.topology().unwrap()).unwrap();
    let dynamo = Dynamo::memory(clock.clone()).unwrap();
    let observer = dynamo.client(&Life::new("observer"));
    Store::new(observer.clone(), "records")
        .create_table()
        .await
        .unwrap();
    let publisher = MemoryPublisher::new(broker.clone(), "tidy");
    let placed = Draft::event(&OrderPlaced { order: 1 })
        .unwrap()
        .first("/checkout", &clock);
    publisher.publish(vec![placed]).await.remove(0).unwrap();

    let life = Life::new("billing");
    let store = Store::new(dynamo.client(&life), "records").clock(clock.clone());
    let publish: Arc<dyn Publish> = Arc::new(Faulty::new(publisher, FaultPlan::none(), life.clone()));
    let router = billing(Some((store, publish, clock.clone())));
    let queue = MemoryQueue::new(broker.clone(), "tidy-billing");
    let host = Host::new(Faulty::new(queue, FaultPlan::none(), life.clone()), "billing").clock(clock);
    let serving = tokio::spawn(host.serve(router.into_service().unwrap(), std::future::pending()));
    sleep(Duration::from_secs(10)).await;
    end(&life);
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    sleep(Duration::from_secs(3600)).await;

    let published = broker.counts("tidy-janitor").unwrap().total();
    (published, records(&observer).await)
}

async fn records(client: &Client) -> usize {
    client
        .scan()
        .table_name("records")
        .send()
        .await
        .unwrap()
        .items()
        .len()
}

#[tokio::test(start_paused = true)]
async fn the_destructors_of_a_killed_host_are_refused() {
    assert_eq!(left_by_destructors(Life::kill).await, (0, 0));
}

/// The same destructors, of a host that is only stopped: so the test above can fail.
#[tokio::test(start_paused = true)]
async fn the_destructors_of_a_stopped_host_are_not() {
    assert_eq!(left_by_destructors(|_| {}).await, (1, 1));
}

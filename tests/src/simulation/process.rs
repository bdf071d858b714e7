//! One process of the shop: a host for each consumer and a relay, killed and started anew.

use std::sync::{Arc, Once};
use std::time::Duration;

use fanfare::fault::{Faulty, Life, PanicLayer};
use fanfare::host::Host;
use fanfare::memory::{MemoryPublisher, MemoryQueue};
use fanfare::topology::Consumer;
use fanfare::{Backoff, queue_name};
use tokio::sync::watch;

use super::APP;
use super::shop;
use super::weather::Plans;
use super::world::World;

pub(super) fn publisher(world: &World) -> MemoryPublisher {
    MemoryPublisher::new(world.broker.clone(), APP)
}

pub(super) fn queue_of(consumer: &Consumer) -> String {
    queue_name(APP, &consumer.name, consumer.fifo)
}

/// Runs a process until it is stopped, each time it is killed once more; says how often that was.
pub(super) async fn run(
    world: Arc<World>,
    plans: Plans,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<u64> {
    let live = |life| live(&world, &plans, life, stopped.clone());
    let (ended, kills) = Life::restart(plans.name, Duration::from_secs(3), live).await;
    ended.map(|()| kills)
}

/// One life of a process. Everything it calls through is of that life.
async fn live(
    world: &World,
    plans: &Plans,
    life: Life,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let client = world
        .dynamo
        .clone()
        .with_faults(plans.tables.clone())
        .client(&life);
    let store = world.store(client.clone());
    let inbox = store.inbox();
    let parts = world.parts(plans.name, client, inbox.clone());
    let relay = store
        .relay(Faulty::new(publisher(world), plans.queues.clone(), life.clone()))
        .sweep_every(Duration::from_secs(5))
        .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(10)));
    let app = shop::app(&parts).map_consumers(|router| router.layer(PanicLayer::new(plans.queues.clone())));
    let topology = app.topology()?;
    let mut hosts = Vec::new();
    for service in app.services()? {
        let Some(consumer) = topology.consumer(service.consumer()) else {
            continue;
        };
        let queue = MemoryQueue::new(world.broker.clone(), queue_of(consumer));
        let host = Host::of(Faulty::new(queue, plans.queues.clone(), life.clone()), &service)
            .concurrency(8)
            .clock(world.clock.clone())
            .completed(Arc::new(inbox.clone()));
        hosts.push(Box::pin(host.serve(service, stop(stopped.clone()))));
    }
    let hosts = futures_util::future::join_all(hosts);
    tokio::join!(hosts, relay.run(stop(stopped)));
    Ok(())
}

async fn stop(mut stopped: watch::Receiver<bool>) {
    // The sender outlives every process.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The plan's own panics are no news; all others are told as usual.
pub(super) fn keep_planned_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let planned = panic
                .payload()
                .downcast_ref::<&str>()
                .is_some_and(|text| text.starts_with("the fault plan's panic"));
            if !planned {
                tell(panic);
            }
        }));
    });
}

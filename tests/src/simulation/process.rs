//! One process of the shop: a host for each consumer that is no function, and a relay, killed and started
//! anew.

use std::sync::{Arc, Once};
use std::time::Duration;

use aws_types::SdkConfig;
use fanfare::fault::{Life, PanicLayer};
use fanfare::topology::Consumer;
use fanfare::{Backoff, RouterService, queue_name};
use fanfare_worker::Worker;
use tokio::sync::watch;

use super::APP;
use super::shop;
use super::weather::Plans;
use super::world::World;

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
        .local
        .dynamo()
        .clone()
        .with_faults(plans.tables.clone())
        .client(&life);
    let config = world.config(&plans.queues, &life);
    let store = world.store(client.clone());
    let inbox = store.inbox();
    let parts = world.parts(plans.name, client, inbox.clone());
    let relay = store
        .relay(world.publisher(&config))
        .sweep_every(Duration::from_secs(5))
        .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(10)));
    let app = shop::app(&parts).map_consumers(|router| router.layer(PanicLayer::new(plans.queues.clone())));
    let mut served = Vec::new();
    let own = |service: &RouterService| !world.functions.contains(service.consumer());
    for service in app.services()?.into_iter().filter(own) {
        let (config, inbox, stopped) = (&config, inbox.clone(), stopped.clone());
        served.push(Box::pin(async move {
            let Some(worker) = connect(world, config, service, stopped.clone()).await else {
                return Ok(());
            };
            let worker = worker.configure(|host| {
                host.concurrency(8)
                    .clock(world.clock.clone())
                    .completed(Arc::new(inbox))
            });
            worker.serve(stop(stopped)).await
        }));
    }
    let served = futures_util::future::join_all(served);
    let (served, ()) = tokio::join!(served, relay.run(stop(stopped)));
    for served in served {
        served?;
    }
    Ok(())
}

/// A worker on its queue, tried until that can be asked; none when it is to stop.
async fn connect(
    world: &World,
    config: &SdkConfig,
    service: RouterService,
    stopped: watch::Receiver<bool>,
) -> Option<Worker> {
    let connected = async {
        loop {
            match Worker::connect(config, &world.topology, service.clone()).await {
                Ok(worker) => return worker,
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "not connected"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = stop(stopped) => None,
        worker = connected => Some(worker),
    }
}

/// Resolves when everything is to stop.
pub(super) async fn stop(mut stopped: watch::Receiver<bool>) {
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

//! Effects outside the tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanfare::fault::Life;
use fanfare::{Delivery, Failure, Handled, Router};
use fanfare_store::Inbox;
use tokio::time::sleep;

use crate::support::{Ground, OrderPlaced, SECOND, add_one, order};

/// Calls somebody who takes this long.
fn billing(inbox: Option<Inbox>, takes: Duration, calls: Arc<AtomicU32>) -> Router {
    Router::new("billing")
        .max_receives(2)
        .on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
            let (inbox, calls) = (inbox.clone(), calls.clone());
            async move {
                let Some(inbox) = inbox else {
                    return Err(Failure::terminal("only for the topology"));
                };
                inbox
                    .lease(&placed, 10 * SECOND, async |claim| -> Result<Handled, Failure> {
                        calls.fetch_add(1, Ordering::Relaxed);
                        sleep(takes).await;
                        Ok(claim.complete().write(add_one(&placed.order)).commit().await?)
                    })
                    .await
            }
        })
}

/// "Idempotency lock vs expiry": who finds the work being done waits, for as long as it takes, and
/// that isn't counted as failing at it.
#[tokio::test(start_paused = true)]
async fn a_lease_held_by_another_does_not_drive_the_message_to_the_dead_letters() {
    let calls = Arc::<AtomicU32>::default();
    let takes = Duration::from_secs(10 * 60);
    let ground = Ground::new([billing(None, takes, calls.clone())]).await;
    let hosts: Vec<_> = (0..3)
        .map(|_| {
            let inbox = ground.store(&Life::default()).inbox();
            ground.serve(billing(Some(inbox), takes, calls.clone()))
        })
        .collect();
    let event = ground.publish(&order("1")).await;
    for _ in 0..5 {
        ground.repeat(&event).await;
    }
    sleep(takes - 60 * SECOND).await;
    assert_eq!(ground.dead("billing"), 0);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    sleep(120 * SECOND).await;
    assert_eq!(ground.count("1").await, 1);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(ground.dead("billing"), 0);
    assert!(ground.is_quiet("billing"));
    for host in hosts {
        host.stop().await;
    }
}

/// "Idempotency lock vs expiry": the holder is gone, and its lock doesn't stay.
#[tokio::test(start_paused = true)]
async fn a_lease_whose_host_was_killed_is_taken_over_and_completed_once() {
    let calls = Arc::<AtomicU32>::default();
    let takes = 20 * SECOND;
    let ground = Ground::new([billing(None, takes, calls.clone())]).await;
    ground.publish(&order("1")).await;
    let killed = Life::new("killed");
    let inbox = ground.store(&killed).inbox();
    let router = billing(Some(inbox), takes, calls.clone());
    let (host, service) = ground.host(router, &killed, &fanfare::fault::FaultPlan::none());
    let first = tokio::spawn(host.serve(service, std::future::pending()));
    sleep(15 * SECOND).await;
    killed.kill();
    first.abort();
    let second = ground.serve(billing(
        Some(ground.store(&Life::default()).inbox()),
        takes,
        calls.clone(),
    ));
    sleep(120 * SECOND).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(ground.count("1").await, 1);
    assert_eq!(ground.dead("billing"), 0);
    assert!(ground.is_quiet("billing"));
    second.stop().await;
}

//! Dead letters, back to their queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use fanfare::fault::Life;
use fanfare::{Delivery, Failure, Router};
use fanfare_store::Inbox;
use tokio::time::sleep;

use crate::support::{Ground, OrderPlaced, SECOND, add_one, order};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A consumer that gives up on everything for as long as its bank is closed.
fn billing(inbox: Option<Inbox>, closed: Arc<AtomicBool>, attempts: Arc<AtomicU32>) -> Router {
    Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let (inbox, closed) = (inbox.clone(), closed.load(Ordering::Relaxed));
        attempts.fetch_add(1, Ordering::Relaxed);
        async move {
            match inbox {
                Some(inbox) if !closed => {
                    Ok(inbox.once(&placed).write(add_one(&placed.order)).commit().await?)
                }
                _ => Err(Failure::terminal("the bank is closed")),
            }
        }
    })
}

/// "Redrive": a message id changes with each one, and two of them can run at once.
#[tokio::test(start_paused = true)]
async fn a_redrive_twice_and_concurrently_has_one_effect() {
    let (closed, attempts) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicU32>::default());
    let ground = Ground::new([billing(None, closed.clone(), attempts.clone())]).await;
    let inbox = ground.store(&Life::default()).inbox();
    let router = billing(Some(inbox), closed.clone(), attempts.clone());
    // Two copies of one event, both given up.
    let event = ground.publish(&order("1")).await;
    ground.repeat(&event).await;
    let hosts = [ground.serve(router.clone()), ground.serve(router)];
    sleep(60 * SECOND).await;
    assert_eq!(ground.dead("billing"), 2);

    // Redriven while nothing is mended: they come back, and know how often.
    assert_eq!(ground.redrive("billing"), 2);
    sleep(60 * SECOND).await;
    assert_eq!(ground.dead("billing"), 2);

    closed.store(false, Ordering::Relaxed);
    let moved = std::thread::scope(|scope| {
        let redrives = [
            scope.spawn(|| ground.redrive("billing")),
            scope.spawn(|| ground.redrive("billing")),
        ];
        redrives
            .map(|redrive| redrive.join().unwrap())
            .iter()
            .sum::<usize>()
    });
    assert_eq!(moved, 2, "each letter is moved by one of the two");
    sleep(60 * SECOND).await;
    assert_eq!(attempts.load(Ordering::Relaxed), 6);
    assert_eq!(ground.count("1").await, 1);
    assert_eq!(ground.dead("billing"), 0);
    assert!(ground.is_quiet("billing"));
    for host in hosts {
        host.stop().await;
    }
}

/// "Clock and TTL" and "Redrive": what was handled is forgotten after the window, and a copy that is
/// redriven later than that is not handled unguarded.
#[tokio::test(start_paused = true)]
async fn an_event_redriven_after_the_window_is_too_old() {
    let (closed, attempts) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicU32>::default());
    let ground = Ground::new([billing(None, closed.clone(), attempts.clone())]).await;
    let inbox = ground.store(&Life::default()).window(5 * DAY).inbox();
    let router = billing(Some(inbox), closed.clone(), attempts);
    let event = ground.publish(&order("1")).await;
    let host = ground.serve(router);
    sleep(60 * SECOND).await;
    assert_eq!(ground.dead("billing"), 1);
    closed.store(false, Ordering::Relaxed);
    ground.repeat(&event).await;
    sleep(60 * SECOND).await;
    assert_eq!(ground.count("1").await, 1);

    sleep(6 * DAY).await;
    assert!(
        ground.dynamo.sweep_expired().unwrap() > 0,
        "the inbox record is gone"
    );
    assert_eq!(ground.redrive("billing"), 1);
    sleep(60 * SECOND).await;
    assert_eq!(ground.count("1").await, 1);
    let reasons = ground.reasons("billing").await;
    assert_eq!(reasons.len(), 1);
    assert!(
        reasons[0]
            .as_ref()
            .is_some_and(|reason| reason.starts_with("too old")),
        "{reasons:?}"
    );
    host.stop().await;
}

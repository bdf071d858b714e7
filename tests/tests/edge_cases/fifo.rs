//! Order, from the outbox to the handler.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::fault::Life;
use fanfare::{Delivery, Failure, Handled, Router};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::support::{Ground, Posted, SECOND};

type Seen = Arc<Mutex<Vec<(String, u64)>>>;

/// A bookkeeper that fails at the first posting of `cash` this often.
fn bookkeeping(seen: Seen, failures: u32, failed: Arc<Mutex<u32>>) -> Router {
    Router::new("bookkeeping")
        .max_receives(5)
        .visibility_timeout(Duration::from_secs(10))
        .on::<Posted>(move |posted: Delivery<Posted>| {
            let mut failed = failed.lock().unwrap();
            let fails = posted.account == "cash" && posted.number == 0 && *failed < failures;
            *failed += u32::from(fails);
            if !fails {
                seen.lock().unwrap().push((posted.account.clone(), posted.number));
            }
            async move {
                match fails {
                    true => Err(Failure::retry_after(60 * SECOND, "the ledger is locked")),
                    false => Ok(Handled::Applied),
                }
            }
        })
}

/// "FIFO": one failure fails every group, a group stalls, or followers are received again and again
/// until they are dead letters without ever having failed.
#[tokio::test(start_paused = true)]
async fn a_fifo_head_backing_off_does_not_kill_its_followers() {
    let (seen, failed) = (Seen::default(), Arc::<Mutex<u32>>::default());
    let ground = Ground::new([bookkeeping(seen.clone(), 4, failed.clone())]).await;
    let store = ground.store(&Life::default());
    let relay = store.relay(ground.publisher());
    let outbox = store.outbox("test");
    for number in 0..5 {
        for account in ["cash", "card"] {
            let posted = Posted {
                account: account.to_owned(),
                number,
            };
            outbox.transaction().emit(&posted).commit().await.unwrap();
        }
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let relaying = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        relay.run(stopped).await;
    });
    let host = ground.serve(bookkeeping(seen.clone(), 4, failed));
    // The other account isn't held up by the four minutes.
    sleep(30 * SECOND).await;
    let of = |account: &str| -> Vec<u64> {
        let seen = seen.lock().unwrap();
        seen.iter()
            .filter(|(of, _)| of == account)
            .map(|(_, number)| *number)
            .collect()
    };
    assert_eq!(of("card"), [0, 1, 2, 3, 4]);
    assert_eq!(of("cash"), [0_u64; 0]);
    sleep(600 * SECOND).await;
    assert_eq!(of("cash"), [0, 1, 2, 3, 4]);
    assert_eq!(ground.dead("bookkeeping"), 0);
    assert!(ground.is_quiet("bookkeeping"));
    host.stop().await;
    stop.send(()).unwrap();
    relaying.await.unwrap();
}

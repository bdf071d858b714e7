//! A relay beside what commits.

use std::future::Future;

use fanfare_store::Relay;
use tokio::sync::oneshot;

/// Runs something that commits with its relay beside it. The relay goes last: what is committed at the
/// very end is published too, but for ordered events, which are left to another relay's sweep.
pub(crate) async fn relayed<T>(relay: &Relay, committing: impl Future<Output = T>) -> T {
    let (end, ended) = oneshot::channel::<()>();
    let committing = async {
        let committed = committing.await;
        drop(end);
        committed
    };
    let relaying = relay.run(async {
        let _ = ended.await;
    });
    let (committed, ()) = tokio::join!(committing, relaying);
    committed
}

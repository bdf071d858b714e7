//! From a commit to a relay in the same process: what was just written, so that it is published
//! without being read first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::record::Key;
use crate::record::outbox::OutboxRecord;

/// What a commit has just written for the relay.
#[derive(Clone, Debug)]
pub(crate) enum Fresh {
    /// An outbox record, as it lies in the table now.
    Unordered(OutboxRecord),
    /// Events were appended to this head.
    Ordered(Key),
}

/// The relay of this process, if there is one. A relay that ends drops its receiver, and from then
/// on records are written for the sweep again.
#[derive(Debug, Default)]
pub(crate) struct Wake(Mutex<Option<mpsc::Sender<Fresh>>>);

impl Wake {
    /// Attaches a relay: it gets what is committed from now on, up to `capacity` records at a time.
    /// What doesn't fit, its sweep finds. The relay that was attached before gets no more.
    pub(crate) fn attach(&self, capacity: usize) -> mpsc::Receiver<Fresh> {
        let (sender, receiver) = mpsc::channel(capacity);
        *self.lock() = Some(sender);
        receiver
    }

    /// Whether a relay listens: what is written then is left alone by the sweeps of others for
    /// [`GRACE`].
    pub(crate) fn is_attached(&self) -> bool {
        self.lock().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Hands it over; a full or closed channel leaves it to the sweep.
    pub(crate) fn tell(&self, fresh: Vec<Fresh>) {
        let Some(sender) = self.lock().clone() else { return };
        for fresh in fresh {
            if sender.try_send(fresh).is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<mpsc::Sender<Fresh>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long other relays leave a record alone that the one in the process was told of.
pub(crate) const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

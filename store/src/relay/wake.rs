//! How a commit tells the relay in the same process what it has just written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fanfare::Outgoing;
use tokio::sync::mpsc;

/// How long the other relays leave an item alone that one in the committing process was told of: its
/// `due` is the time of the commit and this.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Commits that wait for the relay. What a full channel doesn't take, the sweep finds after the grace.
const CAPACITY: usize = 4_096;

/// What one commit has written to the outbox.
#[derive(Debug, Default)]
pub(crate) struct NewItems {
    /// Its items of unordered events; one, unless they are large.
    pub(crate) commits: Vec<NewCommit>,
    /// The `pk` of the head of each ordered key that something was appended to.
    pub(crate) keys: Vec<String>,
}

/// An item of unordered events as it was first written (`rev` is that of a new item, every event is
/// pending), so that the relay need not read it.
#[derive(Debug)]
pub(crate) struct NewCommit {
    /// Its `pk`.
    pub(crate) pk: String,
    /// Its shard.
    pub(crate) shard: u32,
    /// When it is due for every relay: milliseconds since 1970.
    pub(crate) due: u64,
    /// Its events, in the order of the item's list.
    pub(crate) events: Vec<Outgoing>,
}

/// The commits' side of the channel. Clones are the same side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake(Arc<Mutex<Option<mpsc::Sender<NewItems>>>>);

impl Wake {
    /// The relay's side: from now on it alone is told. The one before it goes on by its sweep.
    pub(crate) fn attach(&self) -> mpsc::Receiver<NewItems> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// What a commit adds to the time now for the `due` of its items: the grace while a relay is
    /// attached, else nothing.
    pub(crate) fn grace(&self) -> Duration {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*sender {
            Some(sender) if !sender.is_closed() => GRACE,
            _ => Duration::ZERO,
        }
    }

    /// Tells the relay, once the commit is confirmed. Never waits, and may be lost: without a relay,
    /// and when it is far behind, the sweep finds the items.
    pub(crate) fn notify(&self, items: NewItems) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender
            && sender.try_send(items).is_err()
        {
            tracing::debug!("the relay is behind or gone: its sweep will find the commit's events");
        }
    }
}

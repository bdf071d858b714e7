//! One destination's way out: a bounded queue, and a task that sends what is in it, in batches.

mod run;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::target::Target;
use run::Run;
pub(crate) use waiting::{GivenUp, Waiting};

/// How a destination is sent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long an entry waits for others to share its batch.
    pub(crate) linger: Duration,
    /// How long an entry is tried.
    pub(crate) deadline: Duration,
    /// How many entries are taken at once, those under way among them.
    pub(crate) room: usize,
}

/// The end that entries are put in at. Its task ends when all of these are dropped and what was put in
/// has its result.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    entries: mpsc::UnboundedSender<Vec<Waiting>>,
    /// What bounds the queue.
    room: Arc<Semaphore>,
}

impl Lane {
    /// Starts the task, on the runtime that this is called on.
    pub(crate) fn start(target: Arc<Target>, settings: Settings) -> Self {
        let (entries, source) = mpsc::unbounded_channel();
        tokio::spawn(Run::new(target, source).run());
        Self {
            entries,
            room: Arc::new(Semaphore::new(settings.room)),
        }
    }

    /// Whether the task is gone, as with its runtime.
    pub(crate) fn is_over(&self) -> bool {
        self.entries.is_closed()
    }

    /// Waits for room for so many entries, of which there are no more than the room is for.
    /// Nothing when the deadline comes first.
    pub(crate) async fn room(&self, entries: usize, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let entries = u32::try_from(entries).ok()?;
        let room = Arc::clone(&self.room).acquire_many_owned(entries);
        timeout_at(deadline, room).await.ok()?.ok()
    }

    /// Puts entries in, one behind the other. Their replies are dropped when the task is gone.
    pub(crate) fn put(&self, entries: Vec<Waiting>) {
        let _ = self.entries.send(entries);
    }
}

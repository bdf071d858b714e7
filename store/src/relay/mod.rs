//! The relay: publishes what commits have written to the outbox.

mod batches;
mod change;
mod drain;
mod error;
mod ordered;
mod park;
mod republish;
mod run;
mod status;
mod stream;
mod sweep;
mod table;
mod unordered;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use fanfare::port::Publish;
use fanfare::{Backoff, Clock};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use crate::Store;
use crate::store::Shared;
use crate::wake::Fresh;

pub use self::error::RelayError;
pub use self::park::{Parked, ParkedEvent};
use self::run::Context;
pub use self::status::Status;
pub use self::stream::{STREAM_FILTER, StreamChange, StreamError, StreamRecord};
use self::table::Table;

/// Records that wait for the relay in memory. What is committed beyond that, the sweep finds.
const WAKE_CAPACITY: usize = 4_096;

/// How long a batch of the stream waits for the outbox to be measured beside it.
const MEASURE_WITHIN: Duration = Duration::from_secs(5);

/// Publishes what commits have written to the outbox: each event at least once under its own id, and
/// the events of a key on a FIFO topic in their order.
///
/// A commit in the same process hands its events over in memory; all others, and those whose publishing
/// failed, are found by a sweep of the index of pending records. An event is marked as published only
/// after its destination has confirmed it. So a relay may be killed at any moment, several may work at
/// once, and any answer may be lost: what is published twice for it has the same id, and consumers drop
/// the copy.
///
/// An event that fails is tried again after a growing pause that is kept with it, for as long as it
/// takes; one that its destination refuses for good (no such topic, too large) is
/// [parked](Self::parked) with the reason. Neither holds up others, except those behind it under the
/// same key of a FIFO topic, which keep their order.
///
/// Clones are the same relay.
///
/// ```
/// # use std::sync::Mutex;
/// # use fanfare::{Clock, Outgoing, fault::Life, port::{BoxFuture, Publish, PublishError}};
/// # use fanfare_local::Dynamo;
/// # use fanfare_store::Store;
/// # struct Topics;
/// # impl Publish for Topics {
/// #     fn publish(&self, all: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
/// #         Box::pin(async move { all.iter().map(|_| Ok(())).collect() })
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// # let client = Dynamo::memory(Clock::system())?.client(&Life::default());
/// let store = Store::new(client, "shop");
/// store.create_table().await?;
/// let relay = store.relay(Topics);
/// # let shutdown = async {};
/// relay.run(shutdown).await; // beside the hosts, until they have ended
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Relay {
    store: Arc<Shared>,
    publish: Arc<dyn Publish>,
    settings: Settings,
    wake: Arc<Mutex<mpsc::Receiver<Fresh>>>,
    progress: Arc<AtomicU64>,
    /// When a batch of the stream was last the occasion to measure the outbox.
    measured: Arc<Mutex<Option<Instant>>>,
}

/// How the relay works.
#[derive(Clone, Copy, Debug)]
struct Settings {
    sweep_every: Duration,
    sweep_after: Duration,
    backoff: Backoff,
    publish_within: Duration,
    finish_within: Duration,
    patience: Duration,
    measure_every: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sweep_every: Duration::from_secs(1),
            sweep_after: Duration::ZERO,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            publish_within: Duration::from_secs(20),
            finish_within: Duration::from_secs(10),
            patience: Duration::from_secs(120),
            measure_every: None,
        }
    }
}

impl Store {
    /// A relay of this store's outbox. From now on, commits through this store and its clones hand it
    /// their events; the relay made before gets none any more and goes on by its sweep.
    pub fn relay(&self, publish: impl Publish) -> Relay {
        Relay {
            store: Arc::clone(&self.shared),
            publish: Arc::new(publish),
            settings: Settings::default(),
            wake: Arc::new(Mutex::new(self.shared.wake.attach(WAKE_CAPACITY))),
            progress: Arc::default(),
            measured: Arc::default(),
        }
    }

    /// How much is pending and parked in the outbox, and since when, without a relay. It reads the whole
    /// index, and records the metrics of the outbox ([`metric`](fanfare::metric)).
    ///
    /// ```
    /// # use fanfare::{Clock, fault::Life};
    /// # use fanfare_local::Dynamo;
    /// # use fanfare_store::Store;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let client = Dynamo::memory(Clock::system())?.client(&Life::default());
    /// let store = Store::new(client, "shop");
    /// store.create_table().await?;
    /// assert_eq!(store.outbox_status().await?.pending, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the table can't be read.
    pub async fn outbox_status(&self) -> Result<Status, RelayError> {
        let status = status::status(Table(&self.shared)).await?;
        status.record();
        Ok(status)
    }
}

impl Relay {
    /// The mean pause between two sweeps; each one is random, from half to one and a half of it. 1 s by
    /// default: so long does an event wait at most when no relay in its process publishes it at once. A
    /// sweep of an empty outbox costs two small queries for each shard.
    #[must_use]
    pub fn sweep_every(self, pause: Duration) -> Self {
        self.set(|settings| settings.sweep_every = pause)
    }

    /// For how long the sweep leaves alone what is due: not at all by default. Where a relay stands behind the
    /// table's stream ([`stream`](Self::stream)), some seconds leave to that one what it is about to publish, which
    /// would go out twice else; the sweep then publishes what the stream doesn't bring. Each further try of what
    /// failed waits so much longer, too.
    #[must_use]
    pub fn sweep_after(self, lead: Duration) -> Self {
        self.set(|settings| settings.sweep_after = lead)
    }

    /// How long an event waits after each failure; by default a random time of up to 1 s, doubling to
    /// 60 s, so that a minute after an outage all is published.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.backoff = backoff)
    }

    /// How long a batch may take to be confirmed before it counts as failed; 20 s by default. To be
    /// longer than what the publisher allows its own calls and retries.
    #[must_use]
    pub fn publish_within(self, within: Duration) -> Self {
        self.set(|settings| settings.publish_within = within)
    }

    /// How long [`run`](Self::run) may take to end what is under way once its shutdown has come; 10 s
    /// by default.
    #[must_use]
    pub fn finish_within(self, within: Duration) -> Self {
        self.set(|settings| settings.finish_within = within)
    }

    /// How long [`drain`](Self::drain) waits without anything being published; two minutes by default,
    /// longer than the longest [`backoff`](Self::backoff) and [`sweep_after`](Self::sweep_after) together.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience = patience)
    }

    /// How often [`run`](Self::run) asks for its [`status`](Self::status), the first time at its start, so
    /// that the metrics of the outbox are recorded; never by default, since each time reads the whole index.
    /// [`stream`](Self::stream) does so beside a batch when the last time is so long ago: without batches
    /// nothing is measured. One relay of an application is enough for it, such as every minute.
    #[must_use]
    pub fn measure_every(self, pause: Duration) -> Self {
        self.set(|settings| settings.measure_every = Some(pause))
    }

    /// Publishes until `shutdown` resolves, then ends what is under way, for at most the time that
    /// [`finish_within`](Self::finish_within) gives. What is left then stays pending, for any other
    /// relay's sweep.
    ///
    /// It never fails: what goes wrong is logged and tried again. A second `run` of the same relay
    /// waits for the first to end. Dropping the future stops all at once, as a kill would: nothing is
    /// lost, and what was published and not yet written down is published again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut wake = tokio::select! {
            biased;
            () = &mut shutdown => return,
            wake = self.wake.lock() => wake,
        };
        let context = self.context();
        // It holds every future under way.
        let run = Box::pin(run::run(&context, &*self.publish, &mut wake, shutdown));
        tokio::select! {
            biased;
            () = run => {}
            never = self.measure() => match never {},
        }
    }

    async fn measure(&self) -> Infallible {
        let Some(pause) = self.settings.measure_every else {
            return std::future::pending().await;
        };
        loop {
            self.measure_once().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Measures, unless that is done already, or was less than the pause ago.
    async fn measure_again(&self, deadline: Instant) {
        let (Some(pause), Ok(mut last)) = (self.settings.measure_every, self.measured.try_lock()) else {
            return;
        };
        if last.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        let deadline = deadline.min(Instant::now() + MEASURE_WITHIN);
        let measured = tokio::time::timeout_at(deadline, self.measure_once());
        if measured.await.is_err() {
            tracing::warn!("the outbox could not be measured in time");
        }
        // In any case: an outbox too long to be measured must not hold up every batch.
        *last = Some(Instant::now());
    }

    async fn measure_once(&self) {
        if let Err(error) = self.status().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the outbox could not be measured"
            );
        }
    }

    /// Publishes, or watches [`run`](Self::run) do it, until nothing is pending; parked events don't
    /// count. For tests and the end of a run: at last it reads the whole table, since the index lags
    /// behind. What is committed meanwhile is waited for too.
    ///
    /// Dropping the future is as dropping that of [`run`](Self::run).
    ///
    /// # Errors
    /// [`RelayError::Stalled`] when nothing was published or parked, and the number of pending records
    /// did not fall, for as long as [`patience`](Self::patience) says; also when the table can't be
    /// read.
    pub async fn drain(&self) -> Result<(), RelayError> {
        let (emptied, shutdown) = oneshot::channel::<()>();
        let work = self.run(async {
            let _ = shutdown.await;
        });
        let watch = async {
            let result = drain::until_empty(self.table(), self.settings, &self.progress).await;
            drop(emptied);
            result
        };
        let ((), result) = futures_util::future::join(work, Box::pin(watch)).await;
        result
    }

    /// Publishes what a batch of records of the table's stream tells of, and gives one result for each
    /// of them, in their order. For a function behind DynamoDB Streams: `fanfare-lambda` calls it. The
    /// table needs a stream that shows new images ([`table`](crate::table)).
    ///
    /// Only records of the outbox with something pending lead to a call; all others (the inbox, leases,
    /// what a relay wrote down, everything removed, by expiry too) are done at once. What a record tells of is
    /// read strongly consistently first, up to a hundred in a call, so that a batch that is shown again
    /// publishes only what is still pending, and what a sweep or the relay in the committing process has
    /// published is left alone. Where it is that one's turn, it is waited for: it is published here when
    /// it is still pending after some five seconds. The events of a key come from its own record, in its
    /// own order, whatever order the stream has.
    ///
    /// An error says that the record is to be shown again: its event was not confirmed (that is written
    /// down, and a sweep takes it up too), or the deadline came. Nothing new is begun shortly before the
    /// deadline, what still runs then is dropped, and the call returns. What is parked is no error: it
    /// waits for somebody, and holds up nothing else. A stream forgets after a day, and a function's
    /// mapping may give up earlier: the sweep of any relay finds what was left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use fanfare::{Clock, Outgoing, fault::Life, port::{BoxFuture, Publish, PublishError}};
    /// # use fanfare_local::Dynamo;
    /// # use fanfare_store::{Store, StreamRecord};
    /// # use tokio::time::Instant;
    /// # struct Topics;
    /// # impl Publish for Topics {
    /// #     fn publish(&self, all: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
    /// #         Box::pin(async move { all.iter().map(|_| Ok(())).collect() })
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let client = Dynamo::memory(Clock::system())?.client(&Life::default());
    /// # let batch: Vec<StreamRecord> = Vec::new();
    /// let relay = Store::new(client, "shop").relay(Topics);
    /// let results = relay.stream(&batch, Instant::now() + Duration::from_secs(20)).await;
    /// let checkpoint = results.iter().position(Result::is_err);
    /// # assert_eq!(checkpoint, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Make this relay from a store of its own: what is committed through the store of a relay is left to that
    /// relay's [`run`](Self::run) for five seconds.
    ///
    /// Dropping the future is as dropping that of [`run`](Self::run).
    pub async fn stream(&self, records: &[StreamRecord], deadline: Instant) -> Vec<Result<(), StreamError>> {
        let context = self.context();
        let relayed = Box::pin(stream::relay(&context, &*self.publish, records, deadline));
        let measured = Box::pin(self.measure_again(deadline));
        futures_util::future::join(relayed, measured).await.0
    }

    /// Publishes again everything that is still marked as published, and says how many events that
    /// were: those of a key in their order, others in any order. For an application whose queues are in
    /// its process and whose tables are not, at its start and before [`run`](Self::run): the queues are
    /// empty, and consumers drop what they had handled. It reads the whole table, page by page.
    ///
    /// An event that its destination refuses now is logged and left out. When the future is dropped,
    /// some were published; calling it again publishes all.
    ///
    /// # Errors
    /// When an event can't be published in several tries, or the table not be read.
    pub async fn republish(&self) -> Result<u64, RelayError> {
        let context = self.context();
        Box::pin(republish::republish(&context, &*self.publish)).await
    }

    /// The parked events: those that their destination refuses for good, and records that can't be
    /// read. As far as the index shows, which lags behind by some milliseconds.
    ///
    /// # Errors
    /// When the table can't be read.
    pub async fn parked(&self) -> Result<Vec<Parked>, RelayError> {
        park::parked(self.table()).await
    }

    /// Puts a parked event back, as if it had never been tried: the next sweep of any relay takes it
    /// up. Says whether it was still parked.
    ///
    /// # Errors
    /// When the table can't be read or written; the event may be unparked all the same.
    pub async fn unpark(&self, parked: &Parked) -> Result<bool, RelayError> {
        park::unpark(&self.context(), parked).await
    }

    /// Where it takes the time from: the store's clock.
    pub fn clock(&self) -> &Clock {
        &self.store.clock
    }

    /// How much is pending and parked, and since when: [`Store::outbox_status`].
    ///
    /// # Errors
    /// When the table can't be read.
    pub async fn status(&self) -> Result<Status, RelayError> {
        let status = status::status(self.table()).await?;
        status.record();
        Ok(status)
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    fn table(&self) -> Table<'_> {
        Table(&self.store)
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.store, self.settings, &self.progress)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("table", &self.store.table)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

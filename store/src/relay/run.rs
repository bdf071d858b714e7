//! The relay at work: what it was woken for and what its sweep finds, under way side by side.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare::Backoff;
use fanfare::port::{BoxFuture, Publish};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::batches::Batches;
use super::sweep::{self, Found};
use super::table::Table;
use super::{RelayError, Settings};
use super::{ordered, unordered};
use crate::record::outbox::OutboxRecord;
use crate::record::{Key, Millis, head};
use crate::store::Shared;
use crate::wake::Fresh;

/// Records under way at a time that the relay was woken for. Each source has room of its own, so that
/// neither a flood of commits nor a backlog holds up the other.
const WOKEN: usize = 512;
/// Records that the sweep found: no more are taken while there are so many.
const SWEPT: usize = 128;

/// How often a write that fails is tried again before its record is left to the sweep.
/// With its pauses that is about 20 s: what can't be written down is published again then.
pub(super) const CONFIRM_TRIES: u32 = 16;
/// The pauses between: random, up to these bounds.
pub(super) const CONFIRM_PAUSES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(5));
/// How often a write is made anew because others changed the record, before it is left to the sweep.
pub(super) const DIFFERS_TRIES: u32 = 32;

/// The longest reason that is kept with an event, in bytes.
const REASON: usize = 500;
/// All reasons of a record together: it is to stay below DynamoDB's 400 KB for an item.
const REASONS: usize = 20_000;

/// What everything under way shares.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) store: &'a Shared,
    pub(super) settings: Settings,
    pub(super) batches: Batches,
    /// Counts records that went, for those who wait for it.
    pub(super) progress: &'a AtomicU64,
    stopping: AtomicBool,
    under_way: Arc<Mutex<BTreeSet<String>>>,
}

/// That a record is being read or published by this relay: while one is held, nothing else here takes
/// the same record up.
#[derive(Debug)]
pub(super) struct Claim {
    pk: String,
    under_way: Arc<Mutex<BTreeSet<String>>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(store: &'a Shared, settings: Settings, progress: &'a AtomicU64) -> Self {
        Self {
            store,
            settings,
            batches: Batches::default(),
            progress,
            stopping: AtomicBool::new(false),
            under_way: Arc::default(),
        }
    }

    pub(super) fn table(&self) -> Table<'a> {
        Table(self.store)
    }

    pub(super) fn now(&self) -> Millis {
        Millis::now(&self.store.clock)
    }

    /// Whether nothing new is to be begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on nothing new is begun.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Claims the record with this partition key, unless it is claimed.
    pub(super) fn claim(&self, pk: &str) -> Option<Claim> {
        let mut under_way = lock(&self.under_way);
        under_way.insert(pk.to_owned()).then(|| Claim {
            pk: pk.to_owned(),
            under_way: Arc::clone(&self.under_way),
        })
    }

    /// A reason, cut to what a record with so many events has room for.
    pub(super) fn short(&self, reason: &str, events: usize) -> String {
        let room = (REASONS / events.max(1)).min(REASON);
        reason[..reason.floor_char_boundary(room)].to_owned()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.pk);
    }
}

fn lock(under_way: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a call on the table again while it fails, as often as a write that confirms.
pub(super) async fn persist<T, F>(mut call: impl FnMut() -> F) -> Result<T, RelayError>
where
    F: Future<Output = Result<T, RelayError>>,
{
    let mut failures = 0;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                failures += 1;
                if failures == CONFIRM_TRIES {
                    return Err(error);
                }
                tokio::time::sleep(CONFIRM_PAUSES.delay(failures)).await;
            }
        }
    }
}

/// Works until `shutdown` resolves, and then until what it was told of and what is under way has ended,
/// but no longer than the settings allow.
pub(super) async fn run(
    context: &Context<'_>,
    publish: &dyn Publish,
    wake: &mut mpsc::Receiver<Fresh>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let (finder, mut found) = mpsc::channel(1);
    let mut sweep = pin!(sweep::sweep(context, finder));
    let mut batches = pin!(context.batches.drive(publish, context.settings.publish_within));
    let mut tasks = Tasks::new(context);
    let mut fresh = Vec::with_capacity(WOKEN);
    let mut awake = true;
    loop {
        let room = WOKEN.saturating_sub(tasks.running.len() - tasks.swept);
        // What runs comes before what is new, and the batches come last, so that all events put in by
        // then share them.
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = tasks.running.next() => tasks.ended(ended),
            count = wake.recv_many(&mut fresh, room), if awake && room > 0 => {
                awake = count > 0;
                for fresh in fresh.drain(..) {
                    tasks.woken(fresh);
                }
            }
            Some(found) = found.recv(), if tasks.swept < SWEPT => {
                for (claim, found) in found {
                    tasks.begin(claim, found, Source::Sweep);
                }
            }
            never = &mut sweep => match never {},
            never = &mut batches => match never {},
        }
    }
    // What was committed just before: the commits of hosts that have ended. Of an ordered key it would
    // be a run of its own, and is left to the sweep.
    while let Ok(fresh) = wake.try_recv() {
        if let Fresh::Unordered(_) = fresh {
            tasks.woken(fresh);
        }
    }
    context.stop();
    let finish = async {
        while !tasks.running.is_empty() {
            tokio::select! {
                biased;
                Some(_) = tasks.running.next() => {}
                never = &mut batches => match never {},
            }
        }
    };
    if tokio::time::timeout(context.settings.finish_within, finish)
        .await
        .is_err()
    {
        let left = tasks.running.len();
        tracing::warn!(
            left,
            "stopped before all was published: the next sweep takes it up"
        );
    }
}

/// What a record came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Wake,
    Sweep,
}

/// The records under way, each once.
struct Tasks<'a> {
    context: &'a Context<'a>,
    running: FuturesUnordered<BoxFuture<'a, (String, Source)>>,
    /// How many of them the sweep found.
    swept: usize,
    /// Keys that something was appended to while they were under way.
    again: BTreeSet<String>,
}

impl<'a> Tasks<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            running: FuturesUnordered::new(),
            swept: 0,
            again: BTreeSet::new(),
        }
    }

    fn woken(&mut self, fresh: Fresh) {
        match fresh {
            // When the relay is behind, another one may be at it, or the sweep of this one.
            Fresh::Unordered(record) if is_due(&record, self.context.now()) => {}
            Fresh::Unordered(record) => {
                if let Some(claim) = self.context.claim(&record.key().pk) {
                    self.begin(claim, Found::Unordered(record), Source::Wake);
                }
            }
            Fresh::Ordered(key) => self.appended(key),
        }
    }

    fn appended(&mut self, key: Key) {
        let Some(claim) = self.context.claim(&key.pk) else {
            self.again.insert(key.pk);
            return;
        };
        let context = self.context;
        self.running.push(Box::pin(async move {
            ordered::relay(context, &key).await;
            drop(claim);
            (key.pk, Source::Wake)
        }));
    }

    fn begin(&mut self, claim: Claim, found: Found, source: Source) {
        let context = self.context;
        self.swept += usize::from(source == Source::Sweep);
        self.running.push(Box::pin(async move {
            let pk = claim.pk.clone();
            match found {
                Found::Unordered(record) => drop(unordered::relay(context, record).await),
                Found::Ordered(head) => drop(ordered::relay_head(context, head).await),
            }
            drop(claim);
            (pk, source)
        }));
    }

    fn ended(&mut self, (pk, source): (String, Source)) {
        self.swept -= usize::from(source == Source::Sweep);
        if self.again.remove(&pk) {
            self.appended(Key::new(pk, head::SORT));
        }
    }
}

fn is_due(record: &OutboxRecord, now: Millis) -> bool {
    record.index.as_ref().is_some_and(|index| index.due <= now)
}

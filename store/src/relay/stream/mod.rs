//! Publishing what the stream of the table tells of, a batch of its records at a time.

mod error;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fanfare::port::{BoxFuture, Publish};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use tokio::time::Instant;

use super::park::park_unreadable;
use super::run::Context;
use super::table::BATCH_GET;
use super::{RelayError, ordered, unordered};
use crate::record::head::Head;
use crate::record::outbox::{EventState, OutboxRecord};
use crate::record::{Item, Key, Millis, RecordError};

use self::record::Told;

pub use self::error::StreamError;
pub use self::record::{STREAM_FILTER, StreamChange, StreamRecord};

/// Outbox records and keys under way at a time.
const UNDER_WAY: usize = 256;
/// Reads of up to a hundred of them at a time.
const READS: usize = 2;

/// Of the time to the deadline, this part is kept for ending what was begun, up to [`ENDING`].
const ENDING_PART: u32 = 4;
const ENDING: Duration = Duration::from_secs(2);

/// A record that isn't this relay's now is looked at again after such a pause, doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What became of each record of the stream, in their order.
pub(super) type Results = Vec<Result<(), StreamError>>;

/// One outbox record, or one key, and the stream's records that told of it.
#[derive(Debug)]
struct Job {
    key: Key,
    kind: Kind,
    /// Which of the stream's records, each with the number up to which it needs the key's events
    /// published: all of them, where none is given.
    told: Vec<(usize, Option<u64>)>,
    /// How often it was looked at.
    looks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unordered,
    Ordered,
}

/// How a job stands.
#[derive(Debug)]
enum Stand {
    /// What every record of the stream told of is published, or parked.
    Done,
    /// Of a key, everything before this number is; the rest isn't.
    Before(u64, StreamError),
    /// It isn't.
    Failed(StreamError),
    /// It is another relay's turn until then: that one was told by its own process, or it was tried
    /// and failed.
    NotYet(Millis),
}

/// Publishes what these records tell of. What isn't done at the deadline is dropped, and failed.
pub(super) async fn relay(
    context: &Context<'_>,
    publish: &dyn Publish,
    records: &[StreamRecord],
    deadline: Instant,
) -> Results {
    let mut results = vec![Ok(()); records.len()];
    let jobs = jobs(records);
    // Every record that tells of something has failed until it is known to be done.
    for (record, _) in jobs.iter().flat_map(|job| &job.told) {
        results[*record] = Err(StreamError::OutOfTime);
    }
    if jobs.is_empty() {
        return results;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let stop = deadline - (left / ENDING_PART).min(ENDING);
    let work = async {
        tokio::select! {
            biased;
            () = work(context, jobs, stop, &mut results) => {}
            never = context.batches.drive(publish, context.settings.publish_within) => match never {},
        }
    };
    // What is dropped here may have been published: it is shown again, and read again before it is
    // published again.
    if tokio::time::timeout_at(deadline, Box::pin(work)).await.is_err() {
        tracing::warn!("the deadline came before all of the stream's batch was done: it is shown again");
    }
    results
}

/// What is to be looked at, each once, in the order in which the batch first tells of it.
fn jobs(records: &[StreamRecord]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut known = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        let (key, kind, sequence) = match record.told() {
            Some(Told::Unordered(key)) => (key, Kind::Unordered, None),
            Some(Told::Ordered(key, sequence)) => (key, Kind::Ordered, sequence),
            None => continue,
        };
        let job = *known.entry(key.clone()).or_insert_with(|| {
            jobs.push(Job {
                key,
                kind,
                told: Vec::new(),
                looks: 0,
            });
            jobs.len() - 1
        });
        jobs[job].told.push((index, sequence));
    }
    jobs
}

/// Looks at all of them, and again at those that were not this relay's, until none is left or nothing
/// new may be begun.
async fn work(context: &Context<'_>, jobs: Vec<Job>, stop: Instant, results: &mut Results) {
    let mut stopped = std::pin::pin!(tokio::time::sleep_until(stop));
    let mut open = jobs;
    while !open.is_empty() {
        let mut again = Vec::new();
        let mut next: Option<Millis> = None;
        let mut reads = stream::iter(chunks(open))
            .map(|jobs| read(context, jobs))
            .buffered(READS);
        let mut running: FuturesUnordered<BoxFuture<'_, (Job, Stand)>> = FuturesUnordered::new();
        let mut reading = true;
        while reading || !running.is_empty() {
            tokio::select! {
                biased;
                Some((mut job, stand)) = running.next() => match stand {
                    Stand::NotYet(due) => {
                        let at = due.min(context.now().plus(pause(job.looks)));
                        next = Some(next.map_or(at, |next| next.min(at)));
                        job.looks += 1;
                        again.push(job);
                    }
                    stand => settle(&job, stand, results),
                },
                () = &mut stopped, if !context.is_stopping() => context.stop(),
                jobs = reads.next(), if reading && running.len() < UNDER_WAY => match jobs {
                    Some(Ok(jobs)) if !context.is_stopping() => {
                        for (job, item) in jobs {
                            running.push(Box::pin(look(context, job, item)));
                        }
                    }
                    Some(Err((jobs, error))) => {
                        let error = Arc::new(error);
                        for job in jobs {
                            settle(&job, Stand::Failed(Arc::clone(&error).into()), results);
                        }
                    }
                    Some(Ok(_)) | None => reading = false,
                },
            }
        }
        drop(reads);
        open = again;
        if let Some(next) = next {
            tokio::select! {
                biased;
                () = &mut stopped, if !context.is_stopping() => context.stop(),
                () = tokio::time::sleep(next.since(context.now())) => {}
            }
        }
        if context.is_stopping() {
            return;
        }
    }
}

fn chunks(mut jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut chunks = Vec::new();
    while !jobs.is_empty() {
        let rest = jobs.split_off(jobs.len().min(BATCH_GET));
        chunks.push(std::mem::replace(&mut jobs, rest));
    }
    chunks
}

fn pause(looks: u32) -> Duration {
    (FIRST_LOOK * 2_u32.saturating_pow(looks.min(16))).min(LAST_LOOK)
}

/// Reads their records as they are now: a sweep, another relay or an earlier try of the same batch may
/// have been there since the stream's record was written.
async fn read(
    context: &Context<'_>,
    jobs: Vec<Job>,
) -> Result<Vec<(Job, Option<Item>)>, (Vec<Job>, RelayError)> {
    let keys: Vec<_> = jobs.iter().map(|job| job.key.clone()).collect();
    let items = match context.table().get_all(&keys).await {
        Ok(items) => items,
        Err(error) => return Err((jobs, error)),
    };
    let mut items: BTreeMap<_, _> = items
        .into_iter()
        .filter_map(|item| Some((Key::of(&item).ok()?, item)))
        .collect();
    Ok(jobs
        .into_iter()
        .map(|job| {
            let item = items.remove(&job.key);
            (job, item)
        })
        .collect())
}

/// Publishes what is pending in a record that was just read, if it is this relay's turn.
async fn look(context: &Context<'_>, job: Job, item: Option<Item>) -> (Job, Stand) {
    let Some(item) = item else {
        return (job, Stand::Done);
    };
    let stand = match job.kind {
        Kind::Unordered => match OutboxRecord::read(&item) {
            Ok(record) => unordered(context, record).await,
            Err(error) => park(context, &item, &error).await,
        },
        Kind::Ordered => match Head::read(&item) {
            Ok(head) => ordered(context, &job, head).await,
            Err(error) => park(context, &item, &error).await,
        },
    };
    (job, stand)
}

async fn unordered(context: &Context<'_>, record: OutboxRecord) -> Stand {
    if failure(&record).is_none() {
        return Stand::Done;
    }
    match &record.index {
        Some(index) if index.due > context.now() => return Stand::NotYet(index.due),
        _ => {}
    }
    match unordered::relay(context, record).await {
        Some(left) => failure(&left).map_or(Stand::Done, Stand::Failed),
        None => Stand::Failed(StreamError::Uncertain),
    }
}

/// That something is still pending in it. A parked event is not: it would block its shard until
/// somebody unparks it.
fn failure(record: &OutboxRecord) -> Option<StreamError> {
    let mut events = record.events.iter();
    let pending = events.find(|event| event.state == EventState::Pending)?;
    Some(not_published(pending.reason.as_ref()))
}

async fn ordered(context: &Context<'_>, job: &Job, head: Head) -> Stand {
    let told = job.told.iter().map(|(_, sequence)| sequence.unwrap_or(u64::MAX));
    let last = told.max().unwrap_or(u64::MAX);
    if is_done(&head, last) {
        return Stand::Done;
    }
    match &head.index {
        Some(index) if index.due > context.now() => return Stand::NotYet(index.due),
        _ => {}
    }
    match ordered::relay_head(context, head).await {
        Some(left) if is_done(&left, last) => Stand::Done,
        Some(left) => Stand::Before(left.sequence_of(0), not_published(left.reason.as_ref())),
        None => Stand::Failed(StreamError::Uncertain),
    }
}

/// Whether nothing up to this number is left to be published. What was appended since has a record of
/// its own in the stream.
fn is_done(head: &Head, last: u64) -> bool {
    head.pending.is_empty() || ordered::is_parked(head) || head.sequence_of(0) > last
}

async fn park(context: &Context<'_>, item: &Item, error: &RecordError) -> Stand {
    match park_unreadable(context, item, error).await {
        Ok(()) => Stand::Done,
        Err(error) => Stand::Failed(Arc::new(error).into()),
    }
}

fn not_published(reason: Option<&String>) -> StreamError {
    match reason {
        Some(reason) => StreamError::NotPublished {
            reason: reason.clone(),
        },
        None => StreamError::OutOfTime,
    }
}

fn settle(job: &Job, stand: Stand, results: &mut Results) {
    for (record, sequence) in &job.told {
        results[*record] = match &stand {
            Stand::Done => Ok(()),
            Stand::Before(first, error) => match sequence {
                Some(sequence) if sequence < first => Ok(()),
                _ => Err(error.clone()),
            },
            Stand::Failed(error) => Err(error.clone()),
            Stand::NotYet(_) => Err(StreamError::OutOfTime),
        };
    }
}

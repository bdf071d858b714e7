//! One shard of a stream, from reading it to the end of each of its batches.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use dynoxide::actions::get_records::Record;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::stream::{StreamMapping, arn, order};
use super::{EVENT_BYTES, MappingError, reply};
use crate::digest::Digest;
use crate::dynamo::{Position, Stream};
use crate::messaging::REGION;

/// Records of the whole stream that are read at a time.
const READ: usize = 500;

/// A shard: the items whose digest falls to it.
pub(super) struct Shard<'a> {
    mapping: &'a StreamMapping,
    stream: &'a Stream,
    number: usize,
    position: Option<Position>,
    waiting: VecDeque<Shown>,
    stopped: watch::Receiver<bool>,
    pages: u64,
    /// Failures since something was last done.
    failures: u32,
}

/// A record as the function sees it.
#[derive(Clone, Debug)]
struct Shown {
    sequence: String,
    json: Value,
    bytes: usize,
    /// When it was written, in epoch seconds.
    created: f64,
}

/// Records that are tried together, and how often they were.
struct Batch {
    records: Vec<Shown>,
    attempts: u32,
}

impl<'a> Shard<'a> {
    pub(super) fn new(
        mapping: &'a StreamMapping,
        stream: &'a Stream,
        number: usize,
        position: Option<Position>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            mapping,
            stream,
            number,
            position,
            waiting: VecDeque::new(),
            stopped,
            pages: 0,
            failures: 0,
        }
    }

    /// Reads and invokes until it is stopped.
    pub(super) async fn run<I, F>(mut self, invoke: &I) -> Result<(), MappingError>
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        while self.gather().await? {
            let records = self.take();
            self.deliver(records, invoke).await;
        }
        Ok(())
    }

    /// Reads until a batch is full or its window over. Says whether to go on.
    async fn gather(&mut self) -> Result<bool, MappingError> {
        let settings = self.mapping.settings;
        let mut begun = None;
        loop {
            if self.is_stopped() {
                return Ok(false);
            }
            let read_all = match self.waiting.len() < settings.batch {
                true => self.read()?,
                false => false,
            };
            if self.waiting.len() >= settings.batch {
                return Ok(true);
            }
            if !read_all {
                // Other tasks' turn: a read takes no time on tokio's clock.
                tokio::task::yield_now().await;
                continue;
            }
            let begun = match self.waiting.is_empty() {
                true => None,
                false => Some(*begun.get_or_insert_with(Instant::now)),
            };
            let left = begun.map(|begun| settings.window.saturating_sub(begun.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(true);
            }
            self.pause(left.map_or(settings.poll, |left| left.min(settings.poll)))
                .await;
        }
    }

    /// Reads a page, and says whether it was the last for now.
    fn read(&mut self) -> Result<bool, MappingError> {
        let mapping = self.mapping;
        let page = mapping
            .dynamo
            .stream_records(self.stream, self.position.take(), READ)
            .map_err(|error| mapping.failed(error))?;
        self.position = page.position;
        if page.forgotten {
            tracing::error!(
                table = self.stream.table,
                "the stream was not read fast enough: records may have been forgotten unread"
            );
        }
        let read_all = page.records.len() < READ;
        let (mut items, mut records) = (Vec::new(), Vec::new());
        for record in page.records {
            let item = item(&record);
            if item % mapping.settings.shards as u128 == self.number as u128 {
                items.push(item);
                records.push(record);
            }
        }
        if let Some(seed) = mapping.settings.seed {
            let random = fastrand::Rng::with_seed(seed_of(seed, self.number, self.pages));
            records = shuffle(records, order(&items, random));
        }
        self.pages += 1;
        let arn = arn(self.stream);
        self.waiting
            .extend(records.into_iter().map(|record| Shown::new(record, &arn)));
        Ok(read_all)
    }

    /// The next batch, of up to 6 MB.
    fn take(&mut self) -> Vec<Shown> {
        let mut bytes = r#"{"Records":[]}"#.len();
        let mut batch = Vec::new();
        while let Some(next) = self.waiting.front() {
            bytes += next.bytes + 1;
            let full = batch.len() >= self.mapping.settings.batch || bytes > EVENT_BYTES;
            if full && !batch.is_empty() {
                break;
            }
            batch.extend(self.waiting.pop_front());
        }
        batch
    }

    /// Invokes with these records until all are done or given up, in their order.
    async fn deliver<I, F>(&mut self, records: Vec<Shown>, invoke: &I)
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        let settings = self.mapping.settings;
        // The next one is the last.
        let mut batches = vec![Batch { records, attempts: 0 }];
        while let Some(mut batch) = batches.pop() {
            self.discard_old(&mut batch.records);
            if self.is_stopped() {
                return;
            }
            if batch.records.is_empty() {
                continue;
            }
            batch.attempts += 1;
            let done = match self.invoke(&batch.records, invoke).await {
                Ok(None) => {
                    self.failures = 0;
                    continue;
                }
                Ok(Some(done)) => done,
                Err(reason) => {
                    let records = batch.records.len();
                    let (table, shard) = (&self.stream.table, self.number);
                    tracing::warn!(table, shard, records, reason, "a whole batch failed");
                    0
                }
            };
            if done > 0 {
                // Something new is the first that fails.
                self.failures = 0;
                batch.records.drain(..done);
                batch.attempts = 1;
            } else if settings.bisect && batch.records.len() > 1 {
                let second = batch.records.split_off(batch.records.len().div_ceil(2));
                batch.attempts -= 1;
                batches.push(Batch {
                    records: second,
                    attempts: batch.attempts,
                });
            } else if settings.attempts.is_some_and(|most| batch.attempts >= most) {
                self.discard(std::mem::take(&mut batch.records));
            }
            batches.push(batch);
            self.failures += 1;
            self.pause(settings.backoff.delay(self.failures)).await;
        }
    }

    /// One invocation: how many of the records are done before the first that isn't, if one isn't.
    async fn invoke<I, F>(&self, records: &[Shown], invoke: &I) -> Result<Option<usize>, String>
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        let within = self.mapping.settings.timeout;
        let shown: Vec<_> = records.iter().map(|record| &record.json).collect();
        let answer = timeout(within, invoke(json!({ "Records": shown }))).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {within:?}")))?;
        let failed: BTreeSet<_> = reply::failures(&answer)?.into_iter().collect();
        let of = |failed: &&str| records.iter().position(|record| record.sequence == **failed);
        match failed.iter().find(|failed| of(failed).is_none()) {
            Some(unknown) => Err(format!("the batch has no record `{unknown}`")),
            None => Ok(failed.iter().filter_map(of).min()),
        }
    }

    fn discard_old(&mut self, records: &mut Vec<Shown>) {
        let now = Duration::from_millis(self.mapping.dynamo.clock().millis()).as_secs_f64();
        let most = self.mapping.settings.maximum_age.as_secs_f64();
        let (old, young) = std::mem::take(records)
            .into_iter()
            .partition(|record| now - record.created > most);
        *records = young;
        self.discard(old);
    }

    /// Gives records up.
    fn discard(&self, records: Vec<Shown>) {
        if records.is_empty() {
            return;
        }
        let (table, shard, count) = (&self.stream.table, self.number, records.len());
        tracing::error!(table, shard, count, "records of the stream were given up");
        if let Some(discarded) = &self.mapping.discarded {
            let records: Vec<_> = records.into_iter().map(|record| record.json).collect();
            discarded(&records);
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits, unless it is stopped.
    async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            biased;
            // The mapping that holds the sender polls this.
            _ = self.stopped.wait_for(|stopped| *stopped) => {}
            () = sleep(pause) => {}
        }
    }
}

impl Shown {
    fn new(record: Record, arn: &str) -> Self {
        let sequence = record.dynamodb.sequence_number.clone();
        let created = record.dynamodb.approximate_creation_date_time;
        let mut json = json!(record);
        json["awsRegion"] = REGION.into();
        json["eventSourceARN"] = arn.into();
        // Whole seconds, without a fraction.
        json["dynamodb"]["ApproximateCreationDateTime"] = (created as u64).into();
        Self {
            bytes: json.to_string().len(),
            sequence,
            json,
            created,
        }
    }
}

/// The item that a record is of.
fn item(record: &Record) -> u128 {
    let keys = json!(record.dynamodb.keys).to_string();
    serde_json::from_str::<Digest>(&keys).map_or(0, u128::from)
}

fn seed_of(seed: u64, shard: usize, page: u64) -> u64 {
    u128::from(Digest::of((seed, shard, page))) as u64
}

/// The records in this order, with sequence numbers that grow as before.
fn shuffle(records: Vec<Record>, order: Vec<usize>) -> Vec<Record> {
    let numbers: Vec<_> = records
        .iter()
        .map(|record| record.dynamodb.sequence_number.clone())
        .collect();
    let mut records: Vec<_> = records.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|record| records[record].take())
        .zip(numbers)
        .map(|(mut record, number)| {
            record.dynamodb.sequence_number = number;
            record
        })
        .collect()
}

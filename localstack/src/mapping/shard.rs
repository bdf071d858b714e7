//! One shard of a stream, from what falls to it to the end of each of its batches.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::reader::Shown;
use super::stream::StreamMapping;
use super::{EVENT_BYTES, reply};

/// A shard: the items whose digest falls to it.
pub(super) struct Shard<'a> {
    mapping: &'a StreamMapping,
    table: &'a str,
    number: usize,
    shown: mpsc::Receiver<Shown>,
    waiting: VecDeque<Shown>,
    stopped: watch::Receiver<bool>,
    /// Failures since something was last done.
    failures: u32,
}

/// Records that are tried together, and how often they were.
struct Batch {
    records: Vec<Shown>,
    attempts: u32,
}

impl<'a> Shard<'a> {
    /// A shard of a table's stream, to which the reader sends what falls to it.
    pub(super) fn new(
        mapping: &'a StreamMapping,
        table: &'a str,
        number: usize,
        shown: mpsc::Receiver<Shown>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            mapping,
            table,
            number,
            shown,
            waiting: VecDeque::new(),
            stopped,
            failures: 0,
        }
    }

    /// Invokes until it is stopped.
    pub(super) async fn run<I, F>(mut self, invoke: &I)
    where
        I: Fn(Value) -> F,
        F: Future<Output = Result<Value, String>>,
    {
        while self.gather().await {
            let records = self.take();
            self.deliver(records, invoke).await;
        }
    }

    /// Waits until a batch is full or its window over. Says whether to go on.
    async fn gather(&mut self) -> bool {
        let settings = self.mapping.settings;
        // When the window ends that the first record opens.
        let mut over = None;
        loop {
            if self.is_stopped() {
                return false;
            }
            while self.waiting.len() < settings.batch
                && let Ok(shown) = self.shown.try_recv()
            {
                self.waiting.push_back(shown);
            }
            if self.waiting.len() >= settings.batch {
                return true;
            }
            if !self.waiting.is_empty() {
                let now = Instant::now();
                if *over.get_or_insert(now + settings.window) <= now {
                    return true;
                }
            }
            tokio::select! {
                biased;
                _ = self.stopped.wait_for(|stopped| *stopped) => {}
                () = until(over) => {}
                shown = self.shown.recv() => match shown {
                    Some(shown) => self.waiting.push_back(shown),
                    // The reader has failed, and says why.
                    None => return false,
                },
            }
        }
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
                    let (table, shard) = (self.table, self.number);
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
        let (table, shard, count) = (self.table, self.number, records.len());
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

/// Resolves at this time, if there is one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

//! Reading a stream, and dealing its records out to the shards.

use std::collections::BTreeMap;
use std::convert::Infallible;

use dynoxide::actions::get_records::Record;
use fanfare::memory::FilterPolicy;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::sleep;

use super::MappingError;
use super::stream::StreamMapping;
use crate::digest::Digest;
use crate::dynamo::{Position, Stream};
use crate::messaging::{ACCOUNT, REGION};

/// Records that are read at a time.
const READ: usize = 500;

/// How many records of a shard wait in memory. When there are more, none of the stream is read.
pub(super) const WAITING: usize = 100_000;

/// Reads a stream for all of its shards.
pub(super) struct Reader<'a> {
    pub(super) mapping: &'a StreamMapping,
    pub(super) filter: &'a FilterPolicy,
    pub(super) stream: &'a Stream,
    pub(super) position: Option<Position>,
    pub(super) shards: Vec<mpsc::Sender<Shown>>,
    /// Draws the order of records of different items, unless they are shown as they were written.
    pub(super) random: Option<fastrand::Rng>,
}

/// A record as the function sees it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) sequence: String,
    pub(super) json: Value,
    pub(super) bytes: usize,
    /// When it was written, in epoch seconds.
    pub(super) created: f64,
}

impl Reader<'_> {
    /// Reads until dropped, which may be at any time, or until it fails.
    pub(super) async fn run(mut self) -> Result<Infallible, MappingError> {
        loop {
            let (dealt, read_all) = self.read()?;
            for (shard, shown) in dealt {
                self.send(shard, shown).await;
            }
            match read_all {
                true => sleep(self.mapping.settings.poll).await,
                // Other tasks' turn: a read takes no time on tokio's clock.
                false => tokio::task::yield_now().await,
            }
        }
    }

    /// Reads a page: each record with its shard, and whether it was the last page for now.
    fn read(&mut self) -> Result<(Vec<(usize, Shown)>, bool), MappingError> {
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
        let mut shards: BTreeMap<usize, (Vec<u128>, Vec<Record>)> = BTreeMap::new();
        for record in page.records {
            let item = item(&record);
            let shard = (item % self.shards.len() as u128) as usize;
            let (items, records) = shards.entry(shard).or_default();
            items.push(item);
            records.push(record);
        }
        let arn = arn(self.stream);
        let mut dealt = Vec::new();
        for (shard, (items, mut records)) in shards {
            if let Some(random) = &mut self.random {
                records = shuffle(records, order(&items, random));
            }
            let shown = records.into_iter().map(|record| Shown::new(record, &arn));
            let shown = shown.filter(|shown| self.filter.matches_json(&shown.json));
            dealt.extend(shown.map(|shown| (shard, shown)));
        }
        Ok((dealt, read_all))
    }

    /// At once where there is room, so that a page comes to its shards as a whole.
    async fn send(&self, shard: usize, shown: Shown) {
        // A shard that has ended takes nothing: the mapping is being stopped.
        if let Err(TrySendError::Full(shown)) = self.shards[shard].try_send(shown) {
            let _ = self.shards[shard].send(shown).await;
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

/// An order in which each item's records keep theirs: which record comes where.
fn order(items: &[u128], random: &mut fastrand::Rng) -> Vec<usize> {
    let mut places: Vec<usize> = (0..items.len()).collect();
    random.shuffle(&mut places);
    // What lies where an item's records have come to lie, is its records in their order.
    let mut of_item: BTreeMap<u128, Vec<usize>> = BTreeMap::new();
    for (record, item) in items.iter().enumerate().rev() {
        of_item.entry(*item).or_default().push(record);
    }
    places
        .into_iter()
        .filter_map(|record| of_item.get_mut(&items[record])?.pop())
        .collect()
}

/// The ARN of a table's stream.
fn arn(stream: &Stream) -> String {
    let Stream { table, label } = stream;
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{label}")
}

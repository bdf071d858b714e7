//! The streams of the tables: kept as the database keeps them, at a cost that doesn't grow.
//!
//! The database writes a stream's records into a table of its SQLite, in the transaction of the write that
//! they tell of, and numbers each by the largest number so far. It has no index for that and looks
//! through all records each time, and it never deletes one. Both can be mended from outside: an index and
//! a trigger belong to the schema.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::shard_id;
use dynoxide::{Database, DynoxideError};
use rusqlite::Connection;

use super::{DynamoError, Shared};

/// How long a stream's records are kept, in seconds: as long as DynamoDB keeps them.
pub(crate) const KEPT_SECONDS: f64 = 86_400.0;

/// How many records of all streams together are kept: some 100 MB at the usual size.
const KEPT: u32 = 100_000;

/// The index that finds the last record and those after a number, and the trigger that forgets what is
/// older than a day, or beyond so many.
fn schema(kept: u32) -> String {
    format!(
        "CREATE INDEX IF NOT EXISTS fanfare_stream_order
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         CREATE TRIGGER IF NOT EXISTS fanfare_stream_kept
             AFTER INSERT ON _stream_records WHEN NEW.id % 64 = 0
         BEGIN
             DELETE FROM _stream_records WHERE id <= NEW.id - {kept};
             DELETE FROM _stream_records WHERE id < (
                 SELECT id FROM _stream_records WHERE created_at > NEW.created_at - {KEPT_SECONDS}
                 ORDER BY id LIMIT 1
             );
         END;"
    )
}

/// An empty database with that schema, in memory, from which those in memory are made: nobody else can
/// reach the connection of one of those.
const TEMPLATE: &str = "file:/fanfare-local-template?vfs=memdb";

/// It lives as long as a connection to it is open.
static OPEN: Mutex<Option<Database>> = Mutex::new(None);

/// Gives a database in memory, which must be empty, the schema.
pub(super) fn prepare(database: &Database) -> Result<(), DynoxideError> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if open.is_none() {
        let template = Database::new(TEMPLATE)?;
        add_schema(TEMPLATE, KEPT)?;
        *open = Some(template);
    }
    database.restore_from(TEMPLATE)
}

/// Gives the database in this file the schema, unless it has it.
pub(super) fn prepare_file(path: &str) -> Result<(), DynoxideError> {
    add_schema(path, KEPT)
}

fn add_schema(path: &str, kept: u32) -> Result<(), DynoxideError> {
    let add = || Connection::open(path)?.execute_batch(&schema(kept));
    add().map_err(|error: rusqlite::Error| {
        DynoxideError::InternalServerError(format!("streams can't be prepared: {error}"))
    })
}

/// A table's stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) table: String,
    /// The last part of its ARN.
    pub(crate) label: String,
}

/// Where reading a stream has come to.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    /// The last record that was read.
    sequence: String,
    /// When that was written, in epoch seconds.
    created: f64,
}

/// Records of a stream, in its order.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    /// Where to go on.
    pub(crate) position: Option<Position>,
    /// Whether records before these may have been forgotten unread.
    pub(crate) forgotten: bool,
}

impl Shared {
    /// The stream of this table, if it has one.
    pub(crate) fn stream(&self, table: &str) -> Result<Option<Stream>, DynamoError> {
        let metadata = self.database.get_table_metadata(table).map_err(failed)?;
        let metadata = metadata.filter(|metadata| metadata.stream_enabled);
        Ok(metadata.map(|metadata| Stream {
            table: table.to_owned(),
            label: metadata.stream_label.unwrap_or_default(),
        }))
    }

    /// Where the stream ends now: only what is written later comes after it.
    pub(crate) fn stream_end(&self, stream: &Stream) -> Result<Option<Position>, DynamoError> {
        let described = self.database.describe_stream(DescribeStreamRequest {
            stream_arn: arn_of(&stream.table),
            ..DescribeStreamRequest::default()
        });
        let shards = described.map_err(failed)?.stream_description.shards;
        let mut ends = shards
            .into_iter()
            .filter_map(|shard| shard.sequence_number_range.ending_sequence_number);
        Ok(ends.next().map(|sequence| Position {
            sequence,
            created: Duration::from_millis(self.clock.millis()).as_secs_f64(),
        }))
    }

    /// Up to `limit` records after this position, or from the oldest on.
    pub(crate) fn stream_records(
        &self,
        stream: &Stream,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page, DynamoError> {
        let shard = shard_id(&stream.table);
        // From the last one on, so that it shows when that has been forgotten.
        let iterator = self.database.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: arn_of(&stream.table),
            shard_id: shard,
            shard_iterator_type: match after {
                Some(_) => "AT_SEQUENCE_NUMBER".to_owned(),
                None => "TRIM_HORIZON".to_owned(),
            },
            sequence_number: after.as_ref().map(|after| after.sequence.clone()),
        });
        let iterator = iterator.map_err(failed)?.shard_iterator;
        let records = self.database.get_records(GetRecordsRequest {
            shard_iterator: iterator.unwrap_or_default(),
            limit: Some(limit.clamp(1, 999) + usize::from(after.is_some())),
        });
        let mut records = records.map_err(failed)?.records;
        let forgotten =
            after
                .as_ref()
                .is_some_and(|after| match records.first().map(|record| &record.dynamodb) {
                    Some(first) if first.sequence_number == after.sequence => {
                        records.remove(0);
                        false
                    }
                    Some(first) => first.approximate_creation_date_time - after.created < KEPT_SECONDS,
                    None => false,
                });
        let last = records.last().map(|record| Position {
            sequence: record.dynamodb.sequence_number.clone(),
            created: record.dynamodb.approximate_creation_date_time,
        });
        Ok(Page {
            records,
            position: last.or(after),
            forgotten,
        })
    }
}

/// As much of an ARN as the database looks at.
fn arn_of(table: &str) -> String {
    format!("table/{table}")
}

fn failed(source: DynoxideError) -> DynamoError {
    DynamoError::Database {
        doing: "reading a stream",
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use dynoxide::storage_backend::ManualClock;
    use serde_json::{Value, json};

    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn request<T: serde::de::DeserializeOwned>(json: Value) -> T {
        serde_json::from_value(json).unwrap()
    }

    /// An empty table with a stream.
    fn table(database: &Database) {
        let table = json!({
            "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        });
        database.create_table(request(table)).unwrap();
    }

    fn put(database: &Database, id: u32) {
        let put = json!({"TableName": "things", "Item": {"id": {"S": id.to_string()}}});
        database.put_item(request(put)).unwrap();
    }

    fn shared(database: Database) -> Shared {
        Shared {
            database,
            clock: fanfare::Clock::system(),
            tokens: Mutex::default(),
            earlier: Mutex::default(),
            calls: Mutex::default(),
            _lock: None,
        }
    }

    fn memory(clock: &Arc<ManualClock>) -> Shared {
        let database = Database::memory_with_clock(Arc::clone(clock) as _).unwrap();
        prepare(&database).unwrap();
        table(&database);
        shared(database)
    }

    /// The ids in the stream.
    fn ids(shared: &Shared) -> Vec<String> {
        let stream = shared.stream("things").unwrap().unwrap();
        let (mut ids, mut position) = (Vec::new(), None);
        loop {
            let page = shared.stream_records(&stream, position, 100).unwrap();
            assert!(!page.forgotten);
            if page.records.is_empty() {
                return ids;
            }
            position = page.position;
            let keys = page.records.iter().map(|record| json!(record.dynamodb.keys));
            ids.extend(keys.map(|keys| keys["id"]["S"].as_str().unwrap().to_owned()));
        }
    }

    fn numbers(numbers: impl Iterator<Item = u32>) -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    }

    #[test]
    fn a_stream_costs_the_same_however_long_it_is() {
        let shared = memory(&Arc::new(ManualClock::new(1_800_000_000)));
        let mut number = 0;
        let mut time = |thousands: u32| {
            let start = Instant::now();
            for _ in 0..thousands * 1_000 {
                put(&shared.database, number);
                number += 1;
            }
            start.elapsed() / thousands
        };
        let early = time(1);
        time(30);
        let late = (0..5).map(|_| time(1)).min().unwrap();
        // Looking through all of them would take tens of times as long.
        assert!(
            late < early * 10,
            "1,000 took {early:?} at first, and {late:?} after 30,000"
        );
        assert_eq!(ids(&shared).len(), 36_000);
    }

    #[test]
    fn so_many_records_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dynamodb.sqlite");
        let database = Database::new(path.to_str().unwrap()).unwrap();
        add_schema(path.to_str().unwrap(), 200).unwrap();
        table(&database);
        let shared = shared(database);
        (0..1_000).for_each(|number| put(&shared.database, number));
        let kept = ids(&shared);
        assert!((200..264).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept.last().unwrap(), "999");
    }

    #[test]
    fn a_record_is_kept_for_a_day() {
        let clock = Arc::new(ManualClock::new(1_800_000_000));
        let shared = memory(&clock);
        (0..10).for_each(|number| put(&shared.database, number));
        clock.tick(Duration::from_secs(DAY - 60));
        // It forgets with every 64th record.
        (10..64).for_each(|number| put(&shared.database, number));
        assert_eq!(ids(&shared), numbers(0..64));
        clock.tick(Duration::from_secs(120));
        (64..128).for_each(|number| put(&shared.database, number));
        assert_eq!(ids(&shared), numbers(10..128));
    }

    #[test]
    fn whoever_reads_too_slowly_is_told() {
        let clock = Arc::new(ManualClock::new(1_800_000_000));
        let shared = memory(&clock);
        let stream = shared.stream("things").unwrap().unwrap();
        (0..2).for_each(|number| put(&shared.database, number));
        let page = shared.stream_records(&stream, None, 1).unwrap();
        let read = page.position;
        clock.tick(Duration::from_secs(DAY - 60));
        (2..64).for_each(|number| put(&shared.database, number));
        clock.tick(Duration::from_secs(120));
        (64..128).for_each(|number| put(&shared.database, number));
        let page = shared.stream_records(&stream, read, 1_000).unwrap();
        assert!(page.forgotten);
        assert_eq!(page.records.len(), 126);
        let page = shared.stream_records(&stream, page.position, 1_000).unwrap();
        assert!(!page.forgotten);
    }

    #[test]
    fn what_comes_after_the_end_is_new() {
        let shared = memory(&Arc::new(ManualClock::new(1_800_000_000)));
        let stream = shared.stream("things").unwrap().unwrap();
        assert!(shared.stream_end(&stream).unwrap().is_none());
        (0..3).for_each(|number| put(&shared.database, number));
        let end = shared.stream_end(&stream).unwrap();
        put(&shared.database, 3);
        let page = shared.stream_records(&stream, end, 10).unwrap();
        assert_eq!(page.records.len(), 1);
        assert!(!page.forgotten);
    }

    #[test]
    fn a_stream_in_a_folder_is_there_again_in_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        for run in 0..2 {
            let dynamo = crate::Dynamo::file(folder.path()).unwrap();
            let shared = dynamo.shared();
            if run == 0 {
                table(&shared.database);
            }
            put(&shared.database, run);
            assert_eq!(ids(shared), numbers(0..run + 1));
        }
        let path = folder.path().join("dynamodb.sqlite");
        let indexes: u32 = Connection::open(path)
            .and_then(|connection| {
                let ours = "SELECT count(*) FROM sqlite_master WHERE name LIKE 'fanfare_stream_%'";
                connection.query_row(ours, [], |row| row.get(0))
            })
            .unwrap();
        assert_eq!(indexes, 2);
    }

    #[test]
    fn the_databases_own_questions_go_by_the_index() {
        let connection = Connection::open(TEMPLATE).unwrap();
        prepare(&Database::memory().unwrap()).unwrap();
        let questions = [
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1",
            "SELECT event_name FROM _stream_records
             WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3
             ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4",
        ];
        for question in questions {
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {question}"))
                .unwrap();
            let values = vec![1; plan.parameter_count()];
            let steps: Vec<String> = plan
                .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(steps[0].contains("INDEX fanfare_stream_order"), "{steps:?}");
            assert_eq!(steps.len(), 1, "and without sorting: {steps:?}");
        }
    }
}

//! A batch while it is gathered.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::EVENT_BYTES;
use super::record::Record;

/// Bytes of an event around its records.
const AROUND: usize = r#"{"Records":[]}"#.len();

/// What is gathered for one invocation, and what had no room in it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<Record>,
    bytes: usize,
    /// When its first message came.
    begun: Option<Instant>,
    /// Received, and cut off.
    left: VecDeque<Record>,
}

impl Batch {
    /// Adds a message, behind those that were cut off already.
    pub(super) fn add(&mut self, record: Record, most: usize) {
        if !self.left.is_empty() || !self.has_room(&record, most) {
            self.left.push_back(record);
            return;
        }
        self.push(record);
    }

    /// Begins with what was cut off from the batch before, unless it has begun.
    pub(super) fn begin(&mut self, most: usize) {
        if !self.is_empty() {
            return;
        }
        while let Some(record) = self.left.pop_front() {
            if !self.has_room(&record, most) {
                self.left.push_front(record);
                return;
            }
            self.push(record);
        }
    }

    fn push(&mut self, record: Record) {
        self.begun.get_or_insert_with(Instant::now);
        self.bytes += record.bytes + 1;
        self.records.push(record);
    }

    /// Any one message has room: its limit is far below that of the event.
    fn has_room(&self, record: &Record, most: usize) -> bool {
        self.records.is_empty()
            || (self.records.len() < most && AROUND + self.bytes + record.bytes <= EVENT_BYTES)
    }

    /// How much of its window is left, once it has begun.
    pub(super) fn left(&self, window: Duration) -> Option<Duration> {
        let begun = self.begun?;
        Some(window.saturating_sub(begun.elapsed()))
    }

    /// Whether nothing more can come to it.
    pub(super) fn is_full(&self, most: usize) -> bool {
        self.records.len() >= most || !self.left.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// What was gathered.
    pub(super) fn take(&mut self) -> Vec<Record> {
        (self.bytes, self.begun) = (0, None);
        std::mem::take(&mut self.records)
    }

    /// What was cut off.
    pub(super) fn take_left(&mut self) -> Vec<Record> {
        self.left.drain(..).collect()
    }
}

/// The event of these records, whose JSON it takes out of them.
pub(super) fn event(records: &mut [Record]) -> Value {
    let records: Vec<_> = records.iter_mut().map(|record| record.json.take()).collect();
    json!({ "Records": records })
}

//! What SNS and SQS take in one call: entries, and how many of them go together.

use std::ops::Range;

use crate::{Attributes, wire_size};

/// How many entries SNS and SQS take in one call.
pub const BATCH_ENTRIES: usize = 10;

/// An entry of a batch as topics and queues take it alike; made by
/// [`Outgoing::batch_entry`](crate::Outgoing::batch_entry).
///
/// ```
/// use fanfare::BatchEntry;
/// let entry = BatchEntry { body: "né".into(), ..BatchEntry::default() };
/// assert_eq!(entry.size(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchEntry {
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: Attributes,
    /// The message group: the order on FIFO, the tenant on standard.
    pub group: Option<String>,
    /// On FIFO: what a second try within 5 minutes is told by.
    pub deduplication_id: Option<String>,
}

impl BatchEntry {
    /// Bytes that count against the destination's limit ([`wire_size`]).
    pub fn size(&self) -> usize {
        wire_size(&self.body, &self.attributes)
    }
}

/// How full a batch is, while it is put together.
///
/// ```
/// let mut fill = fanfare::Fill::default();
/// assert!(fill.take(9_000, 1_000), "alone it may be as large as it is");
/// assert!(!fill.take(1, 1_000));
/// assert_eq!(fill.entries(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    entries: usize,
    bytes: usize,
}

impl Fill {
    /// Takes in an entry of this size, if the batch still has at most [`BATCH_ENTRIES`] entries and
    /// `limit` bytes with it. The first one is taken whatever its size: alone it is the destination's
    /// to refuse, without the others.
    pub fn take(&mut self, size: usize, limit: usize) -> bool {
        let bytes = self.bytes.saturating_add(size);
        let fits = self.entries == 0 || !self.is_full() && bytes <= limit;
        if fits {
            self.entries += 1;
            self.bytes = bytes;
        }
        fits
    }

    /// Whether it has as many entries as a call takes.
    pub fn is_full(&self) -> bool {
        self.entries >= BATCH_ENTRIES
    }

    /// How many entries it has.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Cuts entries of these sizes, in their order, into batches of at most [`BATCH_ENTRIES`] entries
/// and `limit` bytes together. An entry that alone is larger gets a batch of its own, for the
/// destination to refuse it without the others.
///
/// ```
/// let batches: Vec<_> = fanfare::batches([400, 400, 400, 9_000, 1], 1_000).collect();
/// assert_eq!(batches, [0..2, 2..3, 3..4, 4..5]);
/// ```
pub fn batches(sizes: impl IntoIterator<Item = usize>, limit: usize) -> impl Iterator<Item = Range<usize>> {
    let mut sizes = sizes.into_iter().enumerate().peekable();
    std::iter::from_fn(move || {
        let start = sizes.peek()?.0;
        let mut fill = Fill::default();
        while sizes.next_if(|(_, size)| fill.take(*size, limit)).is_some() {}
        Some(start..start + fill.entries())
    })
}

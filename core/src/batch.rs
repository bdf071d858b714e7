//! Cutting a list into the batches that SNS and SQS take.

use std::ops::Range;

/// How many entries SNS and SQS take in one call.
pub const BATCH_ENTRIES: usize = 10;

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
        let (start, mut bytes) = sizes.next()?;
        let mut end = start + 1;
        while let Some((_, next)) =
            sizes.next_if(|(_, next)| end - start < BATCH_ENTRIES && bytes.saturating_add(*next) <= limit)
        {
            bytes += next;
            end += 1;
        }
        Some(start..end)
    })
}

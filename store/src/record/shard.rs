//! The values of the pending index's hash key. A record is pending, parked, or not in the index.

/// The shard of pending records with this number.
pub(crate) fn pending(number: u32) -> String {
    format!("pending#{number}")
}

/// The shard of records that wait for somebody to unpark them.
pub(crate) fn parked(number: u32) -> String {
    format!("parked#{number}")
}

/// Whether a value of the index's hash key is one of parked records.
pub(crate) fn is_parked(shard: &str) -> bool {
    shard.starts_with("parked#")
}

/// A shard's number.
pub(crate) fn number(shard: &str) -> Option<u32> {
    shard.split_once('#')?.1.parse().ok()
}

/// One of this many shards, by chance, so that no partition of the index gathers the writes.
pub(crate) fn random(shards: u32) -> u32 {
    fastrand::u32(0..shards.max(1))
}

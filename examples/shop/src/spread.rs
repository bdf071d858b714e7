//! Which of several items a key goes to, so that no single item takes every write.

/// One of `0..of` for `key`: always the same one, on every machine and in every version (FNV-1a, of
/// 64 bits, folded).
///
/// ```
/// assert_eq!(shop::spread("cdnow-00001", 64), shop::spread("cdnow-00001", 64));
/// assert!(shop::spread("cdnow-00001", 64) < 64);
/// ```
pub fn spread(key: &str, of: u32) -> u32 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let folded = hash ^ (hash >> 32);
    // Smaller than `of`, so it fits.
    (folded % u64::from(of.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn it_never_changes() {
        // These are in tables: another value would look for a shelf or account that isn't there.
        assert_eq!(spread("cdnow-00001", 64), 28);
        assert_eq!(spread("", 64), 1);
    }

    #[test]
    fn running_numbers_spread_evenly() {
        let mut hits = [0; 64];
        for number in 0..6_400 {
            hits[spread(&format!("cdnow-{number:05}"), 64) as usize] += 1;
        }
        assert!(hits.iter().all(|hits| (50..200).contains(hits)), "{hits:?}");
    }
}

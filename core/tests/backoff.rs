//! The waits between tries.

use std::time::Duration;

use fanfare::Backoff;
use proptest::prelude::*;

proptest! {
    #[test]
    fn the_bound_grows_from_the_base_to_the_cap_and_never_overflows(
        base in 0..=u64::MAX, cap in 0..=u64::MAX, attempt in any::<u32>(),
    ) {
        let (base, cap) = (Duration::from_nanos(base), Duration::from_secs(cap));
        let backoff = Backoff::new(base, cap);
        let bound = backoff.bound(attempt);
        prop_assert!(bound <= cap);
        prop_assert!(bound >= base.min(cap));
        prop_assert_eq!(backoff.bound(1), base.min(cap));
        prop_assert!(backoff.bound(attempt.saturating_add(1)) >= bound);
        // Exactly doubled, until the cap.
        if attempt > 0 && attempt < 30 {
            let doubled = bound.saturating_mul(2).min(cap);
            prop_assert_eq!(backoff.bound(attempt + 1), doubled);
        }
        prop_assert!(backoff.delay(attempt) <= bound);
    }

    /// Full jitter: waits spread over all of the time up to the bound.
    #[test]
    fn delays_are_spread_from_zero_to_the_bound_and_repeat_from_a_seed(seed in any::<u64>(), attempt in 1..12_u32) {
        let backoff = Backoff::default();
        let bound = backoff.bound(attempt);
        let draw = || {
            fastrand::seed(seed);
            (0..200).map(|_| backoff.delay(attempt)).collect::<Vec<_>>()
        };
        let delays = draw();
        prop_assert_eq!(&delays, &draw());
        for quarter in 0..4 {
            let (from, to) = (bound / 4 * quarter, bound / 4 * (quarter + 1));
            let hits = delays.iter().filter(|delay| (from..to).contains(*delay)).count();
            // 50 expected; a fair one stays above 15 in all but one of ten billion draws.
            prop_assert!(hits > 15, "{hits} of 200 in quarter {quarter}");
        }
    }
}

//! Lists cut into what SNS and SQS take at once.

use proptest::prelude::*;

proptest! {
    #[test]
    fn batches_keep_order_and_stay_within_both_limits(
        sizes in prop::collection::vec(0..300_usize, 0..60), limit in 0..1000_usize,
    ) {
        let batches: Vec<_> = fanfare::batches(sizes.iter().copied(), limit).collect();
        let mut next = 0;
        for batch in &batches {
            prop_assert_eq!(batch.start, next);
            next = batch.end;
            let bytes: usize = sizes[batch.clone()].iter().sum();
            prop_assert!((1..=fanfare::BATCH_ENTRIES).contains(&batch.len()));
            prop_assert!(bytes <= limit || batch.len() == 1, "{bytes} bytes in {batch:?}");
        }
        prop_assert_eq!(next, sizes.len());
        // None could have taken its successor's first entry.
        for pair in batches.windows(2) {
            let bytes: usize = sizes[pair[0].start..=pair[1].start].iter().sum();
            prop_assert!(pair[0].len() == fanfare::BATCH_ENTRIES || bytes > limit);
        }
    }
}

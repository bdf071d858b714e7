//! What the publisher counts and measures.

use std::time::Duration;

use fanfare::metric::{
    BATCH_ENTRIES, DESTINATION, ERROR_TYPE, OPERATION, OPERATION_DURATION, PUBLISH_RETRIES, SENT, SYSTEM,
};
use metrics::{counter, histogram};

use crate::target::Target;

/// Labels of one destination.
fn labels(target: &Target) -> [(&'static str, String); 3] {
    let (system, operation) = target.kind();
    [
        (DESTINATION, target.name().to_owned()),
        (SYSTEM, system.to_owned()),
        (OPERATION, operation.to_owned()),
    ]
}

fn labels_of_failure(target: &Target, error: &str) -> [(&'static str, String); 4] {
    let [destination, system, operation] = labels(target);
    [destination, system, operation, (ERROR_TYPE, error.to_owned())]
}

/// A call with so many entries has ended.
pub(crate) fn called(target: &Target, entries: usize, took: Duration, error: Option<&str>) {
    #[allow(clippy::cast_precision_loss)] // ten at most
    histogram!(BATCH_ENTRIES, &labels(target)).record(entries as f64);
    match error {
        None => histogram!(OPERATION_DURATION, &labels(target)).record(took),
        Some(error) => {
            histogram!(OPERATION_DURATION, &labels_of_failure(target, error)).record(took);
        }
    }
}

/// A try of one entry has ended.
pub(crate) fn sent(target: &Target, error: Option<&str>) {
    match error {
        None => counter!(SENT, &labels(target)).increment(1),
        Some(error) => counter!(SENT, &labels_of_failure(target, error)).increment(1),
    }
}

/// An entry will be sent once more.
pub(crate) fn again(target: &Target) {
    counter!(PUBLISH_RETRIES, &labels(target)).increment(1);
}

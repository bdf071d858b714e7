//! What the publisher counts and measures.

use std::time::Duration;

use metrics::{counter, histogram};

use crate::target::Target;

/// Entries given to a topic or queue, each try; with `error.type` where it failed.
const SENT: &str = "messaging.client.sent.messages";
/// Seconds of one call.
const OPERATION_DURATION: &str = "messaging.client.operation.duration";
/// Entries in one call.
const BATCH_ENTRIES: &str = "fanfare.batch.entries";
/// Seconds from giving an envelope to the publisher to its result.
const PUBLISH_DURATION: &str = "fanfare.publish.duration";
/// Entries sent once more.
const PUBLISH_RETRIES: &str = "fanfare.publish.retries";
/// Bodies put away because they were too large.
#[cfg(feature = "claim-check")]
const CLAIM_CHECKS: &str = "fanfare.publish.claim_checks";

const DESTINATION: &str = "messaging.destination.name";
const SYSTEM: &str = "messaging.system";
const OPERATION: &str = "messaging.operation.name";
const ERROR_TYPE: &str = "error.type";

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

/// An entry has its result, confirmed or not.
pub(crate) fn ended(target: &Target, took: Duration, error: Option<&str>) {
    match error {
        None => histogram!(PUBLISH_DURATION, &labels(target)).record(took),
        Some(error) => histogram!(PUBLISH_DURATION, &labels_of_failure(target, error)).record(took),
    }
}

/// A body was put away.
#[cfg(feature = "claim-check")]
pub(crate) fn claim_check(target: &Target) {
    counter!(CLAIM_CHECKS, &labels(target)).increment(1);
}

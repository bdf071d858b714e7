//! Whether the bucket keeps bodies as long as a queue may keep a pointer to them.

use std::time::Duration;

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule, TransitionStorageClass};
use fanfare::{BoxError, Topology};

use super::{ClaimCheck, TRANSFER};
use crate::client::bounded;

const DAY: u64 = 24 * 60 * 60;

/// How long a bucket keeps bodies.
///
/// ```
/// use fanfare_publisher::Lifecycle;
/// assert_ne!(Lifecycle::Forever, Lifecycle::Days(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifecycle {
    /// No rule ever deletes them: what they cost grows.
    Forever,
    /// They are deleted after so many days, which is long enough.
    Days(u32),
}

/// Why a bucket is not known to keep bodies long enough.
///
/// ```
/// use fanfare_publisher::LifecycleError;
/// let error = LifecycleError::TooShort { bucket: "bodies".into(), rule: "old".into(), days: 7, needed: 19 };
/// assert!(error.to_string().contains("after 7 days"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// A rule deletes or archives them while a queue may still hold a pointer.
    #[error(
        "the rule `{rule}` takes bodies out of the bucket {bucket} after {days} days, and a queue and its \
         dead-letter queue keep messages for {needed}: make it longer"
    )]
    TooShort {
        /// The bucket.
        bucket: String,
        /// The rule's id.
        rule: String,
        /// After how many days; 0 for one with a date.
        days: u32,
        /// How many are needed.
        needed: u32,
    },
    /// The rules can't be read.
    #[error("the lifecycle of the bucket {bucket} can't be read")]
    Read {
        /// The bucket.
        bucket: String,
        /// Why not.
        #[source]
        source: BoxError,
    },
}

impl ClaimCheck {
    /// Compares the bucket's lifecycle (`GetBucketLifecycleConfiguration`) with how long the application's
    /// queues keep messages: the longest retention of a queue and its dead-letter queue together, and a
    /// day more. For the start of a service, or a deployment. A redrive starts the retention anew: who
    /// redrives late keeps bodies for longer.
    ///
    /// Rules count that are enabled and touch the prefix, by expiring objects or by moving them to where
    /// they can't be read at once. One that picks objects by tags doesn't: bodies have none.
    ///
    /// # Errors
    /// A rule takes them too soon, or the rules can't be read.
    pub async fn check_lifecycle(&self, topology: &Topology) -> Result<Lifecycle, LifecycleError> {
        let bucket = || self.bucket.to_string();
        let call = self.client.get_bucket_lifecycle_configuration();
        let rules = match bounded(TRANSFER, call.bucket(&*self.bucket).send()).await {
            Ok(lifecycle) => lifecycle.rules.unwrap_or_default(),
            Err(failed) if failed.code == "NoSuchLifecycleConfiguration" => Vec::new(),
            Err(failed) => {
                let source = Box::new(failed.into_error("S3"));
                return Err(LifecycleError::Read {
                    bucket: bucket(),
                    source,
                });
            }
        };
        let needed = needed(topology);
        let mut kept = Lifecycle::Forever;
        for rule in rules.iter().filter(|rule| applies(rule, &self.prefix)) {
            let Some(days) = days(rule) else { continue };
            if days < needed {
                let rule = rule.id().unwrap_or("without id").to_owned();
                return Err(LifecycleError::TooShort {
                    bucket: bucket(),
                    rule,
                    days,
                    needed,
                });
            }
            kept = match kept {
                Lifecycle::Days(before) => Lifecycle::Days(before.min(days)),
                Lifecycle::Forever => Lifecycle::Days(days),
            };
        }
        Ok(kept)
    }
}

/// The days that the queue which keeps messages longest does, with its dead letters.
fn needed(topology: &Topology) -> u32 {
    let queues = topology.consumers.iter().map(|consumer| &consumer.queue);
    let longest = queues
        .map(|queue| queue.retention + queue.dead_letter_retention)
        .max();
    let days = longest.unwrap_or(Duration::ZERO).as_secs().div_ceil(DAY) + 1;
    u32::try_from(days).unwrap_or(u32::MAX)
}

fn applies(rule: &LifecycleRule, ours: &str) -> bool {
    let filter = rule.filter();
    let and = filter.and_then(|filter| filter.and());
    let tagged =
        filter.is_some_and(|filter| filter.tag().is_some()) || and.is_some_and(|and| !and.tags().is_empty());
    #[allow(deprecated)] // Old rules have it.
    let prefix = rule.prefix().filter(|prefix| !prefix.is_empty());
    let prefix = prefix
        .or_else(|| filter.and_then(|filter| filter.prefix()))
        .or_else(|| and.and_then(|and| and.prefix()))
        .unwrap_or_default();
    *rule.status() == ExpirationStatus::Enabled
        && !tagged
        && (prefix.starts_with(ours) || ours.starts_with(prefix))
}

/// After how many days an object can't be read any more.
fn days(rule: &LifecycleRule) -> Option<u32> {
    let day = |days: Option<i32>, date: bool| match days {
        Some(days) => Some(u32::try_from(days).unwrap_or_default()),
        // From that date on objects go at once.
        None => date.then_some(0),
    };
    let expires = rule
        .expiration()
        .and_then(|expiration| day(expiration.days(), expiration.date().is_some()));
    let archived = rule.transitions().iter().filter(|transition| {
        matches!(
            transition.storage_class(),
            Some(TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive)
        )
    });
    let archived = archived.filter_map(|transition| day(transition.days(), transition.date().is_some()));
    archived.chain(expires).min()
}

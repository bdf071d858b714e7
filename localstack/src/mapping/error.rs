//! Why a mapping doesn't run.

use fanfare::memory::{BrokerError, FilterPolicyError};

use crate::DynamoError;

/// Why an event-source mapping doesn't run.
///
/// ```
/// use fanfare_local::mapping::MappingError;
/// let error = MappingError::Setting {
///     source_name: "shop-billing".into(),
///     setting: "batch size",
///     value: "100".into(),
///     expected: "1 to 10 without a window of 1 s or more",
/// };
/// assert_eq!(
///     error.to_string(),
///     "the mapping of `shop-billing` can't have the batch size 100: 1 to 10 without a window of 1 s or more"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// A setting that Lambda refuses.
    #[error("the mapping of `{source_name}` can't have the {setting} {value}: {expected}")]
    Setting {
        /// The name of the queue or table.
        source_name: String,
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// The filter's pattern is none.
    #[error("the mapping of `{source_name}` has a filter that is no pattern")]
    Filter {
        /// The name of the table.
        source_name: String,
        /// Why not.
        #[source]
        source: FilterPolicyError,
    },
    /// The queue can't be polled.
    #[error("the queue `{queue}` can't be polled")]
    Queue {
        /// The queue's name.
        queue: String,
        /// Why not.
        #[source]
        source: BrokerError,
    },
    /// The table isn't there or has no stream.
    #[error("the table `{table}` has no stream: make it with one that shows new images")]
    NoStream {
        /// The table's name.
        table: String,
    },
    /// The stream can't be read.
    #[error("the stream of the table `{table}` can't be read")]
    Stream {
        /// The table's name.
        table: String,
        /// Why not.
        #[source]
        source: DynamoError,
    },
}

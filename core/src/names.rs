//! How topics, queues and message groups are called in an account: one place for all of them.

use std::borrow::Cow;

use crate::{derived_id, is_fifo};

const FIFO: &str = ".fifo";

/// The name of an application's topic: `{app}-{topic}`.
///
/// ```
/// assert_eq!(fanfare::topic_name("shop", "orders"), "shop-orders");
/// assert_eq!(fanfare::topic_name("shop", "ledger.fifo"), "shop-ledger.fifo");
/// ```
pub fn topic_name(app: &str, topic: &str) -> String {
    format!("{app}-{topic}")
}

/// The name of a consumer's queue: `{app}-{consumer}`, with AWS's suffix when it is FIFO.
///
/// ```
/// assert_eq!(fanfare::queue_name("shop", "payment", false), "shop-payment");
/// assert_eq!(fanfare::queue_name("shop", "bookkeeping", true), "shop-bookkeeping.fifo");
/// ```
pub fn queue_name(app: &str, consumer: &str, fifo: bool) -> String {
    format!("{app}-{consumer}{}", if fifo { FIFO } else { "" })
}

/// The name of a consumer's Lambda function: `{app}-{consumer}`.
///
/// ```
/// assert_eq!(fanfare::function_name("shop", "payment"), "shop-payment");
/// ```
pub fn function_name(app: &str, consumer: &str) -> String {
    format!("{app}-{consumer}")
}

/// The name of a queue's dead-letter queue: `-dlq` behind it, and the FIFO suffix kept last.
///
/// ```
/// assert_eq!(fanfare::dead_letter_name("shop-payment"), "shop-payment-dlq");
/// assert_eq!(fanfare::dead_letter_name("shop-bookkeeping.fifo"), "shop-bookkeeping-dlq.fifo");
/// ```
pub fn dead_letter_name(queue: &str) -> String {
    beside(queue, "dlq")
}

/// The name of the queue for what a topic couldn't deliver to a queue: `-undelivered` behind it, and the
/// FIFO suffix kept last.
///
/// ```
/// assert_eq!(fanfare::undelivered_name("shop-payment"), "shop-payment-undelivered");
/// assert_eq!(
///     fanfare::undelivered_name("shop-bookkeeping.fifo"),
///     "shop-bookkeeping-undelivered.fifo"
/// );
/// ```
pub fn undelivered_name(queue: &str) -> String {
    beside(queue, "undelivered")
}

fn beside(queue: &str, what: &str) -> String {
    match queue.strip_suffix(FIFO) {
        Some(name) if is_fifo(queue) => format!("{name}-{what}{FIFO}"),
        _ => format!("{queue}-{what}"),
    }
}

/// The message group for an ordering key or a tenant: the key itself where SQS takes it (1 to 128
/// ASCII letters, digits and punctuation marks), else an id derived from it, so that equal keys
/// share a group all the same.
///
/// ```
/// assert_eq!(fanfare::message_group("account-17"), "account-17");
/// assert_eq!(fanfare::message_group("Zoë"), fanfare::message_group("Zoë"));
/// assert!(fanfare::message_group("Zoë").is_ascii());
/// ```
pub fn message_group(key: &str) -> Cow<'_, str> {
    if (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(derived_id(&["message group", key]))
    }
}

//! What SQS and SNS share: the broker, and how often they were called.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use fanfare::memory::Broker;

use crate::{sns, sqs};

/// The account that everything belongs to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The region in every ARN.
pub(crate) const REGION: &str = "us-east-1";

/// Why a call for another region is refused: AWS's words, and how to mend it.
pub(crate) fn elsewhere(region: &str) -> String {
    format!(
        "Credential should be scoped to a valid region, not '{region}'. This is fanfare-local, whose only region is \
         {REGION}: set AWS_REGION={REGION}"
    )
}

/// Queues and topics, and what their APIs know of them beside the broker.
#[derive(Debug)]
pub(crate) struct Messaging {
    pub(crate) broker: Broker,
    pub(crate) queues: Mutex<BTreeMap<String, sqs::Extra>>,
    pub(crate) moves: Mutex<BTreeMap<String, Vec<sqs::Move>>>,
    pub(crate) topics: Mutex<BTreeMap<String, sns::Extra>>,
    pub(crate) scopes: Mutex<BTreeMap<String, fanfare::memory::Scope>>,
    pub(crate) calls: Calls,
}

impl Messaging {
    pub(crate) fn new(broker: Broker) -> Self {
        Self {
            broker,
            queues: Mutex::default(),
            moves: Mutex::default(),
            topics: Mutex::default(),
            scopes: Mutex::default(),
            calls: Calls::default(),
        }
    }

    /// Milliseconds since 1970, on the broker's clock.
    pub(crate) fn millis(&self) -> u64 {
        self.broker.clock().millis()
    }
}

/// What a mutex holds, also after a panic under it: nothing here is left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often each operation was called.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Calls {
    pub(crate) fn count(&self, service: &'static str, operation: &'static str) {
        *lock(&self.0).entry((service, operation)).or_default() += 1;
    }

    /// By names such as `sqs.ReceiveMessage`.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        lock(&self.0)
            .iter()
            .map(|((service, operation), calls)| (format!("{service}.{operation}"), *calls))
            .collect()
    }
}

/// The name at the end of an ARN of this service, such as `arn:aws:sqs:us-east-1:000000000000:orders`:
/// any partition, region and account will do.
pub(crate) fn name_in_arn<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, _partition, of) = (parts.next()?, parts.next()?, parts.next()?);
    let name = parts.nth(2)?;
    (scheme == "arn" && of == service && !name.is_empty()).then_some(name)
}

/// Seconds or milliseconds since 1970 of a time.
pub(crate) fn epoch_millis(time: std::time::SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

#[cfg(test)]
mod tests {
    use super::name_in_arn;

    #[test]
    fn an_arn_has_six_parts_of_which_the_last_is_the_name() {
        let name = |arn| name_in_arn(arn, "sqs");
        assert_eq!(name("arn:aws:sqs:eu-west-1:123456789012:q"), Some("q"));
        assert_eq!(name("arn:aws:sns:us-east-1:000000000000:q"), None);
        assert_eq!(name("arn:aws:sqs:us-east-1:q"), None);
        assert_eq!(name("arn:aws:sqs:us-east-1:000000000000:"), None);
        assert_eq!(name("q"), None);
    }
}

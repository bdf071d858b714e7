//! Ids of events: random for the first of a chain, derived for what follows from one.

use uuid::{Builder, Uuid};

use crate::Clock;

/// The namespace of derived ids (a random UUID, fixed for ever).
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_3c1e_8a55_4f0e_9d0c_27c3_5b1f_94aa);

/// A new UUIDv7 (RFC 9562), from the clock and `fastrand`'s generator of this thread.
///
/// ```
/// let clock = fanfare::Clock::system();
/// assert_ne!(fanfare::new_id(&clock), fanfare::new_id(&clock));
/// ```
pub fn new_id(clock: &Clock) -> String {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    Builder::from_unix_timestamp_millis(clock.millis(), &random)
        .into_uuid()
        .to_string()
}

/// A UUIDv5 (RFC 9562) of these parts, each delimited by its length: the same parts give the same
/// id, and no two different lists run together.
///
/// ```
/// use fanfare::derived_id;
/// assert_eq!(derived_id(&["a", "b"]), derived_id(&["a", "b"]));
/// assert_ne!(derived_id(&["a", "bc"]), derived_id(&["ab", "c"]));
/// ```
pub fn derived_id(parts: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, join(parts).as_bytes()).to_string()
}

/// What makes a handling unique: the consumer, and the event's source and id. CloudEvents ids are
/// unique only within their source, and several consumers handle the same event.
///
/// ```
/// use fanfare::DedupeKey;
/// let key = DedupeKey::new("billing", "/checkout", "17");
/// assert_eq!(key.to_string(), "7:billing9:/checkout2:17");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupeKey {
    /// The consumer's name.
    pub consumer: String,
    /// The envelope's `source`.
    pub source: String,
    /// The envelope's `id`.
    pub id: String,
}

impl DedupeKey {
    /// The key of this consumer's handling of this event.
    pub fn new(consumer: impl Into<String>, source: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            consumer: consumer.into(),
            source: source.into(),
            id: id.into(),
        }
    }
}

impl std::fmt::Display for DedupeKey {
    /// Each part behind its length in bytes, so that no two keys print alike.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&join(&[&self.consumer, &self.source, &self.id]))
    }
}

fn join(parts: &[&str]) -> String {
    parts
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect()
}

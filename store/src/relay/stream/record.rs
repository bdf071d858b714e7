//! What a record of the table's stream tells the relay.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::record::head;
use crate::record::outbox::{self, EventState, OutboxRecord};
use crate::record::{Item, Key, SHARD, shard};

/// What of the store's table's stream concerns a relay, as a pattern for the filter of the event-source
/// mapping: outbox records with something pending or parked. What is unparked is published too: of a commit
/// with another parked event it stays among the parked.
///
/// ```
/// let pattern: serde_json::Value = serde_json::from_str(fanfare_store::STREAM_FILTER)?;
/// assert_eq!(pattern["dynamodb"]["Keys"]["sk"]["S"][0], "commit");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub const STREAM_FILTER: &str = concat!(
    r#"{"dynamodb":{"Keys":{"sk":{"S":["commit","head"]}},"NewImage":{"shard":{"S":[{"exists":true}]}}},"#,
    r#""eventName":["INSERT","MODIFY"]}"#
);

/// A record of the stream of the store's table, for [`Relay::stream`](crate::Relay::stream).
///
/// ```
/// use std::collections::HashMap;
/// use aws_sdk_dynamodb::types::AttributeValue;
/// use fanfare_store::{StreamChange, StreamRecord};
///
/// let text = |text: &str| AttributeValue::S(text.to_owned());
/// let keys = HashMap::from([
///     ("pk".to_owned(), text("inbox#7:billing")),
///     ("sk".to_owned(), text("inbox")),
/// ]);
/// let record = StreamRecord::new(StreamChange::Remove, keys);
/// assert!(record.new_image.is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamRecord {
    /// What was done to the item.
    pub change: StreamChange,
    /// The item's key.
    pub keys: HashMap<String, AttributeValue>,
    /// The item as it was after the change. Without it (a stream of keys alone) the relay reads every
    /// record of the outbox that was written, also where it has just written it itself.
    pub new_image: Option<HashMap<String, AttributeValue>>,
}

/// What was done to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "DynamoDB Streams knows these three")]
pub enum StreamChange {
    /// It was made: `INSERT`.
    Insert,
    /// It was changed: `MODIFY`.
    Modify,
    /// It was deleted, by whom ever: `REMOVE`. Expiry deletes as well.
    Remove,
}

/// That something may be pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// In the unordered outbox of a commit.
    Unordered(Key),
    /// Of a key: everything up to this number within it, where the image shows one.
    Ordered(Key, Option<u64>),
}

impl StreamRecord {
    /// A record without an image.
    pub fn new(change: StreamChange, keys: HashMap<String, AttributeValue>) -> Self {
        Self {
            change,
            keys,
            new_image: None,
        }
    }

    /// With the item as it was after the change.
    #[must_use]
    pub fn with_new_image(self, image: HashMap<String, AttributeValue>) -> Self {
        Self {
            new_image: Some(image),
            ..self
        }
    }

    /// What it tells; nothing, as most records do: all but those of the outbox, what was removed, and
    /// what a relay wrote down when it had published. Judged without a call.
    pub(super) fn told(&self) -> Option<Told> {
        if self.change == StreamChange::Remove {
            return None;
        }
        let key = Key::of(&self.keys).ok()?;
        match key.sk.as_str() {
            outbox::SORT if key.pk.starts_with(outbox::PARTITION) => {
                let pending = self.new_image.as_ref().is_none_or(|image| self.is_new(image));
                pending.then_some(Told::Unordered(key))
            }
            head::SORT if key.pk.starts_with(head::PARTITION) => match &self.new_image {
                Some(image) => is_pending(image).then(|| Told::Ordered(key, head::sequence_in(image))),
                None => Some(Told::Ordered(key, None)),
            },
            _ => None,
        }
    }

    /// Whether an unordered record shows something that no relay has tried: it was just committed, or
    /// unparked. What was tried is written down, and its turn comes when that says.
    fn is_new(&self, image: &Item) -> bool {
        let untried = |record: OutboxRecord| {
            let mut events = record.events.into_iter();
            events.any(|event| event.state == EventState::Pending && event.attempts == 0)
        };
        match self.change {
            StreamChange::Insert => image.contains_key(SHARD),
            StreamChange::Modify => image.contains_key(SHARD) && OutboxRecord::read(image).is_ok_and(untried),
            StreamChange::Remove => false,
        }
    }
}

/// Whether a head is among the pending ones of the index. A parked one waits for somebody to unpark it,
/// which shows in the stream again.
fn is_pending(image: &Item) -> bool {
    let shard = image.get(SHARD).and_then(|shard| shard.as_s().ok());
    shard.is_some_and(|shard| !shard::is_parked(shard))
}

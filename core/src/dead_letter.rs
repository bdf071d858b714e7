//! What a message becomes a dead letter with.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{Attribute, Attributes, Message, wire_size};

/// The attribute of a dead letter that says why it is one: a JSON object with `reason`, `consumer`,
/// `attempts`, `first` and `last` (when it became a dead letter the first and the last time, RFC
/// 3339) and `times` (how often it did).
pub const DEAD_LETTER_ATTRIBUTE: &str = "fanfare.deadletter";

/// The longest reason that is kept, in bytes.
const REASON: usize = 2048;
/// The most attributes of a message in a queue.
const ATTRIBUTES: usize = 10;

/// Why a message became a dead letter, as it is kept with it.
///
/// ```
/// use fanfare::port::DeadLetter;
/// let letter = DeadLetter { reason: "no such card".into(), consumer: "billing".into(), attempts: 1 };
/// assert_eq!(letter.attempts, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What went wrong.
    pub reason: String,
    /// The consumer that gave up.
    pub consumer: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// What the attribute holds.
#[derive(Debug, Serialize, Deserialize)]
struct Reason {
    reason: String,
    consumer: String,
    attempts: u32,
    first: String,
    last: String,
    times: u32,
}

impl DeadLetter {
    /// The attributes of the dead letter: those of the message, and the reason in
    /// [`DEAD_LETTER_ATTRIBUTE`], cut to 2 KiB. Nothing when there is no room for it: the message has
    /// ten others, or would be larger than `limit` bytes with it.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use fanfare::Message;
    /// use fanfare::port::{DEAD_LETTER_ATTRIBUTE, DeadLetter};
    ///
    /// let letter = DeadLetter { reason: "no such card".into(), consumer: "billing".into(), attempts: 1 };
    /// let attributes = letter.attributes(&Message::new("{}"), SystemTime::now(), 1024 * 1024).unwrap();
    /// assert!(attributes[DEAD_LETTER_ATTRIBUTE].text().unwrap().contains("no such card"));
    /// assert!(letter.attributes(&Message::new("{}"), SystemTime::now(), 100).is_none());
    /// ```
    pub fn attributes(&self, message: &Message, now: SystemTime, limit: usize) -> Option<Attributes> {
        let mut attributes = message.attributes.clone();
        let before = attributes.get(DEAD_LETTER_ATTRIBUTE).and_then(Attribute::text);
        let before: Option<Reason> = before.and_then(|json| serde_json::from_str(json).ok());
        let now = OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default();
        let reason = Reason {
            reason: self.short_reason(),
            consumer: self.consumer.clone(),
            attempts: self.attempts,
            times: before.as_ref().map_or(1, |before| before.times.saturating_add(1)),
            first: before.map_or_else(|| now.clone(), |before| before.first),
            last: now,
        };
        // Strings and numbers only: this can't fail.
        let json = serde_json::to_string(&reason).unwrap_or_default();
        attributes.insert(DEAD_LETTER_ATTRIBUTE.to_owned(), Attribute::string(json));
        let fits = attributes.len() <= ATTRIBUTES && wire_size(&message.body, &attributes) <= limit;
        fits.then_some(attributes)
    }

    /// The reason as far as it may be logged: up to the first colon, since causes behind it can quote
    /// the payload.
    ///
    /// ```
    /// use fanfare::port::DeadLetter;
    /// let reason = r#"the data can't be read: invalid type: string "4000 1234""#;
    /// let letter = DeadLetter { reason: reason.into(), consumer: "billing".into(), attempts: 1 };
    /// assert_eq!(letter.summary(), "the data can't be read");
    /// ```
    pub fn summary(&self) -> &str {
        let line = self.reason.split(": ").next().unwrap_or_default();
        &line[..line.floor_char_boundary(REASON)]
    }

    /// The reason, cut, and without the two characters that SQS refuses and JSON doesn't escape.
    fn short_reason(&self) -> String {
        let end = self.reason.floor_char_boundary(REASON);
        self.reason[..end].replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
    }
}

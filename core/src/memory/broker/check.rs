//! What SNS and SQS take: names, sizes, characters and attributes.

use super::{BrokerError, Entry};
use crate::attribute::{AttributeError, refused_character};
use crate::{Attribute, Attributes, is_fifo};

/// The most attributes of a message in a queue.
pub(super) const ATTRIBUTES: usize = 10;

pub(super) fn queue_name(name: &str) -> Result<(), BrokerError> {
    let expected = "1 to 80 letters, digits, `-` and `_`, and perhaps `.fifo` at the end";
    self::name("a queue", name, 80, expected)
}

pub(super) fn topic_name(name: &str) -> Result<(), BrokerError> {
    let expected = "1 to 256 letters, digits, `-` and `_`, and perhaps `.fifo` at the end";
    self::name("a topic", name, 256, expected)
}

fn name(what: &'static str, name: &str, longest: usize, expected: &'static str) -> Result<(), BrokerError> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let fits = !stem.is_empty() && name.len() <= longest;
    match fits
        && stem
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        true => Ok(()),
        false => Err(BrokerError::Name {
            what,
            name: name.to_owned(),
            expected,
        }),
    }
}

/// Body and attributes, other than their number and size.
pub(super) fn content(entry: &Entry) -> Result<(), BrokerError> {
    if entry.body.is_empty() {
        return Err(BrokerError::EmptyBody);
    }
    characters(&entry.body, || "the body".to_owned())?;
    entry
        .attributes
        .iter()
        .try_for_each(|(name, value)| attribute(name, value))
}

pub(super) fn attribute_count(attributes: &Attributes) -> Result<(), BrokerError> {
    match attributes.len() {
        0..=ATTRIBUTES => Ok(()),
        count => Err(BrokerError::TooManyAttributes(count)),
    }
}

/// The group and deduplication id that the kind of topic or queue needs.
pub(super) fn fifo(entry: &Entry, destination: &str, content_based: bool) -> Result<(), BrokerError> {
    let wrong = |reason| {
        Err(BrokerError::Parameter {
            destination: destination.to_owned(),
            reason,
        })
    };
    for id in [&entry.group, &entry.deduplication_id].into_iter().flatten() {
        if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("a group or deduplication id has 1 to 128 letters, digits and punctuation marks");
        }
    }
    match (is_fifo(destination), &entry.group, &entry.deduplication_id) {
        (true, None, _) => wrong("a FIFO message needs a group"),
        (true, _, None) if !content_based => {
            wrong("a FIFO message needs a deduplication id, unless its body stands for one")
        }
        (false, _, Some(_)) => wrong("only a FIFO message has a deduplication id"),
        _ => Ok(()),
    }
}

fn attribute(name: &str, value: &Attribute) -> Result<(), BrokerError> {
    value.check(name).map_err(|error| match error {
        AttributeError::Form { name, reason } => BrokerError::Attribute { name, reason },
        AttributeError::Character { name, character } => BrokerError::Character {
            place: format!("the attribute `{name}`"),
            character,
        },
    })
}

fn characters(text: &str, place: impl Fn() -> String) -> Result<(), BrokerError> {
    match refused_character(text) {
        Some(character) => Err(BrokerError::Character {
            place: place(),
            character,
        }),
        None => Ok(()),
    }
}

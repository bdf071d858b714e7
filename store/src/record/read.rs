//! Reading a record's attributes, with an error that says which one of which record is wrong.

use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, PK, SK};

/// A record that can't be read: written by something else, or by a newer version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record {pk} / {sk} has {problem} `{attribute}`: was the table written by a newer version, \
     or by something else?"
)]
#[non_exhaustive]
pub struct RecordError {
    /// The record's partition key.
    pub pk: String,
    /// The record's sort key.
    pub sk: String,
    /// The attribute.
    pub attribute: &'static str,
    /// `no`, or what is wrong with it.
    pub problem: &'static str,
}

/// Reads attributes of an item.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    record: &'a Item,
    item: &'a Item,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'a Item) -> Self {
        Self { record, item: record }
    }

    /// Reads attributes of a map within the same record.
    pub(crate) fn within(self, value: &'a AttributeValue, list: &'static str) -> Result<Self, RecordError> {
        match value {
            AttributeValue::M(item) => Ok(Self { item, ..self }),
            _ => Err(self.wrong(list, "something else than maps in")),
        }
    }

    pub(crate) fn text(self, attribute: &'static str) -> Result<String, RecordError> {
        self.optional_text(attribute)?
            .ok_or_else(|| self.wrong(attribute, "no"))
    }

    pub(crate) fn optional_text(self, attribute: &'static str) -> Result<Option<String>, RecordError> {
        match self.item.get(attribute) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(attribute, "something else than text in")),
        }
    }

    pub(crate) fn number<T: FromStr>(self, attribute: &'static str) -> Result<T, RecordError> {
        self.optional_number(attribute)?
            .ok_or_else(|| self.wrong(attribute, "no"))
    }

    pub(crate) fn optional_number<T: FromStr>(
        self,
        attribute: &'static str,
    ) -> Result<Option<T>, RecordError> {
        match self.item.get(attribute) {
            None => Ok(None),
            Some(AttributeValue::N(text)) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(attribute, "a number out of range in")),
            },
            Some(_) => Err(self.wrong(attribute, "something else than a number in")),
        }
    }

    /// The elements of a list; none when it isn't there.
    pub(crate) fn list(self, attribute: &'static str) -> Result<&'a [AttributeValue], RecordError> {
        match self.item.get(attribute) {
            None => Ok(&[]),
            Some(AttributeValue::L(elements)) => Ok(elements),
            Some(_) => Err(self.wrong(attribute, "something else than a list in")),
        }
    }

    pub(crate) fn wrong(self, attribute: &'static str, problem: &'static str) -> RecordError {
        let key = |name| match self.record.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => "?".to_owned(),
        };
        RecordError {
            pk: key(PK),
            sk: key(SK),
            attribute,
            problem,
        }
    }
}

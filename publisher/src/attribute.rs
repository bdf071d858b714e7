//! The application's own attributes, which go with every message.

use fanfare::port::DEAD_LETTER_ATTRIBUTE;
use fanfare::{Attribute, AttributeError, Attributes};

/// What [`Outgoing::attributes`](fanfare::Outgoing::attributes) may set.
const ROUTING: [&str; 4] = ["type", "version", "source", "key"];
/// How many a message in a queue may have; SNS drops one with more on its way there.
const MOST: usize = 10;
/// How many are left for the application.
const ROOM: usize = MOST - ROUTING.len() - 1;

/// Why an attribute can't go with every message.
///
/// ```
/// use fanfare::Attribute;
/// use fanfare_publisher::OwnAttributeError;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # let publisher = doc::publisher();
/// let error = publisher.attribute("type", Attribute::string("mine")).unwrap_err();
/// assert!(matches!(error, OwnAttributeError::Taken { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnAttributeError {
    /// AWS doesn't take it.
    #[error(transparent)]
    Refused(#[from] AttributeError),
    /// Fanfare gives it a meaning, or another one of this name is there already.
    #[error("the message attribute `{name}` is taken: choose another name")]
    Taken {
        /// Its name.
        name: String,
    },
    /// They are more than a message has room for beside those that messages are routed by and the one
    /// that says why a message became a dead letter.
    #[error("{} attributes of your own are too many ({}): there is room for {room}", .names.len(), .names.join(", "))]
    TooMany {
        /// Their names.
        names: Vec<String>,
        /// How many there may be.
        room: usize,
    },
}

/// Adds one, if a message has room for it.
pub(crate) fn add(own: &mut Attributes, name: String, value: Attribute) -> Result<(), OwnAttributeError> {
    value.check(&name)?;
    if ROUTING.contains(&&*name) || name == DEAD_LETTER_ATTRIBUTE || own.contains_key(&name) {
        return Err(OwnAttributeError::Taken { name });
    }
    if own.len() >= ROOM {
        let names = own.keys().cloned().chain([name]).collect();
        return Err(OwnAttributeError::TooMany { names, room: ROOM });
    }
    own.insert(name, value);
    Ok(())
}

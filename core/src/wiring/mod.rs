//! Mistakes in how an application is put together.

mod error;
mod warning;

use std::fmt;
use std::panic::Location;

pub use self::error::WiringError;
pub use self::warning::WiringWarning;
use crate::Destination;

/// Where in the source something was registered.
///
/// ```
/// use fanfare::{Place, Router, WiringError};
/// let errors = Router::new("").into_service().unwrap_err();
/// let WiringError::BadName { at, .. } = &errors.errors()[0] else { panic!("{errors}") };
/// let place: &Place = at;
/// assert!(place.line() > 0);
/// ```
pub type Place = &'static Location<'static>;

/// Every mistake that was found.
///
/// ```
/// let errors = fanfare::App::new("Shop").consumer(fanfare::Router::new("")).topology().unwrap_err();
/// assert_eq!(errors.errors().len(), 2);
/// assert_eq!(errors.to_string().lines().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiringErrors(Vec<WiringError>);

impl WiringErrors {
    pub(crate) fn check(problems: Vec<WiringError>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Self(problems)),
        }
    }

    /// The mistakes, in the order of registration; at least one.
    pub fn errors(&self) -> &[WiringError] {
        &self.0
    }
}

impl fmt::Display for WiringErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for WiringErrors {}

/// The longest name of an application, consumer or topic, so that a queue's name, `{app}-{consumer}.fifo`,
/// stays within SQS's 80 characters. Not so the longest made from it, `{app}-{consumer}-undelivered.fifo`,
/// for names of more than 62 characters together: those are refused where queues are made.
const NAME: usize = 35;

fn is_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

pub(crate) fn check_name(name: &str, at: Place) -> Option<WiringError> {
    let name = (!is_name(name)).then(|| name.to_owned())?;
    Some(WiringError::BadName { name, at })
}

pub(crate) fn check_topic(to: &Destination, at: Place) -> Option<WiringError> {
    let Destination::Topic(topic) = to else {
        return None;
    };
    let name = topic.strip_suffix(".fifo").unwrap_or(topic);
    let topic = (!is_name(name)).then(|| topic.clone())?;
    Some(WiringError::BadTopic { topic, at })
}

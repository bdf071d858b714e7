//! Why SNS refuses a call or an entry, in its codes and words.

use fanfare::memory::BrokerError;
use http::StatusCode;

use super::NAMESPACE;
use crate::answer::Answer;
use crate::query;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Error {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let status = match code {
            "NotFound" | "ResourceNotFound" => StatusCode::NOT_FOUND,
            "FilterPolicyLimitExceeded" | "SignatureDoesNotMatch" => StatusCode::FORBIDDEN,
            INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            code,
            status,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl std::fmt::Display) -> Self {
        Self::new("InvalidParameter", format!("Invalid parameter: {message}"))
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid(format!("{parameter} is missing"))
    }

    pub(super) fn no_topic() -> Self {
        Self::new("NotFound", "Topic does not exist")
    }

    pub(super) fn no_subscription() -> Self {
        Self::new("NotFound", "Subscription does not exist")
    }
}

pub(super) const INTERNAL: &str = "InternalError";

impl From<BrokerError> for Error {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::NoTopic(_) => Self::no_topic(),
            BrokerError::NoSubscription(_) => Self::no_subscription(),
            BrokerError::TooManyPolicies(_) => Self::new("FilterPolicyLimitExceeded", error.to_string()),
            BrokerError::TooLarge { .. } => Self::invalid("Message too long"),
            BrokerError::BatchTooLarge { .. } => Self::new(
                "BatchRequestTooLong",
                "The length of all the messages put together is more than the limit.",
            ),
            BrokerError::EmptyBody => Self::invalid("Empty message"),
            BrokerError::Name { what: "a topic", .. } => Self::invalid("Topic Name"),
            BrokerError::Filter(error) => Self::invalid(format!("FilterPolicy: {error}")),
            BrokerError::NoQueue(_) => Self::invalid(error.to_string()),
            error => Self::invalid(error),
        }
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        query::refusal(error.status, NAMESPACE, error.code, &error.message)
    }
}

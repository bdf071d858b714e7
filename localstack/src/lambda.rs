//! Lambda, as far as it is here: there is no function, and the lists say so.

use http::StatusCode;
use serde_json::json;

use crate::answer::Answer;
use crate::messaging;

/// A list of Lambda's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Functions,
    EventSourceMappings,
}

impl List {
    /// The list at a path that is read.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path.strip_prefix("/2015-03-31/")?.trim_end_matches('/') {
            "functions" => Some(Self::Functions),
            "event-source-mappings" => Some(Self::EventSourceMappings),
            _ => None,
        }
    }

    /// The operation's name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Functions => "ListFunctions",
            Self::EventSourceMappings => "ListEventSourceMappings",
        }
    }

    pub(crate) fn answer(self) -> Answer {
        let empty = match self {
            Self::Functions => json!({"Functions": []}),
            Self::EventSourceMappings => json!({"EventSourceMappings": []}),
        };
        Answer::success(empty.to_string().into_bytes())
    }
}

/// Lambda's refusal of one call too many.
pub(crate) fn throttled() -> Answer {
    let reason = json!({"Reason": "CallerRateLimitExceeded"});
    let answer = Answer::error("TooManyRequestsException", "Rate exceeded", &reason);
    Answer {
        status: StatusCode::TOO_MANY_REQUESTS,
        ..answer
    }
}

/// Lambda's refusal of a call that is signed for another region.
pub(crate) fn elsewhere(region: &str) -> Answer {
    let answer = Answer::error(
        "InvalidSignatureException",
        &messaging::elsewhere(region),
        &json!({}),
    );
    Answer {
        status: StatusCode::FORBIDDEN,
        ..answer
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn a_list_is_at_its_path_and_nothing_else_is() {
        assert_eq!(List::at("/2015-03-31/functions/"), Some(List::Functions));
        assert_eq!(
            List::at("/2015-03-31/event-source-mappings"),
            Some(List::EventSourceMappings)
        );
        for other in ["", "/", "/functions", "/2015-03-31/functions/shop-payment"] {
            assert_eq!(List::at(other), None, "{other}");
        }
    }
}

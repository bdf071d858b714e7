//! SQS's errors as those of a queue.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use aws_smithy_runtime_api::http::Response;
use fanfare::port::QueueError;

/// Codes of errors that pass although SQS calls them the caller's: throttles, and credentials that are
/// being renewed.
const PASSING: [&str; 19] = [
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "KmsThrottled",
    "OverLimit",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "RequestTimeoutException",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
];

/// Codes of a receipt that no longer holds its message.
const GONE: [&str; 3] = [
    "ReceiptHandleIsInvalid",
    "InvalidReceiptHandle",
    "MessageNotInflight",
];

/// Makes errors of one call on one queue.
#[derive(Clone, Copy)]
pub(crate) struct Failed<'a> {
    pub(crate) call: &'static str,
    pub(crate) queue: &'a str,
}

impl Failed<'_> {
    /// The whole call failed.
    pub(crate) fn call<E>(self, error: &SdkError<E, Response>) -> QueueError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let passes = match error {
            SdkError::ConstructionFailure(_) => false,
            SdkError::ServiceError(_) => {
                let status = error
                    .raw_response()
                    .map_or(0, |response| response.status().as_u16());
                status >= 500 || status == 429 || is_passing(error.code().unwrap_or_default())
            }
            _ => true,
        };
        let code = error.code().unwrap_or_default();
        self.of(passes, code, error.message(), reason(error))
    }

    /// One entry of a batch failed.
    pub(crate) fn entry(self, entry: &BatchResultErrorEntry) -> QueueError {
        let passes = !entry.sender_fault || is_passing(&entry.code);
        let message = entry.message();
        self.of(passes, &entry.code, message, told(&entry.code, message))
    }

    /// One entry of a batch wasn't answered.
    pub(crate) fn missing(self) -> QueueError {
        self.retryable("there was no answer for this entry")
    }

    pub(crate) fn retryable(self, reason: impl Into<String>) -> QueueError {
        QueueError::Retryable {
            call: self.call,
            queue: self.queue.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn rejected(self, reason: impl Into<String>) -> QueueError {
        QueueError::Rejected {
            call: self.call,
            queue: self.queue.to_owned(),
            reason: reason.into(),
        }
    }

    fn of(self, passes: bool, code: &str, message: Option<&str>, reason: String) -> QueueError {
        if is_gone(code, message.unwrap_or_default()) {
            return QueueError::NotHeld {
                call: self.call,
                queue: self.queue.to_owned(),
            };
        }
        match passes {
            true => self.retryable(reason),
            false => self.rejected(reason),
        }
    }
}

/// A code without the namespace that older ones have.
pub(crate) fn short(code: &str) -> &str {
    code.rsplit('.').next().unwrap_or(code)
}

fn is_passing(code: &str) -> bool {
    PASSING.contains(&short(code))
}

/// Whether the message is no longer held, or can't be held for longer.
fn is_gone(code: &str, message: &str) -> bool {
    let said = ["ReceiptHandle is invalid", "expired", "Total VisibilityTimeout"];
    let says = || said.iter().any(|said| message.contains(said));
    let code = short(code);
    // The second is the name of the error's shape, which LocalStack gives.
    let invalid = ["InvalidParameterValue", "InvalidParameterValueException"].contains(&code);
    GONE.contains(&code) || (invalid && says())
}

fn told(code: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    }
}

/// What went wrong, in a line: the service's own words, or else the chain of causes. Never the request
/// or the response, which hold payloads.
pub(crate) fn reason<E>(error: &SdkError<E, Response>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(code) = error.code() {
        return told(code, error.message());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const FAILED: Failed<'_> = Failed {
        call: "extend",
        queue: "q",
    };

    fn entry(sender_fault: bool, code: &str, message: &str) -> QueueError {
        let entry = BatchResultErrorEntry::builder()
            .id("0")
            .sender_fault(sender_fault)
            .code(code)
            .message(message)
            .build()
            .unwrap();
        FAILED.entry(&entry)
    }

    #[test]
    fn a_receipt_that_is_gone_is_told_from_other_failures() {
        for (code, message) in [
            ("ReceiptHandleIsInvalid", "The receipt handle isn't valid."),
            ("AWS.SimpleQueueService.MessageNotInflight", ""),
            (
                "InvalidParameterValue",
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            ),
            (
                "InvalidParameterValueException",
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.",
            ),
            (
                "InvalidParameterValue",
                "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
            ),
        ] {
            let error = entry(true, code, message);
            assert!(matches!(error, QueueError::NotHeld { .. }), "{error}");
        }
        let error = entry(
            true,
            "InvalidParameterValue",
            "Value -1 for parameter VisibilityTimeout is invalid.",
        );
        assert!(matches!(error, QueueError::Rejected { .. }), "{error}");
    }

    #[test]
    fn the_services_faults_and_throttles_are_retried_and_senders_are_not() {
        assert!(entry(false, "InternalError", "").is_retryable());
        assert!(entry(true, "AWS.SimpleQueueService.RequestThrottled", "").is_retryable());
        for code in [
            "ExpiredTokenException",
            "RequestTimeout",
            "UnrecognizedClientException",
        ] {
            assert!(entry(true, code, "").is_retryable(), "{code}");
        }
        assert!(!entry(true, "InvalidMessageContents", "").is_retryable());
        assert!(FAILED.missing().is_retryable());
    }
}

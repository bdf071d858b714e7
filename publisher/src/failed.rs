//! Why a call, or one entry of it, was not confirmed, and whether another try may do.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use fanfare::BoxError;
use fanfare::port::PublishError;

/// A failure as AWS tells it.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    /// AWS's code, or a word for what happened: `error.type` in metrics.
    pub(crate) code: String,
    /// The code and what AWS says to it; nothing of the payload.
    reason: String,
    cause: Option<Cause>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It passes: the same may be confirmed at another try.
    Passing,
    /// It passes when fewer calls are made.
    Throttled,
    /// A whole batch is more bytes than the destination takes.
    TooLong,
    /// Something in an entry is refused, and will be again.
    Entry,
    /// The destination refuses whatever is sent: it isn't there, or may not be used.
    Destination,
}

/// The error below, shared by all entries of its call.
#[derive(Clone, Debug)]
struct Cause(Arc<dyn Error + Send + Sync>);

impl Failed {
    /// Nothing was heard of it.
    pub(crate) fn no_answer(reason: impl Into<String>) -> Self {
        Self {
            kind: Kind::Passing,
            code: "no_answer".to_owned(),
            reason: reason.into(),
            cause: None,
        }
    }

    /// No answer came in this time.
    pub(crate) fn timeout(after: Duration) -> Self {
        Self {
            code: "timeout".to_owned(),
            ..Self::no_answer(format!("no answer within {after:?}"))
        }
    }

    /// It was not sent, so that it doesn't overtake an earlier one of its group.
    pub(crate) fn behind() -> Self {
        Self {
            code: "behind".to_owned(),
            ..Self::no_answer("not sent, because an earlier message of its group was not confirmed")
        }
    }

    /// It can't be sent as it is.
    pub(crate) fn entry(reason: impl Into<String>) -> Self {
        Self {
            kind: Kind::Entry,
            code: "invalid".to_owned(),
            reason: reason.into(),
            cause: None,
        }
    }

    /// What was being done, for the reason.
    #[cfg(feature = "claim-check")]
    pub(crate) fn while_(self, doing: &str) -> Self {
        let reason = format!("{doing}: {}", self.reason);
        Self { reason, ..self }
    }

    /// One entry of a call that was answered.
    pub(crate) fn of_entry(sender_fault: bool, code: &str, message: Option<&str>) -> Self {
        let kind = match kind(code) {
            Some(kind @ (Kind::Passing | Kind::Throttled)) => kind,
            _ if sender_fault => Kind::Entry,
            _ => Kind::Passing,
        };
        Self {
            kind,
            code: code.to_owned(),
            reason: text(code, message),
            cause: None,
        }
    }

    /// A call that failed as a whole.
    pub(crate) fn of_call<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let (kind, code, reason) = match &error {
            SdkError::TimeoutError(_) => (Kind::Passing, "timeout", "no answer in time".to_owned()),
            SdkError::ResponseError(_) => {
                let reason = "the answer can't be read".to_owned();
                (Kind::Passing, "response", reason)
            }
            SdkError::DispatchFailure(failure) if failure.is_user() => {
                let reason = "the request can't be sent".to_owned();
                (Kind::Destination, "request", reason)
            }
            SdkError::DispatchFailure(failure) => {
                let code = if failure.is_timeout() {
                    "timeout"
                } else {
                    "connection"
                };
                (Kind::Passing, code, "no connection".to_owned())
            }
            SdkError::ServiceError(service) => {
                let status = service.raw().status();
                match service.err().code() {
                    // A success that makes an error.
                    None if status.is_success() => {
                        (Kind::Passing, "response", "the answer can't be read".to_owned())
                    }
                    // AWS names what it refuses: this is of a proxy or a gateway on the way.
                    None if status.is_client_error() && status.as_u16() != 429 => {
                        let reason = format!("status {} without a code of AWS", status.as_u16());
                        (Kind::Passing, "unknown", reason)
                    }
                    code => {
                        let code = code.unwrap_or("unknown");
                        let kind = kind(code).unwrap_or(match status.as_u16() {
                            429 => Kind::Throttled,
                            _ if status.is_server_error() => Kind::Passing,
                            _ => Kind::Destination,
                        });
                        (kind, code, text(code, service.err().message()))
                    }
                }
            }
            // A request that the SDK can't even build, and whatever may be added to the enum.
            _ => (Kind::Entry, "request", "the request can't be made".to_owned()),
        };
        Self {
            kind,
            code: code.to_owned(),
            reason,
            cause: Some(Cause(Arc::new(error))),
        }
    }

    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::Passing | Kind::Throttled)
    }

    /// What the publisher's caller gets to see.
    pub(crate) fn into_error(self, destination: &str) -> PublishError {
        let destination = destination.to_owned();
        if self.is_passing() {
            PublishError::Retryable {
                destination,
                reason: self.reason,
                source: self.cause.map(|cause| Box::new(cause) as BoxError),
            }
        } else {
            PublishError::Rejected {
                destination,
                reason: self.reason,
            }
        }
    }
}

/// What a code means, where it says so by itself.
fn kind(code: &str) -> Option<Kind> {
    // SQS writes some with a prefix, as in `AWS.SimpleQueueService.BatchRequestTooLong`.
    let code = code.rsplit(['.', '#']).next().unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    // Signatures, keys and tokens are wrong while a clock is, or credentials are being changed: no reason
    // to give up an event.
    const PASSING: [&str; 15] = [
        "ExpiredToken",
        "IncompleteSignature",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "Unavailable",
        "UnrecognizedClient",
    ];
    const THROTTLED: [&str; 6] = [
        "BandwidthLimitExceeded",
        "LimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "SlowDown",
        "TooManyRequests",
    ];
    const ENTRY: [&str; 6] = [
        "InvalidMessageContents",
        "InvalidParameter",
        "InvalidParameterValue",
        "MissingParameter",
        "ParameterValueInvalid",
        "Validation",
    ];
    match code {
        code if code.contains("Throttl") || THROTTLED.contains(&code) => Some(Kind::Throttled),
        code if PASSING.contains(&code) => Some(Kind::Passing),
        "BatchRequestTooLong" => Some(Kind::TooLong),
        code if ENTRY.contains(&code) || code == "ValidationError" => Some(Kind::Entry),
        _ => None,
    }
}

fn text(code: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

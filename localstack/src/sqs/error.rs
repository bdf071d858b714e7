//! Why SQS refuses a call or an entry, in its codes and words.

use fanfare::memory::BrokerError;
use serde_json::json;

use crate::answer::Answer;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(super) code: Code,
    pub(super) message: String,
}

macro_rules! codes {
    ($($code:ident $kind:literal $former:literal,)*) => {
        /// SQS's error codes, as far as they can occur here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($code,)*
        }

        impl Code {
            /// The error's type in the JSON protocol.
            fn kind(self) -> &'static str {
                match self {
                    $(Self::$code => $kind,)*
                }
            }

            /// Its code in the former protocol, by which many clients still know it.
            pub(super) fn former(self) -> &'static str {
                match self {
                    $(Self::$code => $former,)*
                }
            }
        }
    };
}

codes! {
    BatchEntryIdsNotDistinct "com.amazonaws.sqs#BatchEntryIdsNotDistinct"
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    BatchRequestTooLong "com.amazonaws.sqs#BatchRequestTooLong" "AWS.SimpleQueueService.BatchRequestTooLong",
    EmptyBatchRequest "com.amazonaws.sqs#EmptyBatchRequest" "AWS.SimpleQueueService.EmptyBatchRequest",
    InternalError "com.amazon.coral.service#InternalFailure" "InternalError",
    InvalidAttributeName "com.amazonaws.sqs#InvalidAttributeName" "InvalidAttributeName",
    InvalidAttributeValue "com.amazonaws.sqs#InvalidAttributeValue" "InvalidAttributeValue",
    InvalidBatchEntryId "com.amazonaws.sqs#InvalidBatchEntryId" "AWS.SimpleQueueService.InvalidBatchEntryId",
    InvalidMessageContents "com.amazonaws.sqs#InvalidMessageContents" "InvalidMessageContents",
    InvalidParameterValue "com.amazon.coral.service#InvalidParameterValueException" "InvalidParameterValue",
    InvalidSignature "com.amazon.coral.service#InvalidSignatureException" "SignatureDoesNotMatch",
    MessageNotInflight "com.amazonaws.sqs#MessageNotInflight" "AWS.SimpleQueueService.MessageNotInflight",
    MissingParameter "com.amazon.coral.service#MissingRequiredParameterException" "MissingParameter",
    OverLimit "com.amazonaws.sqs#OverLimit" "OverLimit",
    PurgeQueueInProgress "com.amazonaws.sqs#PurgeQueueInProgress" "AWS.SimpleQueueService.PurgeQueueInProgress",
    QueueDoesNotExist "com.amazonaws.sqs#QueueDoesNotExist" "AWS.SimpleQueueService.NonExistentQueue",
    QueueNameExists "com.amazonaws.sqs#QueueNameExists" "QueueAlreadyExists",
    ReceiptHandleIsInvalid "com.amazonaws.sqs#ReceiptHandleIsInvalid" "ReceiptHandleIsInvalid",
    RequestThrottled "com.amazonaws.sqs#RequestThrottled" "RequestThrottled",
    ResourceNotFound "com.amazonaws.sqs#ResourceNotFoundException" "ResourceNotFoundException",
    Serialization "com.amazon.coral.service#SerializationException" "MalformedInput",
    Throttling "com.amazon.coral.availability#ThrottlingException" "ThrottlingException",
    TooManyEntriesInBatchRequest "com.amazonaws.sqs#TooManyEntriesInBatchRequest"
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    UnsupportedOperation "com.amazonaws.sqs#UnsupportedOperation" "AWS.SimpleQueueService.UnsupportedOperation",
}

impl Error {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// A parameter's value that is refused.
    pub(super) fn value(parameter: &str, value: impl std::fmt::Display, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new(Code::InvalidParameterValue, message)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}.");
        Self::new(Code::MissingParameter, message)
    }

    pub(super) fn no_queue() -> Self {
        Self::new(Code::QueueDoesNotExist, "The specified queue does not exist.")
    }

    /// Of a body that its types can't hold.
    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        match text
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split_once('`'))
        {
            Some((field, _)) => Self::missing(field),
            None => Self::new(Code::Serialization, text),
        }
    }
}

impl From<BrokerError> for Error {
    fn from(error: BrokerError) -> Self {
        let code = match &error {
            BrokerError::NoQueue(_) => return Self::no_queue(),
            BrokerError::EmptyBody => return Self::missing("MessageBody"),
            BrokerError::TooLarge { limit, .. } => {
                let reason = "One or more parameters are invalid. Reason: Message must be shorter than";
                return Self::new(Code::InvalidParameterValue, format!("{reason} {limit} bytes."));
            }
            BrokerError::BatchTooLarge { size, limit, .. } => {
                let limits = format!(
                    "Batch requests cannot be longer than {limit} bytes. You have sent {size} bytes."
                );
                return Self::new(Code::BatchRequestTooLong, limits);
            }
            BrokerError::TooManyAttributes(count) => {
                let number =
                    format!("Number of message attributes [{count}] exceeds the allowed maximum [10].");
                return Self::new(Code::InvalidParameterValue, number);
            }
            BrokerError::Character { .. } => Code::InvalidMessageContents,
            BrokerError::Setting { .. } => Code::InvalidAttributeValue,
            BrokerError::OverLimit(_) => Code::OverLimit,
            BrokerError::PurgeInProgress(_) => Code::PurgeQueueInProgress,
            BrokerError::Exists(_) => Code::QueueNameExists,
            _ => Code::InvalidParameterValue,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        let fault = match error.code {
            Code::InternalError => "Receiver",
            _ => "Sender",
        };
        Self {
            query_error: Some(format!("{};{fault}", error.code.former())),
            ..Self::error(error.code.kind(), &error.message, &json!({}))
        }
    }
}

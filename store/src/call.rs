//! A call to DynamoDB, bounded in time.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use fanfare::BoxError;

use crate::StoreError;
use crate::store::Shared;

/// Why a call gave no answer, or not the one that was hoped for.
#[derive(Debug)]
pub(crate) enum CallError<E> {
    Sdk(Box<SdkError<E>>),
    /// The SDK did not come back in time either.
    Timeout(Duration),
}

impl Shared {
    /// Makes a call, for as long as a single try may take.
    pub(crate) fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> impl Future<Output = Result<T, CallError<E>>> {
        bounded(self.transact.timeout, call)
    }
}

/// Makes a call, for at most `after`.
pub(crate) fn bounded<T, E>(
    after: Duration,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> impl Future<Output = Result<T, CallError<E>>> {
    // The SDK's futures are large.
    let call = Box::pin(call);
    async move {
        match tokio::time::timeout(after, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(CallError::Sdk(Box::new(error))),
            Err(_elapsed) => Err(CallError::Timeout(after)),
        }
    }
}

impl<E: ProvideErrorMetadata> CallError<E> {
    /// Whether the same call may succeed at another try.
    pub(crate) fn is_worth_a_try(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Sdk(error) => match &**error {
                SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
                SdkError::DispatchFailure(failure) => !failure.is_user(),
                SdkError::ServiceError(service) => {
                    service.raw().status().is_server_error() || is_passing(service.err().code())
                }
                _ => false,
            },
        }
    }
}

/// Errors of DynamoDB that pass.
fn is_passing(code: Option<&str>) -> bool {
    const PASSING: [&str; 9] = [
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    ];
    code.is_some_and(|code| PASSING.contains(&code))
}

impl<E: std::error::Error + Send + Sync + 'static> CallError<E> {
    pub(crate) fn into_store(self, call: &'static str) -> StoreError {
        match self {
            Self::Sdk(error) => StoreError::Sdk {
                call,
                source: error.into(),
            },
            Self::Timeout(after) => StoreError::Timeout { call, after },
        }
    }

    pub(crate) fn into_box(self, call: &'static str) -> BoxError {
        match self {
            Self::Sdk(error) => error,
            timeout @ Self::Timeout(_) => timeout.into_store(call).into(),
        }
    }
}

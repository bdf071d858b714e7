//! Serving a function's invocations.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};

use crate::{Function, sqs_batch, trace};

/// What Lambda sets in a function's environment.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    MEMORY,
];
const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// Why a function isn't served.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let config = aws_types::SdkConfig::builder().build();
/// # let service = fanfare::Router::new("shipping").into_service().unwrap();
/// let function = fanfare_lambda::Function::new(&config, service);
/// let error = fanfare_lambda::run(function).await.unwrap_err();
/// assert!(error.to_string().starts_with("AWS_LAMBDA_RUNTIME_API isn't set: "));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The process isn't one that Lambda has started.
    #[error("{variable} isn't set: a function is started by Lambda, or by what stands in for it")]
    NotInLambda {
        /// What is missing from the environment.
        variable: &'static str,
    },
    /// The environment says something that Lambda never says.
    #[error("{variable} is `{value}`: {expected} is expected")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What it should say.
        expected: &'static str,
    },
}

/// Why an invocation failed as a whole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum InvocationError {
    #[error(
        "record {index} of the event is none of SQS, but of `{found}`: this function stands behind an \
         event-source mapping of a queue"
    )]
    NotSqs { index: usize, found: String },
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self {
            error_type: "NotSqs".to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// Serves the function's invocations, as Lambda's runtime API gives them, until the environment ends the
/// process: one after the other, or several at a time where Lambda says so (Managed Instances). It must be
/// polled inside of a tokio runtime with timers and I/O.
///
/// An event that is none of SQS is answered with an error, and the process lives.
///
/// # Errors
/// The process isn't started by Lambda ([`RunError`]), or the runtime API can't be talked to.
pub async fn run(function: Function) -> Result<(), lambda_runtime::Error> {
    check_environment()?;
    let handler = service_fn(move |event: LambdaEvent<SqsEvent>| {
        let function = function.clone();
        async move { invocation(&function, event).await }
    });
    // Boxed: its type is so deep that callers would come near the compiler's limit.
    Box::pin(lambda_runtime::run_concurrent(handler)).await
}

/// One invocation.
async fn invocation(
    function: &Function,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, InvocationError> {
    let LambdaEvent { payload, context } = event;
    check_source(&payload)?;
    let deadline = context.deadline();
    let handled = sqs_batch(function, payload, deadline);
    let answer = trace::within(context.xray_trace_id.as_deref(), handled).await;
    if let Some(metrics) = &function.metrics {
        metrics.flush();
    }
    Ok(answer)
}

fn check_source(event: &SqsEvent) -> Result<(), InvocationError> {
    for (index, record) in event.records.iter().enumerate() {
        if record.event_source.as_deref() != Some("aws:sqs") || record.message_id.is_none() {
            let found = record.event_source.clone().unwrap_or_default();
            return Err(InvocationError::NotSqs { index, found });
        }
    }
    Ok(())
}

/// Whether Lambda has started this process.
pub(crate) fn check_environment() -> Result<(), RunError> {
    check(|variable| std::env::var(variable).ok())
}

/// Whether Lambda has set what its runtime panics without.
fn check(variable: impl Fn(&'static str) -> Option<String>) -> Result<(), RunError> {
    if let Some(variable) = VARIABLES.into_iter().find(|name| variable(name).is_none()) {
        return Err(RunError::NotInLambda { variable });
    }
    let memory = variable(MEMORY).unwrap_or_default();
    match memory.parse::<i32>() {
        Ok(_) => Ok(()),
        Err(_) => Err(RunError::Environment {
            variable: MEMORY,
            value: memory,
            expected: "a number of MB",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_in_the_environment_is_named() {
        let set = |missing: &'static str, memory: &'static str| {
            check(|variable| match variable {
                _ if variable == missing => None,
                MEMORY => Some(memory.to_owned()),
                _ => Some("x".to_owned()),
            })
        };
        assert_eq!(set("", "256"), Ok(()));
        for variable in VARIABLES {
            assert_eq!(set(variable, "256"), Err(RunError::NotInLambda { variable }));
        }
        let error = set("", "much").map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is `much`: a number of MB is expected".to_owned())
        );
    }
}

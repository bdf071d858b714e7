//! A function as Lambda calls it: JSON in, JSON out.

use std::time::SystemTime;

use fanfare_lambda::{Function, sqs_batch};
use serde_json::Value;

/// One invocation, through the text that an event and an answer are on their way.
///
/// # Errors
/// The event is none of SQS.
pub async fn invoke(function: &Function, event: Value, deadline: SystemTime) -> Result<Value, String> {
    let event = serde_json::from_str(&event.to_string()).map_err(|error| error.to_string())?;
    let answer = sqs_batch(function, event, deadline).await;
    let answer = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
    serde_json::from_str(&answer).map_err(|error| error.to_string())
}

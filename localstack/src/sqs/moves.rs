//! Message move tasks: dead letters back to their queues.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanfare::memory::BrokerError;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::operation::Context;
use super::{Code, Error, arn};
use crate::messaging::{Messaging, lock, name_in_arn};
use crate::query::request_id;

/// The most messages a second that can be asked for.
const RATE_LIMIT: u64 = 500;
/// The tasks of a queue that are remembered.
const KEPT: usize = 10;
/// How many messages are moved at once when no rate is asked for.
const AT_ONCE: usize = 1_000;

/// A task, under way or done.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    handle: String,
    status: Status,
    destination: Option<String>,
    /// Messages a second.
    rate: Option<u64>,
    moved: u64,
    to_move: u64,
    failure: Option<String>,
    /// Milliseconds since 1970.
    started: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Start {
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cancel {
    task_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    source_arn: String,
    max_results: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Started {
    task_handle: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelledAfter {
    approximate_number_of_messages_moved: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tasks {
    results: Vec<Task>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    /// Only of a running one, as in SQS.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<u64>,
    approximate_number_of_messages_moved: u64,
    approximate_number_of_messages_to_move: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    started_timestamp: u64,
}

/// Starts a task, which then moves messages in the background, on tokio's clock.
pub(super) fn start(context: &Context<'_>, request: Start) -> Result<Started, Error> {
    let messaging = context.messaging;
    let source = queue_of(context, &request.source_arn, "SourceArn")?;
    let destination = match &request.destination_arn {
        Some(arn) => Some(queue_of(context, arn, "DestinationArn")?),
        None => None,
    };
    let wrong = |message: &str| Error::new(Code::InvalidParameterValue, message);
    if messaging.broker.dead_letter_sources(source).is_empty() {
        return Err(wrong("Source queue must be configured as a Dead Letter Queue."));
    }
    if destination == Some(source) {
        return Err(wrong(
            "Source queue arn and destination queue arn cannot be the same.",
        ));
    }
    if destination.is_some_and(|to| fanfare::is_fifo(to) != fanfare::is_fifo(source)) {
        return Err(wrong("Source and destination queue must be of the same type."));
    }
    let rate = match request.max_number_of_messages_per_second.map(u64::try_from) {
        None => None,
        Some(Ok(rate @ 1..=RATE_LIMIT)) => Some(rate),
        Some(_) => {
            return Err(wrong(
                "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and 500, if \
                 provided.",
            ));
        }
    };
    let counts = messaging.broker.counts(source)?;
    let id = {
        let mut moves = lock(&messaging.moves);
        let tasks = moves.entry(source.to_owned()).or_default();
        if tasks.iter().any(Move::is_active) {
            return Err(Error::new(
                Code::UnsupportedOperation,
                "There is already a task running. Only one active task is allowed for a source queue arn at a given \
                 time.",
            ));
        }
        let id = request_id();
        tasks.insert(
            0,
            Move {
                handle: handle(&id, source),
                status: Status::Running,
                destination: destination.map(str::to_owned),
                rate,
                moved: 0,
                to_move: (counts.visible + counts.delayed) as u64,
                failure: None,
                started: messaging.millis(),
            },
        );
        tasks.truncate(KEPT);
        id
    };
    let handle = handle(&id, source);
    let mover = run(Arc::downgrade(messaging), source.to_owned(), handle.clone(), rate);
    tokio::spawn(mover);
    Ok(Started { task_handle: handle })
}

pub(super) fn cancel(context: &Context<'_>, request: Cancel) -> Result<CancelledAfter, Error> {
    let gone = || Error::new(Code::ResourceNotFound, "Task does not exist.");
    let source = source_of(&request.task_handle).ok_or_else(|| {
        let message = "Value for parameter TaskHandle is invalid.";
        Error::new(Code::InvalidParameterValue, message)
    })?;
    let mut moves = lock(&context.messaging.moves);
    let tasks = moves.get_mut(&source).ok_or_else(gone)?;
    let task = tasks.iter_mut().find(|task| task.handle == request.task_handle);
    let task = task.ok_or_else(gone)?;
    if task.status != Status::Running {
        let message = "Only active tasks can be cancelled.";
        return Err(Error::new(Code::UnsupportedOperation, message));
    }
    task.status = Status::Cancelling;
    Ok(CancelledAfter {
        approximate_number_of_messages_moved: task.moved,
    })
}

pub(super) fn list(context: &Context<'_>, request: List) -> Result<Tasks, Error> {
    let source = queue_of(context, &request.source_arn, "SourceArn")?;
    let number = request.max_results.unwrap_or(1);
    let max = match usize::try_from(number) {
        Ok(max @ 1..=KEPT) => max,
        _ => {
            let reason = "Must be between 1 and 10, if provided.";
            return Err(Error::value("MaxResults", number, reason));
        }
    };
    let moves = lock(&context.messaging.moves);
    let tasks = moves.get(source).into_iter().flatten().take(max);
    Ok(Tasks {
        results: tasks.map(|task| task.shown(source)).collect(),
    })
}

impl Move {
    fn is_active(&self) -> bool {
        matches!(self.status, Status::Running | Status::Cancelling)
    }

    fn shown(&self, source: &str) -> Task {
        let status = match self.status {
            Status::Running => "RUNNING",
            Status::Completed => "COMPLETED",
            Status::Cancelling => "CANCELLING",
            Status::Cancelled => "CANCELLED",
            Status::Failed => "FAILED",
        };
        Task {
            task_handle: (self.status == Status::Running).then(|| self.handle.clone()),
            status,
            source_arn: arn(source),
            destination_arn: self.destination.as_deref().map(arn),
            max_number_of_messages_per_second: self.rate,
            approximate_number_of_messages_moved: self.moved,
            approximate_number_of_messages_to_move: self.to_move,
            failure_reason: self.failure.clone(),
            started_timestamp: self.started,
        }
    }
}

/// Moves messages until there are none, the task is cancelled, or the broker is gone.
async fn run(messaging: Weak<Messaging>, source: String, handle: String, rate: Option<u64>) {
    loop {
        match rate {
            // One at a time, evenly: a receiver sees them come as they would.
            Some(rate) => tokio::time::sleep(Duration::from_micros(1_000_000 / rate)).await,
            None => tokio::task::yield_now().await,
        }
        let Some(messaging) = messaging.upgrade() else {
            return;
        };
        let at_once = if rate.is_some() { 1 } else { AT_ONCE };
        let going_on = step(&messaging, &source, &handle, at_once);
        if !going_on {
            return;
        }
    }
}

/// Moves some, and says whether to go on.
fn step(messaging: &Messaging, source: &str, handle: &str, at_once: usize) -> bool {
    let mut moves = lock(&messaging.moves);
    let tasks = moves.get_mut(source).into_iter().flatten();
    let Some(task) = tasks.into_iter().find(|task| task.handle == handle) else {
        return false;
    };
    if task.status == Status::Cancelling {
        task.status = Status::Cancelled;
        return false;
    }
    let fail = |task: &mut Move, reason: &str| {
        task.status = Status::Failed;
        task.failure = Some(reason.to_owned());
    };
    match messaging
        .broker
        .redrive(source, task.destination.as_deref(), at_once)
    {
        Ok(redriven) => {
            task.moved += redriven.moved as u64;
            if redriven.moved == at_once {
                return true;
            }
            // What could be moved is; SQS too stops at what it can't place.
            match redriven {
                redriven if redriven.unknown > 0 => fail(task, "CouldNotDetermineMessageSource"),
                redriven if redriven.homeless > 0 => fail(task, Code::QueueDoesNotExist.former()),
                _ => task.status = Status::Completed,
            }
        }
        Err(BrokerError::NoQueue(_)) => fail(task, Code::QueueDoesNotExist.former()),
        Err(error) => fail(task, &error.to_string()),
    }
    false
}

fn queue_of<'a>(context: &Context<'_>, arn: &'a str, parameter: &str) -> Result<&'a str, Error> {
    let there = |queue: &&str| context.messaging.broker.has_queue(queue);
    name_in_arn(arn, "sqs").filter(there).ok_or_else(|| {
        let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
        Error::new(Code::ResourceNotFound, message)
    })
}

fn handle(id: &str, source: &str) -> String {
    STANDARD.encode(json!({"taskId": id, "sourceArn": arn(source)}).to_string())
}

fn source_of(handle: &str) -> Option<String> {
    let task: BTreeMap<String, String> = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
    name_in_arn(task.get("sourceArn")?, "sqs").map(str::to_owned)
}

//! SQS's operations, from JSON to JSON.

use std::fmt;
use std::sync::Arc;

use fanfare::fault::Life;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Code, Error, moves, queues, receive, send, settle};
use crate::answer::Answer;
use crate::faults::Faults;
use crate::messaging::Messaging;
use crate::request::Request;

/// An operation of SQS.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// Its name in the API.
    pub(crate) name: &'static str,
    run: Run,
}

/// What an operation has to go by.
pub(super) struct Context<'a> {
    pub(super) messaging: &'a Arc<Messaging>,
    pub(super) request: Request<'a>,
    pub(super) faults: &'a Faults<'a>,
}

impl Context<'_> {
    /// Refuses a call to a queue that isn't there.
    pub(super) fn must_have(&self, queue: &str) -> Result<(), Error> {
        match self.messaging.broker.has_queue(queue) {
            true => Ok(()),
            false => Err(Error::no_queue()),
        }
    }
}

#[derive(Clone, Copy)]
enum Run {
    AtOnce(fn(&Context<'_>) -> Result<Vec<u8>, Error>),
    /// Receiving, which waits.
    Receive,
}

macro_rules! operations {
    ($($name:literal $run:path,)*) => {
        &[
            $(Operation {
                name: $name,
                run: Run::AtOnce(|context| {
                    let answer = $run(context, read(context.request.body)?)?;
                    write(&answer)
                }),
            },)*
            Operation {
                name: "ReceiveMessage",
                run: Run::Receive,
            },
        ]
    };
}

const OPERATIONS: &[Operation] = operations! {
    "SendMessage" send::send,
    "SendMessageBatch" send::send_batch,
    "DeleteMessage" settle::delete,
    "DeleteMessageBatch" settle::delete_batch,
    "ChangeMessageVisibility" settle::change_visibility,
    "ChangeMessageVisibilityBatch" settle::change_visibility_batch,
    "GetQueueUrl" queues::get_url,
    "GetQueueAttributes" queues::get_attributes,
    "SetQueueAttributes" queues::set_attributes,
    "CreateQueue" queues::create,
    "DeleteQueue" queues::delete,
    "PurgeQueue" queues::purge,
    "ListQueues" queues::list,
    "ListDeadLetterSourceQueues" queues::list_dead_letter_sources,
    "TagQueue" queues::tag,
    "UntagQueue" queues::untag,
    "ListQueueTags" queues::list_tags,
    "StartMessageMoveTask" moves::start,
    "CancelMessageMoveTask" moves::cancel,
    "ListMessageMoveTasks" moves::list,
};

/// An answer without members.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

impl Operation {
    /// The operation of this name.
    ///
    /// # Errors
    /// SQS's answer to one that isn't there.
    pub(crate) fn of_name(name: &str) -> Result<Self, Answer> {
        let found = OPERATIONS.iter().find(|operation| operation.name == name);
        found.copied().ok_or_else(|| {
            let known: Vec<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
            Answer::unknown_operation(&format!(
                "the local SQS has no operation {name:?}; it has {}",
                known.join(", ")
            ))
        })
    }

    /// Makes the call. What waits is dropped when the life is over: it takes nothing any more.
    pub(crate) async fn run(
        self,
        messaging: &Arc<Messaging>,
        request: Request<'_>,
        faults: &Faults<'_>,
        life: &Life,
    ) -> Answer {
        let context = Context {
            messaging,
            request,
            faults,
        };
        let answer = match self.run {
            Run::AtOnce(run) => run(&context),
            Run::Receive => tokio::select! {
                biased;
                () = life.killed() => std::future::pending().await,
                answer = receive(&context) => answer,
            },
        };
        answer.map_or_else(Answer::from, Answer::success)
    }
}

async fn receive(context: &Context<'_>) -> Result<Vec<u8>, Error> {
    let answer = receive::receive(context, read(context.request.body)?).await?;
    write(&answer)
}

fn read<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, Error> {
    // Of no members at all some clients write no body.
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Error::unreadable(&error))
}

fn write(answer: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(answer).map_err(|error| Error::new(Code::InternalError, error.to_string()))
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

//! DynamoDB's operations, from JSON to JSON.

use dynoxide::actions::execute_transaction::ExecuteTransactionRequest;
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::token::MAX_TOKEN_LENGTH;
use crate::answer::Answer;

type Run = fn(&Database, &[u8]) -> Result<Vec<u8>, DynoxideError>;

/// An operation of DynamoDB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// Its name in the API.
    pub(crate) name: &'static str,
    run: Run,
}

macro_rules! operations {
    ($($name:literal $method:ident,)*) => {
        &[$(Operation {
            name: $name,
            run: |database, body| answer(read(body)?, |request| database.$method(request)),
        },)*]
    };
}

const OPERATIONS: &[Operation] = operations! {
    "GetItem" get_item,
    "PutItem" put_item,
    "UpdateItem" update_item,
    "DeleteItem" delete_item,
    "Query" query,
    "Scan" scan,
    "BatchGetItem" batch_get_item,
    "BatchWriteItem" batch_write_item,
    "TransactGetItems" transact_get_items,
    "CreateTable" create_table,
    "DeleteTable" delete_table,
    "DescribeTable" describe_table,
    "ListTables" list_tables,
    "UpdateTable" update_table,
    "UpdateTimeToLive" update_time_to_live,
    "DescribeTimeToLive" describe_time_to_live,
    "TagResource" tag_resource,
    "UntagResource" untag_resource,
    "ListTagsOfResource" list_tags_of_resource,
    "ExecuteStatement" execute_statement,
    "BatchExecuteStatement" batch_execute_statement,
    "ListStreams" list_streams,
    "DescribeStream" describe_stream,
    "GetShardIterator" get_shard_iterator,
    "GetRecords" get_records,
    "SearchVectors" search_vectors,
};

/// Those that take a token. The database's own handling of it looks at every token of the last ten
/// minutes in each call (milliseconds after some ten thousand), so that it doesn't get to see it.
const WITH_TOKEN: [Operation; 2] = [
    Operation {
        name: "TransactWriteItems",
        run: |database, body| {
            let mut request: TransactWriteItemsRequest = read(body)?;
            strip(&mut request.client_request_token);
            answer(request, |request| database.transact_write_items(request))
        },
    },
    Operation {
        name: "ExecuteTransaction",
        run: |database, body| {
            let mut request: ExecuteTransactionRequest = read(body)?;
            strip(&mut request.client_request_token);
            answer(request, |request| database.execute_transaction(request))
        },
    },
];

impl Operation {
    /// The operation that the header `x-amz-target` names.
    ///
    /// # Errors
    /// DynamoDB's answer to one that isn't there.
    pub(crate) fn of_target(target: &str) -> Result<Self, Answer> {
        let name = target.split_once('.').map_or(target, |(_service, name)| name);
        WITH_TOKEN
            .iter()
            .chain(OPERATIONS)
            .find(|operation| operation.name == name)
            .copied()
            .ok_or_else(|| {
                let known: Vec<_> = WITH_TOKEN
                    .iter()
                    .chain(OPERATIONS)
                    .map(|operation| operation.name)
                    .collect();
                Answer::unknown_operation(&format!(
                    "the embedded DynamoDB has no operation {name:?}; it has {}",
                    known.join(", ")
                ))
            })
    }

    /// Whether a token makes it idempotent.
    pub(super) fn takes_token(self) -> bool {
        WITH_TOKEN.iter().any(|operation| operation.name == self.name)
    }

    /// Runs it.
    pub(super) fn run(self, database: &Database, body: &[u8]) -> Answer {
        match (self.run)(database, body) {
            Ok(body) => Answer::success(body),
            Err(DynoxideError::EnvelopedValidation(message)) if self.is_single_write() => {
                DynoxideError::ValidationException(format!("1 validation error detected: {message}")).into()
            }
            Err(error) => error.into(),
        }
    }

    /// Whether it is a transaction.
    pub(super) fn is_transaction(self) -> bool {
        self.takes_token() || self.name == "TransactGetItems"
    }

    /// Whether it writes one item.
    fn is_single_write(self) -> bool {
        matches!(self.name, "PutItem" | "UpdateItem" | "DeleteItem")
    }
}

/// A token that is too long stays, for the database to refuse it in DynamoDB's words.
fn strip(token: &mut Option<String>) {
    token.take_if(|token| token.len() <= MAX_TOKEN_LENGTH);
}

fn answer<Q, A: Serialize>(
    request: Q,
    call: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<Vec<u8>, DynoxideError> {
    serde_json::to_vec(&call(request)?)
        .map_err(|error| DynoxideError::InternalServerError(format!("the answer can't be written: {error}")))
}

fn read<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))
}

/// What DynamoDB answers to a body that its types can't hold. The database's types mark their own
/// errors with its kind; of the others, only some are worded as by DynamoDB.
fn unreadable(error: &str) -> DynoxideError {
    let (marker, message) = match error.split_once(':') {
        Some((marker @ ("VALIDATION" | "VALIDATION_REQUEST" | "SERIALIZATION"), message)) => {
            (marker, message.split(" at line ").next().unwrap_or(message))
        }
        Some((marker @ ("VALIDATION_AS_READ" | "SERIALIZATION_AS_READ"), message)) => (marker, message),
        _ => ("", error),
    };
    let message = message.to_owned();
    match marker {
        "VALIDATION_REQUEST" => DynoxideError::EnvelopedValidation(message),
        "VALIDATION" | "VALIDATION_AS_READ" => DynoxideError::ValidationException(message),
        "" if [
            "missing field",
            "unknown variant",
            "invalid type: null",
            "AttributeValue",
        ]
        .iter()
        .any(|known| message.contains(known)) =>
        {
            DynoxideError::ValidationException(message)
        }
        _ => DynoxideError::SerializationException(message),
    }
}

//! Who has made which call on what, as permissions name it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fanfare::Account;
use serde_json::Value;

use crate::messaging::{ACCOUNT, REGION, lock};
use crate::query::Form;
use crate::request::Request;

/// A call that somebody has made, as permissions name it: of a batch the permission for its entries, and of
/// a transaction those for its parts.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// use fanfare_local::Local;
///
/// let local = Local::new()?.recording();
/// let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
/// sqs.create_queue().queue_name("billing").send().await?;
/// let recorded = local.recorded();
/// let made = recorded.first().expect("a call was made");
/// assert_eq!((&*made.by, &*made.action), ("test", "sqs:CreateQueue"));
/// assert_eq!(made.resource, "arn:aws:sqs:us-east-1:000000000000:billing");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    /// The access key that the request was signed with; empty without one.
    pub by: String,
    /// The permission, such as `sqs:SendMessage`.
    pub action: String,
    /// The ARN of the resource, or `*` where there is none.
    pub resource: String,
}

/// What was called, each once. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<BTreeSet<Recorded>>>);

impl Recorder {
    pub(crate) fn all(&self) -> BTreeSet<Recorded> {
        lock(&self.0).clone()
    }

    /// Notes a call of this service and operation.
    pub(crate) fn note(&self, service: &str, operation: &str, request: Request<'_>) {
        let by = request.credential.map_or("", |credential| credential.access_key);
        for (operation, resource) in permissions(service, operation, request.body) {
            lock(&self.0).insert(Recorded {
                by: by.to_owned(),
                action: format!("{service}:{operation}"),
                resource,
            });
        }
    }
}

/// The permissions that a call needs, each with the resource.
fn permissions(service: &str, operation: &str, body: &[u8]) -> Vec<(String, String)> {
    let body_of = || serde_json::from_slice(body).unwrap_or(Value::Null);
    match service {
        "dynamodb" => of_dynamo(operation, &body_of()),
        "sqs" => {
            let singular = operation.strip_suffix("Batch").unwrap_or(operation);
            vec![(singular.to_owned(), queue(&body_of()))]
        }
        "sns" => {
            let singular = operation.strip_suffix("Batch").unwrap_or(operation);
            vec![(singular.to_owned(), topic(&Form::parse(body)))]
        }
        _ => vec![(operation.to_owned(), ANY.to_owned())],
    }
}

const ANY: &str = "*";

fn of_dynamo(operation: &str, body: &Value) -> Vec<(String, String)> {
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let parts = body["TransactItems"].as_array().into_iter().flatten();
            let parts = parts.filter_map(Value::as_object).flatten();
            // `Put` is allowed by `PutItem`, and so on.
            parts
                .map(|(kind, part)| (format!("{kind}Item"), table(part)))
                .collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables
                .map(|(name, _)| (operation.to_owned(), table_arn(name)))
                .collect()
        }
        _ => vec![(operation.to_owned(), table(body))],
    }
}

/// The table, index or stream that a request is about.
fn table(body: &Value) -> String {
    let text = |name: &str| body[name].as_str();
    match (text("TableName"), text("IndexName")) {
        (Some(table), None) => table_arn(table),
        (Some(table), Some(index)) => format!("{}/index/{index}", table_arn(table)),
        (None, _) => text("StreamArn")
            .or(text("ResourceArn"))
            .unwrap_or(ANY)
            .to_owned(),
    }
}

/// By its name, or by its ARN.
fn table_arn(table: &str) -> String {
    match table.starts_with("arn:") {
        true => table.to_owned(),
        false => format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"),
    }
}

fn queue(body: &Value) -> String {
    let text = |name: &str| body[name].as_str();
    let name = text("QueueName").or_else(|| text("QueueUrl")?.rsplit('/').next());
    match (name, account()) {
        (Some(name), Some(account)) => account.queue_arn(name),
        _ => text("SourceArn").unwrap_or(ANY).to_owned(),
    }
}

fn topic(form: &Form<'_>) -> String {
    if let (Some(name), Some(account)) = (form.get("Name"), account()) {
        return account.topic_arn(name);
    }
    // A subscription is allowed by its topic, whose ARN its own begins with.
    let of_subscription = || Some(form.get("SubscriptionArn")?.rsplit_once(':')?.0);
    let topic = form.get("TopicArn").or(form.get("TargetArn"));
    let topic = topic.or(form.get("ResourceArn")).or_else(of_subscription);
    topic.unwrap_or(ANY).to_owned()
}

fn account() -> Option<Account> {
    Account::new("aws", REGION, ACCOUNT).ok()
}

#[cfg(test)]
mod tests {
    use super::permissions;

    fn of(service: &str, operation: &str, body: &str) -> Vec<String> {
        let all = permissions(service, operation, body.as_bytes());
        all.into_iter()
            .map(|(action, resource)| {
                format!("{action} {}", resource.replace(":us-east-1:000000000000:", "::"))
            })
            .collect()
    }

    #[test]
    fn a_transaction_needs_the_permissions_of_its_parts() {
        let body = r#"{"TransactItems": [
            {"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}, {"Update": {"TableName": "a"}}]}"#;
        assert_eq!(
            of("dynamodb", "TransactWriteItems", body),
            [
                "PutItem arn:aws:dynamodb::table/a",
                "ConditionCheckItem arn:aws:dynamodb::table/b",
                "UpdateItem arn:aws:dynamodb::table/a"
            ]
        );
    }

    #[test]
    fn a_batch_needs_the_permission_of_one_entry_but_for_dynamodb() {
        let queue = r#"{"QueueUrl": "http://127.0.0.1:1/000000000000/q", "Entries": []}"#;
        assert_eq!(
            of("sqs", "SendMessageBatch", queue),
            ["SendMessage arn:aws:sqs::q"]
        );
        let topic = "Action=PublishBatch&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At";
        assert_eq!(of("sns", "PublishBatch", topic), ["Publish arn:aws:sns::t"]);
        let tables = r#"{"RequestItems": {"a": {}, "b": {}}}"#;
        assert_eq!(
            of("dynamodb", "BatchGetItem", tables),
            [
                "BatchGetItem arn:aws:dynamodb::table/a",
                "BatchGetItem arn:aws:dynamodb::table/b"
            ]
        );
    }

    #[test]
    fn what_is_named_otherwise_is_found_too() {
        assert_eq!(
            of("sqs", "GetQueueUrl", r#"{"QueueName": "q"}"#),
            ["GetQueueUrl arn:aws:sqs::q"]
        );
        assert_eq!(of("sqs", "ListQueues", "{}"), ["ListQueues *"]);
        let query = r#"{"TableName": "a", "IndexName": "i"}"#;
        assert_eq!(
            of("dynamodb", "Query", query),
            ["Query arn:aws:dynamodb::table/a/index/i"]
        );
        let subscription = "SubscriptionArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At%3A17";
        assert_eq!(
            of("sns", "Unsubscribe", subscription),
            ["Unsubscribe arn:aws:sns::t"]
        );
        assert_eq!(of("sts", "GetCallerIdentity", ""), ["GetCallerIdentity *"]);
    }
}

//! Who may send to a queue or a topic, and how.

use serde_json::{Value, json};

/// The policy of a queue (its ARN) that takes messages from exactly these topics (their ARNs), and
/// refuses every call that isn't encrypted on its way.
///
/// ```
/// use fanfare::{Account, topology::queue_policy};
/// let account = Account::new("aws", "eu-central-1", "123456789012")?;
/// let policy = queue_policy(&account.queue_arn("shop-billing"), &[account.topic_arn("shop-orders")]);
/// assert_eq!(policy["Statement"][0]["Action"], "sqs:SendMessage");
/// assert_eq!(policy["Statement"][1]["Effect"], "Deny");
/// # Ok::<(), fanfare::AccountError>(())
/// ```
pub fn queue_policy(queue: &str, topics: &[String]) -> Value {
    let allowed = (!topics.is_empty()).then(|| {
        json!({
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
        })
    });
    let statements: Vec<_> = allowed.into_iter().chain([encrypted("sqs:*", queue)]).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The policy of a topic (its ARN) that refuses what is published to it without encryption on its way.
/// Who may publish is left to the roles of the account.
///
/// ```
/// use fanfare::{Account, topology::topic_policy};
/// let account = Account::new("aws", "eu-central-1", "123456789012")?;
/// let policy = topic_policy(&account.topic_arn("shop-orders"));
/// assert_eq!(policy["Statement"][0]["Action"], "sns:Publish");
/// # Ok::<(), fanfare::AccountError>(())
/// ```
pub fn topic_policy(topic: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [encrypted("sns:Publish", topic)]})
}

/// Nobody may do this without TLS.
fn encrypted(action: &str, resource: &str) -> Value {
    json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

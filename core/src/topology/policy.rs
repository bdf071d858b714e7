//! Who may send to a queue.

use serde_json::{Value, json};

/// The policy of a queue (its ARN) that takes messages from exactly these topics (their ARNs).
///
/// ```
/// use fanfare::{Account, topology::queue_policy};
/// let account = Account::new("aws", "eu-central-1", "123456789012")?;
/// let policy = queue_policy(&account.queue_arn("shop-billing"), &[account.topic_arn("shop-orders")]);
/// assert_eq!(policy["Statement"][0]["Action"], "sqs:SendMessage");
/// # Ok::<(), fanfare::AccountError>(())
/// ```
pub fn queue_policy(queue: &str, topics: &[String]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
        }],
    })
}

//! Whoever can publish to SNS is a producer, and whoever can call SQS an operator.

use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_sns::types::MessageAttributeValue;
use aws_sdk_sqs::types::Message;
use fanfare::port::DEAD_LETTER_ATTRIBUTE;
use serde_json::{Value, json};
use shop::tables::LEDGER;
use tokio::time::Instant;

use crate::crew::Running;
use crate::stage::Stage;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

const QUEUE: &str = "shop-payment";
const DEAD_LETTERS: &str = "shop-payment-dlq";

/// An event as somebody writes it who has never heard of fanfare.
fn placed(order_id: &str) -> String {
    json!({
        "specversion": "1.0",
        "id": format!("by-hand-{order_id}"),
        "source": "/by-hand",
        "type": "order.placed",
        "data": { "order": {
            "order_id": order_id, "customer_id": "00004", "placed_on": "1997-01-01", "quantity": 1, "total_cents": 100,
        } },
    })
    .to_string()
}

struct Operator<'a> {
    stage: &'a Stage,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl<'a> Operator<'a> {
    fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            sns: aws_sdk_sns::Client::new(stage.aws.config()),
            sqs: aws_sdk_sqs::Client::new(stage.aws.config()),
        }
    }

    /// `aws sns publish`, with the one attribute that filter policies look at.
    async fn publish(&self, body: &str) -> anyhow::Result<()> {
        let ty = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("order.placed")
            .build()?;
        let call = self
            .sns
            .publish()
            .topic_arn(self.stage.aws.account().topic_arn("shop-orders"));
        call.message(body).message_attributes("type", ty).send().await?;
        Ok(())
    }

    async fn url(&self, queue: &str) -> anyhow::Result<String> {
        let url = self.sqs.get_queue_url().queue_name(queue).send().await?;
        url.queue_url.context("a URL")
    }

    /// Takes a message out of the dead letters, as soon as there is one.
    async fn dead_letter(&self) -> anyhow::Result<(Message, Value)> {
        let url = self.url(DEAD_LETTERS).await?;
        let since = Instant::now();
        loop {
            let call = self.sqs.receive_message().queue_url(&url).wait_time_seconds(5);
            let received = call
                .message_attribute_names("All")
                .visibility_timeout(0)
                .send()
                .await?;
            if let Some(message) = received.messages.unwrap_or_default().pop() {
                let attributes = message.message_attributes.clone().unwrap_or_default();
                let reason = attributes
                    .get(DEAD_LETTER_ATTRIBUTE)
                    .and_then(|value| value.string_value());
                let reason = serde_json::from_str(reason.context("a dead letter without its reason")?)?;
                return Ok((message, reason));
            }
            ensure!(since.elapsed() < PATIENCE, "no dead letter");
        }
    }

    /// How many entries the ledger has for an order, once there is one.
    async fn charged(&self, order_id: &str) -> anyhow::Result<usize> {
        let since = Instant::now();
        loop {
            let entries = LEDGER.scan(&self.stage.aws.dynamo()).await?;
            let of_order = entries
                .iter()
                .filter(|entry| entry["order_id"].as_s().is_ok_and(|id| id == order_id));
            match of_order.count() {
                0 => ensure!(since.elapsed() < PATIENCE, "{order_id} was not charged"),
                entries => return Ok(entries),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn a_cloud_event_published_by_hand_is_handled_once() -> anyhow::Result<()> {
    let stage = Stage::provisioned().await?;
    let operator = Operator::new(&stage);
    let worker = Running::start(&stage, &["worker", "payment", "--poll", "2"]).await?;
    operator.publish(&placed("first")).await?;
    assert_eq!(operator.charged("first").await?, 1);
    // The same event again, and one behind it that shows when that one is through.
    operator.publish(&placed("first")).await?;
    operator.publish(&placed("second")).await?;
    assert_eq!(operator.charged("second").await?, 1);
    let lines = worker.stop().await?;
    ensure!(
        lines.iter().any(|line| line.contains("duplicates=1")),
        "{lines:?}"
    );
    assert_eq!(operator.charged("first").await?, 1);
    Ok(())
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn a_body_that_is_no_event_becomes_a_dead_letter_with_its_reason_and_a_move_brings_it_back()
-> anyhow::Result<()> {
    let stage = Stage::provisioned().await?;
    let operator = Operator::new(&stage);
    let worker = Running::start(&stage, &["worker", "payment", "--poll", "2"]).await?;
    operator.publish("this is no event").await?;
    let (dead, reason) = operator.dead_letter().await?;
    assert_eq!(dead.body(), Some("this is no event"));
    assert_eq!(
        (&reason["consumer"], &reason["times"]),
        (&json!("payment"), &json!(1)),
        "{reason}"
    );
    ensure!(
        reason["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{reason}"
    );

    // Beside it what somebody has mended.
    let url = operator.url(DEAD_LETTERS).await?;
    operator
        .sqs
        .send_message()
        .queue_url(url)
        .message_body(placed("mended"))
        .send()
        .await?;
    let account = stage.aws.account();
    operator
        .sqs
        .start_message_move_task()
        .source_arn(account.queue_arn(DEAD_LETTERS))
        .destination_arn(account.queue_arn(QUEUE))
        .send()
        .await?;
    assert_eq!(operator.charged("mended").await?, 1);
    let since = Instant::now();
    loop {
        let (dead, reason) = operator.dead_letter().await?;
        assert_eq!(dead.body(), Some("this is no event"));
        if reason["times"] == 2 {
            break;
        }
        ensure!(since.elapsed() < PATIENCE, "it was not brought back: {reason}");
    }
    worker.stop().await?;
    Ok(())
}

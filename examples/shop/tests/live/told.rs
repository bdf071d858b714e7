//! Processes that are told by their environment where queues and topics are, as the template does.

use anyhow::{Context, ensure};
use serde_json::Value;
use shop::aws::{ACCOUNT, RESOURCES};

use crate::crew::Running;
use crate::stage::{Stage, output, said};

const WORDS: [&str; 4] = ["worker", "payment", "--poll", "1"];

/// The environment of a task, as CloudFormation fills it in.
fn environment(stage: &Stage, template: &Value, task: &str) -> anyhow::Result<Vec<(String, String)>> {
    let resources = template["Resources"].as_object().context("resources")?;
    let container = &resources[task]["Properties"]["ContainerDefinitions"][0];
    let variables = container["Environment"].as_array().context("an environment")?;
    let account = stage.aws.account();
    let filled = |value: &Value| {
        if let Some(text) = value.as_str() {
            return Ok(text.to_owned());
        }
        if value["Ref"] == "AWS::AccountId" {
            return Ok(account.id().to_owned());
        }
        let mut text = value["Fn::Sub"].as_str().context("a text")?.to_owned();
        for (id, resource) in resources {
            let name = |property: &str| resource["Properties"][property].as_str();
            let known = match resource["Type"].as_str() {
                Some("AWS::SQS::Queue") => name("QueueName").map(|name| account.queue_url(name)),
                Some("AWS::SNS::Topic") => name("TopicName").map(|name| account.topic_arn(name)),
                _ => None,
            };
            if let Some(known) = known {
                text = text.replace(&format!("${{{id}}}"), &known);
            }
        }
        ensure!(!text.contains("${"), "{text}");
        Ok(text)
    };
    let variables = variables.iter();
    let variables = variables.map(|variable| {
        let name = variable["Name"].as_str().context("a name")?;
        Ok((name.to_owned(), filled(&variable["Value"])?))
    });
    variables.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_where_its_queues_are_asks_nobody_for_that() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let environment = environment(&stage, &stage.template(&[])?, "PaymentTask")?;
    let all = environment.iter().find(|(name, _)| name == RESOURCES);
    let all: Value = serde_json::from_str(&all.context("it is told")?.1)?;
    for queue in ["shop-payment", "shop-payment-dlq"] {
        ensure!(all["queues"][queue].is_string(), "{all}");
    }
    assert_eq!(
        all["topics"].as_object().map(serde_json::Map::len),
        Some(5),
        "{all}"
    );

    let mut command = stage.shop(&WORDS);
    command.envs(environment.clone());
    let mut worker = Running::of(WORDS.join(" "), command)?;
    worker.line("ready").await?;
    worker.stop().await?;
    let called = stage.local().context("it is embedded")?.recorded();
    let called: Vec<_> = called.iter().filter(|call| call.by == "payment").collect();
    let received = called.iter().any(|call| call.action == "sqs:ReceiveMessage");
    ensure!(received, "{called:?}");
    let asked = called
        .iter()
        .filter(|call| ["sqs:GetQueueUrl", "sts:GetCallerIdentity"].contains(&call.action.as_str()));
    assert_eq!(asked.count(), 0, "{called:?}");

    let elsewhere =
        r#"{"queues": {"shop-payment": "https://sqs.us-east-1.amazonaws.com/000000000000/none"}}"#;
    for (name, value, expected) in [
        (RESOURCES, elsewhere, "no queue `shop-payment`"),
        (RESOURCES, "{", "it doesn't say what was deployed"),
        (ACCOUNT, "12", "SHOP_ACCOUNT=12"),
    ] {
        let mut command = stage.shop(&WORDS);
        command.envs(environment.clone()).env(name, value);
        let output = output(command).await?;
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        ensure!(said(&output).contains(expected), "{name}: {}", said(&output));
    }
    Ok(())
}

//! What the template's alarms and graphs of our own look at is what the shop's processes write.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use fanfare::metric;
use serde_json::{Value, json};
use shop::functions::RELAY;
use shop::process::METRICS;

use crate::bootstrap::Bootstrap;
use crate::crew::Running;
use crate::stage::Stage;

/// A metric as CloudWatch knows it: its namespace, its name, and its dimensions with their values.
type Metric = (String, String, BTreeSet<(String, String)>);

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().with_context(|| value.to_string())?.to_owned())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The metrics that are in these lines, as CloudWatch finds them there.
fn written(lines: &[String]) -> anyhow::Result<BTreeSet<Metric>> {
    let mut found = BTreeSet::new();
    let lines = lines.iter().filter_map(|line| serde_json::from_str(line).ok());
    for line in lines.collect::<Vec<Value>>() {
        for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
            for dimensions in list(&directive["Dimensions"]) {
                let dimensions = list(dimensions).iter().map(|name| {
                    let name = text(name)?;
                    Ok((name.clone(), text(&line[&name])?))
                });
                let dimensions = dimensions.collect::<anyhow::Result<BTreeSet<_>>>()?;
                for metric in list(&directive["Metrics"]) {
                    let name = text(&metric["Name"])?;
                    let value = &line[&name];
                    ensure!(value.is_number() || value.is_array(), "{name}: {value}");
                    found.insert((text(&directive["Namespace"])?, name, dimensions.clone()));
                }
            }
        }
    }
    Ok(found)
}

/// What the template's alarms and graphs in the application's own namespace are on.
fn watched(template: &Value) -> anyhow::Result<BTreeSet<Metric>> {
    let mut watched = BTreeSet::new();
    for resource in template["Resources"].as_object().context("resources")?.values() {
        let properties = &resource["Properties"];
        if resource["Type"] == "AWS::CloudWatch::Alarm" && properties["Namespace"] == shop::NAME {
            let dimensions = list(&properties["Dimensions"]).iter();
            let dimensions = dimensions.map(|each| Ok((text(&each["Name"])?, text(&each["Value"])?)));
            watched.insert((
                text(&properties["Namespace"])?,
                text(&properties["MetricName"])?,
                dimensions.collect::<anyhow::Result<_>>()?,
            ));
        }
        if resource["Type"] == "AWS::CloudWatch::Dashboard" {
            let body: Value = serde_json::from_str(&text(&properties["DashboardBody"]["Fn::Sub"])?)?;
            let widgets = list(&body["widgets"]).iter();
            for graph in widgets.flat_map(|widget| list(&widget["properties"]["metrics"])) {
                // Namespace, name, and each dimension with its value; the last one is how it is drawn.
                let texts = list(graph).iter().filter_map(Value::as_str).map(str::to_owned);
                let texts: Vec<_> = texts.collect();
                if texts[0] == shop::NAME {
                    let pairs = texts[2..]
                        .chunks(2)
                        .map(|pair| (pair[0].clone(), pair[1].clone()));
                    watched.insert((texts[0].clone(), texts[1].clone(), pairs.collect()));
                }
            }
        }
    }
    ensure!(watched.len() == 3, "pending, oldest and parked: {watched:?}");
    Ok(watched)
}

fn held(template: &Value, lines: &[String]) -> anyhow::Result<()> {
    let written = written(lines)?;
    for metric in watched(template)? {
        ensure!(
            written.contains(&metric),
            "{metric:?} is watched, and this is written: {written:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outbox_s_alarms_and_graphs_are_on_what_the_relay_writes() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?.with(METRICS, "1");
    stage.provision().await?;
    let mut service = Running::start(&stage, &["relay"]).await?;
    service.line(metric::OUTBOX_OLDEST).await?;
    held(&stage.template(&[])?, &service.stop().await?)?;

    let mut function = Bootstrap::start(&stage, RELAY, RELAY).await?;
    let answer = function.invoke(json!({"Records": []})).await;
    ensure!(answer.is_ok(), "{answer:?}");
    function.process.line(metric::OUTBOX_OLDEST).await?;
    held(&stage.template(&[RELAY])?, &function.process.lines())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_writes_what_it_has_measured_when_it_ends_and_only_if_it_is_told_to() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let words = ["worker", "payment", "--poll", "1"];
    let silent = Running::start(&stage, &words).await?.stop().await?;
    ensure!(written(&silent)?.is_empty(), "{silent:?}");
    // It doesn't run for so long.
    let stage = stage.with(METRICS, "600");
    let lines = Running::start(&stage, &words).await?.stop().await?;
    let written = written(&lines)?;
    let in_flight = written.iter().find(|(_, name, _)| name == metric::IN_FLIGHT);
    let (namespace, _, dimensions) = in_flight.with_context(|| format!("{lines:?}"))?;
    assert_eq!(namespace, shop::NAME);
    let consumer = (metric::CONSUMER.to_owned(), "payment".to_owned());
    ensure!(dimensions.contains(&consumer), "{dimensions:?}");
    Ok(())
}

//! Every alarm and every graph is on something that is measured, of something that is there.

use std::collections::BTreeSet;

use fanfare::topology::{FunctionSettings, Hosting, ServiceSettings};
use serde_json::Value;

use crate::{json, of, template, topology};

/// What AWS measures, by its own lists; of each only what is of use here. (SQS: "Available CloudWatch metrics for
/// Amazon SQS"; Lambda: "Types of metrics for Lambda functions"; DynamoDB: "DynamoDB Metrics and dimensions"; ECS:
/// "Amazon ECS CloudWatch metrics".)
const AWS: [(&str, &[&str], &[&str]); 4] = [
    (
        "AWS/SQS",
        &["QueueName"],
        &[
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfMessagesSent",
            "NumberOfMessagesDeleted",
        ],
    ),
    (
        "AWS/Lambda",
        &["FunctionName"],
        &["Errors", "Throttles", "IteratorAge", "Invocations", "Duration"],
    ),
    (
        "AWS/DynamoDB",
        &["TableName"],
        &["ReadThrottleEvents", "WriteThrottleEvents"],
    ),
    (
        "AWS/ECS",
        &["ClusterName", "ServiceName"],
        &["CPUUtilization", "MemoryUtilization"],
    ),
];

/// That this metric is measured, of these dimensions.
fn measured(
    who: &str,
    namespace: &str,
    name: &str,
    dimensions: &[(String, String)],
    there: &BTreeSet<String>,
) {
    // Held against what the shop's processes write, by `tests/live/measured.rs`.
    if namespace == shop::NAME {
        return;
    }
    let known = AWS.iter().find(|(known, _, _)| *known == namespace);
    let (_, keys, names) = known.unwrap_or_else(|| panic!("{who}: {namespace}"));
    assert!(names.contains(&name), "{who}: {namespace} has no {name}");
    let of: Vec<_> = dimensions.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(of, *keys, "{who}");
    for (key, value) in dimensions {
        assert!(there.contains(value), "{who}: there is no {key} {value}");
    }
}

/// The names of what is there.
fn names(template: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["${Cluster}".to_owned()]);
    for (kind, name) in [
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::Lambda::Function", "FunctionName"),
        ("AWS::DynamoDB::Table", "TableName"),
        ("AWS::ECS::Service", "ServiceName"),
    ] {
        let found = of(template, kind).into_values();
        names.extend(found.map(|properties| properties[name].as_str().unwrap().to_owned()));
    }
    names
}

#[test]
fn alarms_are_on_what_is_measured() {
    let template = json();
    let there = names(&template);
    for (id, alarm) in of(&template, "AWS::CloudWatch::Alarm") {
        let metrics: Vec<&Value> = match &alarm["Metrics"] {
            Value::Null => vec![alarm],
            metrics => {
                let metrics = metrics.as_array().unwrap().iter();
                metrics
                    .filter_map(|metric| metric.pointer("/MetricStat/Metric"))
                    .collect()
            }
        };
        assert!(!metrics.is_empty(), "{id}");
        for metric in metrics {
            let dimensions = metric["Dimensions"].as_array().unwrap().iter();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let dimensions: Vec<_> = dimensions
                .map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"])))
                .collect();
            let (namespace, name) = (text(&metric["Namespace"]), text(&metric["MetricName"]));
            measured(id, &namespace, &name, &dimensions, &there);
        }
    }
}

#[test]
fn where_nothing_is_measured_only_a_silent_service_of_the_relay_is_bad() {
    let outbox = |relay: Hosting| {
        let mut topology = topology();
        topology.relay = Some(relay);
        let template = template(&topology).json().unwrap();
        let alarms = of(&template, "AWS::CloudWatch::Alarm");
        let missing = |id: &str| alarms[id]["TreatMissingData"].as_str().unwrap().to_owned();
        [missing("OutboxUnsentAlarm"), missing("OutboxParkedAlarm")]
    };
    let service = Hosting::Service(ServiceSettings::default());
    assert_eq!(outbox(service), ["breaching", "ignore"]);
    // It isn't invoked where there is nothing to send.
    let function = Hosting::Function(FunctionSettings::default());
    assert_eq!(outbox(function), ["notBreaching", "ignore"]);
}

#[test]
fn without_a_relay_nobody_measures_the_outbox_and_nothing_watches_it() {
    let mut topology = topology();
    topology.relay = None;
    let template = template(&topology).yaml().unwrap();
    assert!(!template.contains("fanfare.outbox"), "{template}");
}

#[test]
fn every_queue_of_dead_letters_has_one_and_every_consumer_s_age_its_objective() {
    let template = json();
    let alarms = of(&template, "AWS::CloudWatch::Alarm");
    let on = |metric: &str| -> BTreeSet<&str> {
        let alarms = alarms.values().filter(|alarm| alarm["MetricName"] == metric);
        alarms
            .map(|alarm| alarm["Dimensions"][0]["Value"].as_str().unwrap())
            .collect()
    };
    let waiting = on("ApproximateNumberOfMessagesVisible");
    let old = on("ApproximateAgeOfOldestMessage");
    for queue in of(&template, "AWS::SQS::Queue").into_values() {
        let name = queue["QueueName"].as_str().unwrap();
        // Only what a consumer works on has another queue to go to.
        let is_own = queue.get("RedrivePolicy").is_some();
        assert_eq!(waiting.contains(name), !is_own, "{name}");
        assert_eq!(old.contains(name), is_own, "{name}");
    }
}

#[test]
fn the_dashboard_is_json_with_a_row_a_consumer() {
    let template = json();
    let there = names(&template);
    let body = &of(&template, "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"];
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    let mut width = 0;
    for widget in widgets {
        let title = widget["properties"]["title"].as_str().unwrap();
        width += widget["width"].as_u64().unwrap();
        for graph in widget["properties"]["metrics"].as_array().unwrap() {
            let graph: Vec<_> = graph
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let dimensions: Vec<_> = graph[2..]
                .chunks(2)
                .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
                .collect();
            measured(title, graph[0], graph[1], &dimensions, &there);
        }
    }
    let consumers = topology().consumers;
    // 24 is a row.
    assert_eq!(width, 24 * (consumers.len() as u64 + 1));
    for consumer in consumers {
        let title = format!("{}: ", consumer.name);
        let row = widgets.iter().filter(|widget| {
            widget["properties"]["title"]
                .as_str()
                .unwrap()
                .starts_with(&title)
        });
        assert_eq!(row.count(), 4, "{title}");
    }
}

//! A dashboard that a person can read: a row for each consumer, and one for the outbox.

use fanfare::topology::{Consumer, Hosting};
use fanfare::{dead_letter_name, function_name, metric, queue_name, undelivered_name};
use serde_json::{Value, json};

use super::document::Resource;
use super::intrinsic::sub;
use super::{Build, relay};

/// Four in a row.
const WIDTH: u32 = 6;
const HEIGHT: u32 = 5;

pub(super) fn add(build: &mut Build<'_>) {
    let (app, topology) = (build.app(), build.topology());
    let mut widgets = Vec::new();
    // Without one, nobody measures it.
    if let Some(relay) = &topology.relay {
        widgets.extend(outbox(app, relay));
    }
    let rows = topology.consumers.iter().flat_map(|consumer| row(app, consumer));
    widgets.extend(rows);
    // A widget a line, with the comma before it: another one at the end changes none of those before.
    let lines: Vec<_> = widgets.iter().map(Value::to_string).collect();
    let body = format!("{{\"widgets\":[\n {}\n]}}", lines.join("\n,"));
    let dashboard = json!({"DashboardName": app, "DashboardBody": sub(body)});
    build.out.resources.add(
        "Dashboard",
        Resource::new("AWS::CloudWatch::Dashboard", dashboard),
    );
}

fn row(app: &str, consumer: &Consumer) -> [Value; 4] {
    let name = &consumer.name;
    let own = queue_name(app, name, consumer.fifo);
    let (dead, undelivered) = (dead_letter_name(&own), undelivered_name(&own));
    let of_queue = |metric: &str, queue: &str, label: &str, statistic: &str| json!(["AWS/SQS", metric, "QueueName", queue, {"label": label, "stat": statistic}]);
    let visible = "ApproximateNumberOfMessagesVisible";
    let mut age = of_queue("ApproximateAgeOfOldestMessage", &own, "oldest, s", "Maximum");
    age[4]["yAxis"] = "right".into();
    let waiting = [of_queue(visible, &own, "waiting", "Maximum"), age];
    let flow = [
        of_queue("NumberOfMessagesSent", &own, "came", "Sum"),
        of_queue("NumberOfMessagesDeleted", &own, "done", "Sum"),
    ];
    let mut lost = vec![of_queue(visible, &dead, "dead letters", "Maximum")];
    if !consumer.subscriptions.is_empty() {
        lost.push(of_queue(visible, &undelivered, "undelivered", "Maximum"));
    }
    [
        widget(&format!("{name}: waiting"), &waiting),
        widget(&format!("{name}: through"), &flow),
        widget(&format!("{name}: lost unless redriven"), &lost),
        host(app, name, &consumer.hosting),
    ]
}

fn host(app: &str, part: &str, hosting: &Hosting) -> Value {
    let name = function_name(app, part);
    match hosting {
        Hosting::Function(_) => {
            let of = |metric: &str, label: &str, statistic: &str| json!(["AWS/Lambda", metric, "FunctionName", name, {"label": label, "stat": statistic}]);
            let mut duration = of("Duration", "slowest, ms", "Maximum");
            duration[4]["yAxis"] = "right".into();
            let metrics = [
                of("Invocations", "invocations", "Sum"),
                of("Errors", "errors", "Sum"),
                of("Throttles", "throttles", "Sum"),
                duration,
            ];
            widget(&format!("{part}: function"), &metrics)
        }
        _ => {
            let of = |metric: &str, label: &str| {
                json!([
                    "AWS/ECS", metric, "ClusterName", "${Cluster}", "ServiceName", name,
                    {"label": label, "stat": "Average"},
                ])
            };
            let metrics = [
                of("CPUUtilization", "CPU, %"),
                of("MemoryUtilization", "memory, %"),
            ];
            widget(&format!("{part}: service"), &metrics)
        }
    }
}

fn outbox(app: &str, relay: &Hosting) -> Vec<Value> {
    let of = |metric: &str, label: &str| json!([app, metric, {"label": label, "stat": "Maximum"}]);
    let unsent = [of(metric::OUTBOX_OLDEST, "oldest unsent, s")];
    let records = [
        of(metric::OUTBOX_PENDING, "pending"),
        of(metric::OUTBOX_PARKED, "parked"),
    ];
    let mut row = vec![
        widget("outbox: waiting", &unsent),
        widget("outbox: records", &records),
        host(app, relay::RELAY, relay),
    ];
    if let Hosting::Function(_) = relay {
        let name = function_name(app, relay::RELAY);
        let behind = json!([
            "AWS/Lambda", "IteratorAge", "FunctionName", name,
            {"label": "behind the stream, ms", "stat": "Maximum"},
        ]);
        row.push(widget("relay: behind", &[behind]));
    }
    // What is left of the row.
    let left = 4 - row.len();
    if let (1.., Some(last)) = (left, row.last_mut()) {
        last["width"] = (WIDTH * (left as u32 + 1)).into();
    }
    row
}

fn widget(title: &str, metrics: &[Value]) -> Value {
    json!({
        "type": "metric",
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "period": 60,
            "metrics": metrics,
        },
    })
}

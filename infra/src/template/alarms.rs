//! What somebody is told of.

use fanfare::topology::{Consumer, Hosting};
use fanfare::{dead_letter_name, function_name, metric, queue_name, undelivered_name};
use serde_json::{Value, json};

use super::document::Resource;
use super::intrinsic::{either, nothing, reference};
use super::{Build, ids, of, relay};

/// A minute, in seconds: what SQS measures.
const MINUTE: u64 = 60;
/// How long the oldest event may wait in the outbox, in seconds.
const UNSENT: u64 = 300;
/// How far the relay may be behind the stream, in milliseconds.
const BEHIND: u64 = 60_000;

/// An alarm on one metric.
struct Alarm<'a> {
    says: String,
    namespace: &'a str,
    metric: &'a str,
    /// The name and the value of its dimension, if it has one.
    of: Option<(&'a str, &'a str)>,
    statistic: &'a str,
    /// It tells when the value is greater,
    threshold: u64,
    /// in this many minutes one after the other.
    minutes: u64,
    /// What it takes minutes for in which nothing was measured.
    missing: Missing,
}

/// What an alarm takes a minute for in which nothing was measured.
#[derive(Clone, Copy)]
enum Missing {
    /// For a good one: nothing is measured where nothing is or happens.
    Good,
    /// For one like that before: what is wrong doesn't mend itself.
    Same,
    /// For a bad one: somebody should have looked.
    Bad,
}

impl Missing {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "notBreaching",
            Self::Same => "ignore",
            Self::Bad => "breaching",
        }
    }
}

impl Alarm<'_> {
    fn resource(self) -> Resource {
        let dimensions: Vec<_> = self
            .of
            .map(|(name, value)| json!({"Name": name, "Value": value}))
            .into_iter()
            .collect();
        let mut properties = told(&self.says, self.threshold, self.minutes, self.missing);
        properties["Namespace"] = self.namespace.into();
        properties["MetricName"] = self.metric.into();
        properties["Dimensions"] = dimensions.into();
        properties["Statistic"] = self.statistic.into();
        properties["Period"] = MINUTE.into();
        Resource::new("AWS::CloudWatch::Alarm", properties)
    }
}

/// What alarms have in common.
fn told(says: &str, threshold: u64, minutes: u64, missing: Missing) -> Value {
    let topic = || either("HasAlarmTopic", json!([reference("AlarmTopic")]), nothing());
    json!({
        "AlarmDescription": says,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": threshold,
        "EvaluationPeriods": minutes,
        "TreatMissingData": missing.name(),
        "AlarmActions": topic(),
        "OKActions": topic(),
    })
}

/// Anything in a queue where nothing should be.
fn anything(says: String, queue: &str) -> Resource {
    let alarm = Alarm {
        says,
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        of: Some(("QueueName", queue)),
        statistic: "Maximum",
        threshold: 0,
        minutes: 1,
        missing: Missing::Good,
    };
    alarm.resource()
}

pub(super) fn consumer(build: &mut Build<'_>, consumer: &Consumer) {
    let (id, app, name) = (of(consumer), build.app(), &consumer.name);
    let own = queue_name(app, name, consumer.fifo);
    let oldest = consumer.objectives.oldest.as_secs();
    let resources = &mut build.out.resources;
    resources.add(
        format!("{id}DeadLettersAlarm"),
        anything(
            format!("{name} has dead letters: look at their reasons, mend the cause, redrive them"),
            &dead_letter_name(&own),
        ),
    );
    if !consumer.subscriptions.is_empty() {
        resources.add(
            format!("{id}UndeliveredAlarm"),
            anything(
                format!(
                    "Topics could not deliver to the queue of {name}: its policy or its key refuses them"
                ),
                &undelivered_name(&own),
            ),
        );
    }
    let age = Alarm {
        says: format!("The oldest message of {name} waits longer than {oldest} s, its objective"),
        namespace: "AWS/SQS",
        metric: "ApproximateAgeOfOldestMessage",
        of: Some(("QueueName", &own)),
        statistic: "Maximum",
        threshold: oldest,
        minutes: 3,
        missing: Missing::Good,
    };
    resources.add(format!("{id}AgeAlarm"), age.resource());
    if let Hosting::Function(_) = consumer.hosting {
        function(build, &id, name);
    }
}

fn function(build: &mut Build<'_>, id: &str, part: &str) {
    let name = function_name(build.app(), part);
    for (metric, says) in [
        (
            "Errors",
            "fails as a whole: it panics, runs out of time or can't start",
        ),
        (
            "Throttles",
            "is throttled: the account has no concurrency left for it",
        ),
    ] {
        let alarm = Alarm {
            says: format!("Function {name} {says}"),
            namespace: "AWS/Lambda",
            metric,
            of: Some(("FunctionName", &name)),
            statistic: "Sum",
            threshold: 0,
            minutes: 3,
            missing: Missing::Good,
        };
        let resources = &mut build.out.resources;
        resources.add(format!("{id}{metric}Alarm"), alarm.resource());
    }
}

/// Those of the relay, of the outbox and of the tables.
pub(super) fn shared(build: &mut Build<'_>) {
    match build.topology().relay {
        // It sweeps and measures every minute whatever happens: where it is silent, nobody does.
        Some(Hosting::Service(_)) => outbox(build, Missing::Bad),
        // It measures when it is invoked, and is invoked again for what it leaves unsent. So where it is silent,
        // all is published, or given up, which has an alarm of its own.
        Some(Hosting::Function(_)) => {
            stream(build);
            outbox(build, Missing::Good);
        }
        // Nobody measures the outbox.
        _ => {}
    }
    for table in &build.template.tables {
        let id = ids::table(build.app(), &table.name);
        let resource = throttled(&table.name);
        build.out.resources.add(format!("{id}ThrottlesAlarm"), resource);
    }
}

fn stream(build: &mut Build<'_>) {
    function(build, relay::ID, relay::RELAY);
    let name = function_name(build.app(), relay::RELAY);
    let behind = Alarm {
        says: "The relay is more than a minute behind the outbox's stream".to_owned(),
        namespace: "AWS/Lambda",
        metric: "IteratorAge",
        of: Some(("FunctionName", &name)),
        statistic: "Maximum",
        threshold: BEHIND,
        minutes: 3,
        missing: Missing::Good,
    };
    let given_up = anything(
        "The relay has given up records of the stream: they wait in the outbox for a sweep".to_owned(),
        &format!("{}-relay-failed", build.app()),
    );
    let resources = &mut build.out.resources;
    resources.add("RelayAgeAlarm", behind.resource());
    resources.add("RelayFailedAlarm", given_up);
}

/// By what a relay measures, in the namespace of the application.
fn outbox(build: &mut Build<'_>, silent: Missing) {
    let app = build.app();
    let alarm = |says: &str, metric, threshold, minutes, missing| {
        let alarm = Alarm {
            says: says.to_owned(),
            namespace: app,
            metric,
            of: None,
            statistic: "Maximum",
            threshold,
            minutes,
            missing,
        };
        alarm.resource()
    };
    let unsent = "Events wait in the outbox for more than 5 minutes: no relay runs, or SNS refuses it";
    let parked =
        "Events are parked in the outbox, refused by their destination: mend the cause, then republish";
    let resources = &mut build.out.resources;
    resources.add(
        "OutboxUnsentAlarm",
        alarm(unsent, metric::OUTBOX_OLDEST, UNSENT, 3, silent),
    );
    // Who parks nothing more isn't invoked for what is parked.
    resources.add(
        "OutboxParkedAlarm",
        alarm(parked, metric::OUTBOX_PARKED, 0, 1, Missing::Same),
    );
}

fn throttled(table: &str) -> Resource {
    let events = |id: &str, metric: &str| {
        json!({
            "Id": id,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/DynamoDB",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "TableName", "Value": table}],
                },
                "Period": MINUTE,
                "Stat": "Sum",
            },
            "ReturnData": false,
        })
    };
    let all = json!({
        "Id": "all",
        "Label": "Throttled reads and writes",
        "Expression": "FILL(reads, 0) + FILL(writes, 0)",
        "ReturnData": true,
    });
    let says = format!(
        "DynamoDB throttles table {table}: one key gathers too much, or the load has doubled at once"
    );
    let mut properties = told(&says, 0, 5, Missing::Good);
    properties["Metrics"] = json!([
        events("reads", "ReadThrottleEvents"),
        events("writes", "WriteThrottleEvents"),
        all,
    ]);
    Resource::new("AWS::CloudWatch::Alarm", properties)
}

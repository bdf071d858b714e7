//! Services that scale with how much waits for each of their tasks.

use fanfare::topology::ServiceSettings;
use serde_json::json;

use super::Build;
use super::document::Resource;
use super::intrinsic::{get, reference, sub};

/// How long after a change the next one may come, in seconds.
const COOLDOWN_OUT: u32 = 60;
const COOLDOWN_IN: u32 = 300;

pub(super) fn add(build: &mut Build<'_>, id: &str, queue: &str, settings: &ServiceSettings) {
    let service = get(&format!("{id}Service"), "Name");
    let target = json!({
        "MinCapacity": reference(&format!("{id}TasksMin")),
        "MaxCapacity": reference(&format!("{id}TasksMax")),
        "ResourceId": sub(format!("service/${{Cluster}}/${{{id}Service.Name}}")),
        "ScalableDimension": "ecs:service:DesiredCount",
        "ServiceNamespace": "ecs",
    });
    let waiting = json!({
        "Id": "waiting",
        "Label": "Messages that wait",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [{"Name": "QueueName", "Value": queue}],
            },
            "Stat": "Average",
        },
        "ReturnData": false,
    });
    let tasks = json!({
        "Id": "tasks",
        "Label": "Tasks that run",
        "MetricStat": {
            "Metric": {
                "Namespace": "ECS/ContainerInsights",
                "MetricName": "RunningTaskCount",
                "Dimensions": [
                    {"Name": "ClusterName", "Value": reference("Cluster")},
                    {"Name": "ServiceName", "Value": service},
                ],
            },
            "Stat": "Average",
        },
        "ReturnData": false,
    });
    let backlog = json!({
        "Id": "backlog",
        "Label": "Messages that wait for each task",
        "Expression": "waiting / FILL(tasks, 1)",
        "ReturnData": true,
    });
    let policy = json!({
        "PolicyName": "backlog",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": reference(&format!("{id}ScalableTarget")),
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": settings.backlog_per_task,
            "ScaleOutCooldown": COOLDOWN_OUT,
            "ScaleInCooldown": COOLDOWN_IN,
            "CustomizedMetricSpecification": {"Metrics": [waiting, tasks, backlog]},
        },
    });
    let resources = &mut build.out.resources;
    resources.add(
        format!("{id}ScalableTarget"),
        Resource::new("AWS::ApplicationAutoScaling::ScalableTarget", target),
    );
    resources.add(
        format!("{id}Scaling"),
        Resource::new("AWS::ApplicationAutoScaling::ScalingPolicy", policy),
    );
}

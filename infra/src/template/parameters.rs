//! What a deployment chooses.

use fanfare::topology::Hosting;
use serde_json::{Value, json};

use super::{Build, ids};

/// The days that CloudWatch can keep a log.
const RETENTIONS: [u16; 12] = [1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 3653];

pub(super) fn add(build: &mut Build<'_>) {
    let template = build.template;
    let parameters = &mut build.out.parameters;
    parameters.add(
        "Stage",
        json!({
            "Type": "String",
            "Default": "production",
            "AllowedPattern": "[a-z][a-z0-9-]{0,31}",
            "Description": "What this deployment is for, as a tag of what runs and holds data. One account and region has one.",
        }),
    );
    if !template.tables.is_empty() {
        parameters.add(
            "DeletionProtection",
            switch("Whether DynamoDB refuses to delete tables"),
        );
        parameters.add(
            "PointInTimeRecovery",
            switch("Whether tables can be restored to any second of the last 35 days"),
        );
    }
    if template.has_functions() || template.has_services() {
        parameters.add(
            "LogRetention",
            json!({
                "Type": "Number",
                "Default": 30,
                "AllowedValues": RETENTIONS,
                "Description": "How many days logs are kept",
            }),
        );
    }
    optional(
        build,
        "AlarmTopic",
        "The ARN of the topic that alarms go to, if any",
    );
    if template.has_functions() {
        text(build, "CodeBucket", "The S3 bucket with the functions' zip");
        text(build, "CodeKey", "The key of the functions' zip in its bucket");
    }
    if template.has_services() {
        services(build);
    }
    for consumer in &template.topology.consumers {
        sizes(
            build,
            &ids::pascal(&consumer.name),
            &consumer.hosting,
            template.scaling,
        );
    }
    for service in &template.topology.services {
        let id = ids::pascal(&service.name);
        sizes(build, &id, &Hosting::Service(service.settings.clone()), false);
        if let Some(port) = service.port {
            optional(
                build,
                &format!("{id}SecurityGroup"),
                &format!("The id of a security group that lets somebody in to port {port}, if anybody"),
            );
            optional(
                build,
                &format!("{id}TargetGroup"),
                &format!("The ARN of a load balancer's target group for port {port}, if there is one"),
            );
        }
    }
    if let Some(hosting) = &template.topology.relay {
        sizes(build, "Relay", hosting, false);
    }
}

fn services(build: &mut Build<'_>) {
    text(
        build,
        "Cluster",
        "The name of the ECS cluster; scaling needs its Container Insights",
    );
    let parameters = &mut build.out.parameters;
    parameters.add(
        "Vpc",
        json!({"Type": "AWS::EC2::VPC::Id", "Description": "The VPC that tasks run in"}),
    );
    parameters.add(
        "Subnets",
        json!({
            "Type": "List<AWS::EC2::Subnet::Id>",
            "Description": "The subnets that tasks run in, from which AWS's endpoints can be reached",
        }),
    );
    parameters.add(
        "AssignPublicIp",
        json!({
            "Type": "String",
            "Default": "DISABLED",
            "AllowedValues": ["DISABLED", "ENABLED"],
            "Description": "ENABLED in subnets without a NAT gateway and without VPC endpoints",
        }),
    );
    text(
        build,
        "Repository",
        "The name of the ECR repository with the image, in this account",
    );
    text(build, "ImageTag", "The tag of the image");
    build.out.parameters.add(
        "Architecture",
        json!({
            "Type": "String",
            "Default": "ARM64",
            "AllowedValues": ["ARM64", "X86_64"],
            "Description": "What the image was built for",
        }),
    );
}

/// How large each part is: by default as the application says.
fn sizes(build: &mut Build<'_>, id: &str, hosting: &Hosting, scaling: bool) {
    let number = |default: u32, least: u32, most: Option<u32>, what: &str| {
        let mut parameter =
            json!({"Type": "Number", "Default": default, "MinValue": least, "Description": what});
        if let (Some(most), Some(members)) = (most, parameter.as_object_mut()) {
            members.insert("MaxValue".to_owned(), most.into());
        }
        parameter
    };
    let parameters = &mut build.out.parameters;
    match hosting {
        Hosting::Function(settings) => {
            let memory = number(
                settings.memory_mb,
                128,
                Some(10_240),
                "Memory of the function, in MB",
            );
            parameters.add(format!("{id}Memory"), memory);
        }
        Hosting::Service(settings) if scaling => {
            let least = number(settings.tasks_min, 0, None, "How many tasks there are at least");
            parameters.add(format!("{id}TasksMin"), least);
            let most = number(settings.tasks_max, 1, None, "How many tasks there are at most");
            parameters.add(format!("{id}TasksMax"), most);
        }
        Hosting::Service(settings) => {
            let tasks = number(settings.tasks_min, 0, None, "How many tasks there are");
            parameters.add(format!("{id}Tasks"), tasks);
        }
        _ => {}
    }
}

fn text(build: &mut Build<'_>, id: &str, what: &str) {
    build
        .out
        .parameters
        .add(id, json!({"Type": "String", "MinLength": 1, "Description": what}));
}

/// What may be left out; the condition `Has` and its name says whether it is there.
fn optional(build: &mut Build<'_>, id: &str, what: &str) {
    let parameter = json!({"Type": "String", "Default": "", "Description": what});
    build.out.parameters.add(id, parameter);
    build.out.conditions.add(
        format!("Has{id}"),
        json!({"Fn::Not": [{"Fn::Equals": [{"Ref": id}, ""]}]}),
    );
}

fn switch(what: &str) -> Value {
    json!({"Type": "String", "Default": "true", "AllowedValues": ["true", "false"], "Description": what})
}

/// The tag that says which deployment something belongs to.
pub(super) fn tags() -> Value {
    json!([{"Key": "Stage", "Value": {"Ref": "Stage"}}])
}

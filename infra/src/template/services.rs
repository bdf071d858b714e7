//! Services on ECS: consumers, and what serves no queue.

use fanfare::topology::{Consumer, Service, ServiceSettings};
use fanfare::{function_name, queue_name};
use serde_json::{Value, json};

use super::document::Resource;
use super::intrinsic::{arn, arn_of, either, nothing, reference, sub};
use super::parameters::tags;
use super::resources::Resources;
use super::roles::{Statements, TASKS};
use super::{Build, ids, of, scaling};

/// How often a task writes its metrics, in seconds: what alarms look at is a minute.
const MEASURED: &str = "60";

/// The port on which workers say that they live.
const HEALTH: u16 = 8080;

pub(super) fn add(build: &mut Build<'_>, consumer: &Consumer, settings: &ServiceSettings) {
    let id = of(consumer);
    let mut statements = Statements::default();
    statements.consume(build, consumer);
    // It publishes what it commits, and what others have left behind.
    statements.relay(build);
    statements.protect();
    let program = &build.template.program;
    let process = Process {
        part: &consumer.name,
        settings,
        command: program.worker_of(&consumer.name),
        healthy: program.healthy_on(HEALTH),
        port: None,
        resources: Resources::relayed(build).consumed(build, consumer),
        scales: build.template.scaling,
    };
    service(build, &id, process, statements);
    if build.template.scaling {
        let queue = queue_name(build.app(), &consumer.name, consumer.fifo);
        scaling::add(build, &id, &queue, settings);
    }
}

/// One that serves no queue, and relays what it commits.
pub(super) fn alone(build: &mut Build<'_>, own: &Service) {
    let mut statements = Statements::default();
    statements.commit(build, &own.tables);
    statements.relay(build);
    statements.key(build);
    let program = &build.template.program;
    let process = Process {
        part: &own.name,
        settings: &own.settings,
        command: program.service_of(own),
        healthy: own.port.and_then(|port| program.healthy_on(port)),
        port: own.port,
        resources: Resources::relayed(build),
        scales: false,
    };
    service(build, &ids::pascal(&own.name), process, statements);
}

/// What runs in a service's tasks.
pub(super) struct Process<'a> {
    pub(super) part: &'a str,
    pub(super) settings: &'a ServiceSettings,
    pub(super) command: Vec<String>,
    /// The command that asks whether it lives.
    pub(super) healthy: Option<Vec<String>>,
    /// Where it can be reached.
    pub(super) port: Option<u16>,
    /// What it is told of.
    pub(super) resources: Resources,
    /// Whether something else sets how many tasks there are.
    pub(super) scales: bool,
}

/// A service with its task, its log and its role.
pub(super) fn service(build: &mut Build<'_>, id: &str, process: Process<'_>, statements: Statements) {
    let (app, part, settings) = (build.app(), process.part, process.settings);
    let name = function_name(app, part);
    let log = format!("{id}Log");
    let kept = json!({
        "LogGroupName": format!("/ecs/{app}/{part}"),
        "RetentionInDays": reference("LogRetention"),
    });
    let container = container(build, &process, &log);
    let task = json!({
        "Family": name,
        "Cpu": settings.cpu.to_string(),
        "Memory": settings.memory_mb.to_string(),
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "RuntimePlatform": {
            "CpuArchitecture": reference("Architecture"),
            "OperatingSystemFamily": "LINUX",
        },
        "ExecutionRoleArn": arn("ExecutionRole"),
        "TaskRoleArn": arn(&format!("{id}Role")),
        "ContainerDefinitions": [container],
        "Tags": tags(),
    });
    let mut service = json!({
        "ServiceName": name,
        "Cluster": reference("Cluster"),
        "LaunchType": "FARGATE",
        "TaskDefinition": reference(&format!("{id}Task")),
        "NetworkConfiguration": {"AwsvpcConfiguration": {
            "AssignPublicIp": reference("AssignPublicIp"),
            "SecurityGroups": [reference("SecurityGroup")],
            "Subnets": reference("Subnets"),
        }},
        "DeploymentConfiguration": {
            "DeploymentCircuitBreaker": {"Enable": true, "Rollback": true},
            "MaximumPercent": 200,
            "MinimumHealthyPercent": 100,
        },
        "PropagateTags": "SERVICE",
        "Tags": tags(),
    });
    if let Some(port) = process.port {
        let own = format!("{id}SecurityGroup");
        service["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"] = either(
            &format!("Has{own}"),
            json!([reference("SecurityGroup"), reference(&own)]),
            json!([reference("SecurityGroup")]),
        );
        let group = format!("{id}TargetGroup");
        let balancer = json!([{
            "ContainerName": part,
            "ContainerPort": port,
            "TargetGroupArn": reference(&group),
        }]);
        service["LoadBalancers"] = either(&format!("Has{group}"), balancer, nothing());
    }
    // Where it scales, an update must leave the count alone.
    if !process.scales {
        service["DesiredCount"] = reference(&format!("{id}Tasks"));
    }
    let resources = &mut build.out.resources;
    resources.add(log, Resource::new("AWS::Logs::LogGroup", kept).stateful());
    resources.add(format!("{id}Role"), statements.role(TASKS));
    resources.add(
        format!("{id}Task"),
        Resource::new("AWS::ECS::TaskDefinition", task),
    );
    resources.add(
        format!("{id}Service"),
        Resource::new("AWS::ECS::Service", service),
    );
}

fn container(build: &Build<'_>, process: &Process<'_>, log: &str) -> Value {
    let (part, settings) = (process.part, process.settings);
    let template = build.template;
    let chosen = template
        .environment
        .iter()
        .map(|(name, value)| (name, value.clone().into()));
    let program = &template.program;
    let told = [
        (&program.account, reference("AWS::AccountId")),
        (&program.resources, process.resources.value()),
        (&program.metrics, MEASURED.into()),
    ];
    let told = told
        .into_iter()
        .filter(|(name, _)| !template.environment.contains_key(*name));
    let environment: Vec<Value> = chosen
        .chain(told)
        .map(|(name, value)| json!({"Name": name, "Value": value}))
        .collect();
    let mut container = json!({
        "Name": part,
        "Image": sub(
            "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/${Repository}:${ImageTag}",
        ),
        "Command": process.command,
        "Environment": environment,
        "Essential": true,
        // The image has one user, and it isn't root.
        "User": "65532:65532",
        "ReadonlyRootFilesystem": true,
        "LinuxParameters": {"Capabilities": {"Drop": ["ALL"]}},
        "StopTimeout": settings.stop_timeout.as_secs(),
        "LogConfiguration": {"LogDriver": "awslogs", "Options": {
            "awslogs-group": reference(log),
            "awslogs-region": reference("AWS::Region"),
            "awslogs-stream-prefix": part,
        }},
    });
    if let Some(port) = process.port {
        container["PortMappings"] = json!([{"ContainerPort": port}]);
    }
    if let Some(healthy) = &process.healthy {
        let command: Vec<_> = std::iter::once("CMD")
            .chain(healthy.iter().map(String::as_str))
            .collect();
        container["HealthCheck"] = json!({
            "Command": command,
            "Interval": 15,
            "Timeout": 5,
            "Retries": 3,
            "StartPeriod": 30,
        });
    }
    container
}

/// What all services share: the role that ECS itself starts them with, and their way out.
pub(super) fn shared(build: &mut Build<'_>) {
    let app = build.app();
    let mut statements = Statements::default();
    // This one names no resource.
    statements.allow(["ecr:GetAuthorizationToken"], ["*".into()]);
    statements.allow(
        [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ],
        [arn_of("ecr", "repository/${Repository}")],
    );
    // The logs of all services, by what their names begin with: those of another one change nothing here.
    statements.allow(
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [arn_of("logs", &format!("log-group:/ecs/{app}/*"))],
    );
    let resources = &mut build.out.resources;
    resources.add("ExecutionRole", statements.role(TASKS));
    resources.add(
        "SecurityGroup",
        Resource::new(
            "AWS::EC2::SecurityGroup",
            json!({
                "GroupDescription": format!("Tasks of {app}: out to AWS by TLS, and nothing in"),
                "VpcId": reference("Vpc"),
                "SecurityGroupEgress": [{
                    "Description": "AWS and what handlers call, by TLS",
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "CidrIp": "0.0.0.0/0",
                }],
                "Tags": tags(),
            }),
        ),
    );
}

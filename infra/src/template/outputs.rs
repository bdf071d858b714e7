//! The ARNs, URLs and names of what was made.

use serde_json::{Value, json};

use super::Build;
use super::intrinsic::{arn, get, reference};

pub(super) fn add(build: &mut Build<'_>) {
    let out = &mut build.out;
    for (id, resource) in out.resources.iter() {
        let outputs = &mut out.outputs;
        let mut output =
            |name: &str, value: Value| outputs.add(format!("{id}{name}"), json!({"Value": value}));
        match resource.kind {
            "AWS::SNS::Topic" => output("Arn", reference(id)),
            "AWS::SQS::Queue" => {
                output("Arn", arn(id));
                output("Url", reference(id));
            }
            "AWS::DynamoDB::Table" => {
                output("Arn", arn(id));
                if resource.properties.get("StreamSpecification").is_some() {
                    output("StreamArn", get(id, "StreamArn"));
                }
            }
            "AWS::Lambda::Function" | "AWS::IAM::Role" => output("Arn", arn(id)),
            "AWS::ECS::Service" => output("Arn", reference(id)),
            _ => {}
        }
    }
}

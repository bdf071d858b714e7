//! CloudFormation's functions, and the ARNs that they make.

use serde_json::{Value, json};

/// The value of a parameter, or what a resource is known by.
pub(super) fn reference(id: &str) -> Value {
    json!({"Ref": id})
}

/// An attribute of a resource.
pub(super) fn get(id: &str, attribute: &str) -> Value {
    json!({"Fn::GetAtt": [id, attribute]})
}

/// The ARN of a resource that has it as an attribute.
pub(super) fn arn(id: &str) -> Value {
    get(id, "Arn")
}

/// A text with `${..}` in it.
pub(super) fn sub(text: impl Into<String>) -> Value {
    json!({"Fn::Sub": text.into()})
}

/// The ARN of something in this account and region.
pub(super) fn arn_of(service: &str, rest: &str) -> Value {
    sub(format!(
        "arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}"
    ))
}

/// One of two values.
pub(super) fn either(condition: &str, yes: Value, no: Value) -> Value {
    json!({"Fn::If": [condition, yes, no]})
}

/// Nothing at all: the property is left out.
pub(super) fn nothing() -> Value {
    reference("AWS::NoValue")
}

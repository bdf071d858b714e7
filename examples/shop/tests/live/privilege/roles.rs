//! The roles of the template, with ARNs in the place of CloudFormation's references.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use fanfare::Account;
use iam_rs::{Arn, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy};
use serde_json::{Value, json};

/// What a role allows.
pub(crate) struct Role {
    policy: IAMPolicy,
    /// Each action with each resource that it is allowed on.
    pub(crate) allowed: Vec<(String, String)>,
}

impl Role {
    pub(crate) fn of(document: &Value) -> anyhow::Result<Self> {
        let mut allowed = Vec::new();
        for statement in texts_or_values(&document["Statement"]) {
            for action in texts_or_values(&statement["Action"]) {
                for resource in texts_or_values(&statement["Resource"]) {
                    let text = |value: &Value| value.as_str().context("a text").map(str::to_owned);
                    allowed.push((text(action)?, text(resource)?));
                }
            }
        }
        let policy = IAMPolicy::from_json(&document.to_string())?;
        Ok(Self { policy, allowed })
    }

    /// Whether it allows this call, by AWS's evaluation of the policies of an identity.
    pub(crate) fn allows(&self, action: &str, resource: &str) -> anyhow::Result<bool> {
        Ok(decision(&self.policy, action, resource)? == Decision::Allow)
    }
}

pub(crate) fn decision(policy: &IAMPolicy, action: &str, resource: &str) -> anyhow::Result<Decision> {
    let who = PrincipalId::String("arn:aws:iam::000000000000:role/shop".to_owned());
    let resource = Arn::parse(resource).map_err(|error| anyhow::anyhow!("{resource}: {error}"))?;
    let request = IAMRequest::new(Principal::Aws(who), action, resource);
    evaluate_policy(policy, &request).map_err(|error| anyhow::anyhow!("{error}"))
}

/// The roles of a template by their names in it, in this account.
pub(crate) fn roles(template: &Value, account: &Account) -> anyhow::Result<BTreeMap<String, Role>> {
    let resources = template["Resources"].as_object().context("resources")?;
    let mut roles = BTreeMap::new();
    for (id, resource) in resources {
        if resource["Type"] != "AWS::IAM::Role" {
            continue;
        }
        let mut statements = Vec::new();
        for policy in texts_or_values(&resource["Properties"]["Policies"]) {
            let document = resolved(&policy["PolicyDocument"], resources, account)
                .with_context(|| format!("the policy of {id}"))?;
            statements.extend(texts_or_values(&document["Statement"]).into_iter().cloned());
        }
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        roles.insert(id.clone(), Role::of(&document)?);
    }
    Ok(roles)
}

type Resources = serde_json::Map<String, Value>;

/// As CloudFormation fills it in.
fn resolved(value: &Value, resources: &Resources, account: &Account) -> anyhow::Result<Value> {
    Ok(match value {
        Value::Object(members) => {
            let only = members.iter().next().filter(|_| members.len() == 1);
            match only.map(|(name, value)| (name.as_str(), value)) {
                Some(("Ref", id)) => reference(id.as_str().context("a name")?, resources, account)?.into(),
                Some(("Fn::GetAtt", path)) => {
                    let (id, attribute) = (path[0].as_str(), path[1].as_str());
                    let (id, attribute) = id.zip(attribute).context("a name and an attribute")?;
                    attribute_of(id, attribute, resources, account)?.into()
                }
                Some(("Fn::Sub", text)) => {
                    substituted(text.as_str().context("a text")?, resources, account)?.into()
                }
                Some((function, _)) if function.starts_with("Fn::") => {
                    bail!("{function} isn't filled in here")
                }
                _ => {
                    let mut filled = serde_json::Map::new();
                    for (name, value) in members {
                        filled.insert(name.clone(), resolved(value, resources, account)?);
                    }
                    filled.into()
                }
            }
        }
        Value::Array(values) => {
            let filled = values.iter().map(|value| resolved(value, resources, account));
            filled.collect::<anyhow::Result<Vec<_>>>()?.into()
        }
        other => other.clone(),
    })
}

fn reference(id: &str, resources: &Resources, account: &Account) -> anyhow::Result<String> {
    Ok(match id {
        "AWS::Partition" => account.partition().to_owned(),
        "AWS::Region" => account.region().to_owned(),
        "AWS::AccountId" => account.id().to_owned(),
        _ => match resources.get(id) {
            // A topic is known by its ARN.
            Some(resource) if resource["Type"] == "AWS::SNS::Topic" => {
                attribute_of(id, "TopicArn", resources, account)?
            }
            Some(resource) => bail!("a reference to {id}, {}, isn't filled in here", resource["Type"]),
            // A parameter.
            None => id.to_ascii_lowercase(),
        },
    })
}

fn attribute_of(
    id: &str,
    attribute: &str,
    resources: &Resources,
    account: &Account,
) -> anyhow::Result<String> {
    let resource = resources.get(id).with_context(|| format!("there is no {id}"))?;
    let name = |property: &str| resource["Properties"][property].as_str().context("it has a name");
    let kind = resource["Type"].as_str().unwrap_or_default();
    let (partition, region, own) = (account.partition(), account.region(), account.id());
    Ok(match (kind, attribute) {
        ("AWS::SNS::Topic", "TopicArn") => account.topic_arn(name("TopicName")?),
        ("AWS::SQS::Queue", "Arn") => account.queue_arn(name("QueueName")?),
        ("AWS::DynamoDB::Table", _) => {
            let table = format!(
                "arn:{partition}:dynamodb:{region}:{own}:table/{}",
                name("TableName")?
            );
            match attribute {
                "StreamArn" => format!("{table}/stream/2026-11-21T22:15:07.123"),
                _ => table,
            }
        }
        ("AWS::Logs::LogGroup", "Arn") => {
            let group = name("LogGroupName")?;
            format!("arn:{partition}:logs:{region}:{own}:log-group:{group}:*")
        }
        _ => bail!("{attribute} of {id}, {kind}, isn't filled in here"),
    })
}

/// `${Name}` and `${Name.Attribute}` in a text.
fn substituted(text: &str, resources: &Resources, account: &Account) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("a name ends")?;
        filled.push_str(before);
        filled.push_str(&match name.split_once('.') {
            Some((id, attribute)) => attribute_of(id, attribute, resources, account)?,
            None => reference(name, resources, account)?,
        });
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// One thing alone or a list of them.
fn texts_or_values(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

//! Topics, queues, their policies, and subscriptions: what a [`Deployment`](crate::Deployment) wants, with
//! references in the place of ARNs.

use fanfare::topology::Consumer;
use fanfare::{dead_letter_name, queue_name, undelivered_name};
use serde_json::{Map, Value, json};

use super::document::Resource;
use super::intrinsic::{arn, reference};
use super::{Build, ids, of};
use crate::compare::Attributes;
use crate::wanted::KEY;

const POLICY: &str = "Policy";

pub(super) fn topics(build: &mut Build<'_>) {
    let (ids, resources) = (&build.ids, &mut build.out.resources);
    for topic in &ids.wanted.topics {
        let id = ids.topic(&topic.arn);
        let mut properties = properties(&topic.attributes);
        properties.insert("TopicName".to_owned(), topic.resource.name.clone().into());
        resources.add(id, Resource::new("AWS::SNS::Topic", properties.into()));
        let document = ids.linked(policy(&topic.attributes));
        let policy = json!({"Topics": [reference(id)], "PolicyDocument": document});
        resources.add(
            format!("{id}Policy"),
            Resource::new("AWS::SNS::TopicPolicy", policy),
        );
    }
}

/// A consumer's queues, dead letters first, and its subscriptions.
pub(super) fn consumer(build: &mut Build<'_>, consumer: &Consumer) {
    let own = queue_name(build.app(), &consumer.name, consumer.fifo);
    let names = [dead_letter_name(&own), undelivered_name(&own), own];
    for name in &names {
        queue(build, name);
    }
    let [_, undelivered, own] = names;
    let (ids, resources) = (&build.ids, &mut build.out.resources);
    let to = ids.queue(&own);
    // What comes before they are there is refused.
    let policies = [&own, &undelivered].map(|name| format!("{}Policy", ids.queue(name)));
    for from in &consumer.subscriptions {
        let topic = fanfare::topic_name(&build.template.topology.app, &from.topic);
        let mut wanted = ids.wanted.subscriptions.iter();
        let Some(wanted) = wanted
            .find(|wanted| wanted.topic == topic && ids.linked(wanted.queue_arn.clone().into()) == arn(to))
        else {
            continue;
        };
        let properties = properties(&wanted.attributes).into();
        let mut properties = ids.linked(properties);
        if let Some(members) = properties.as_object_mut() {
            members.extend([
                ("TopicArn".to_owned(), reference(ids.topic(&wanted.topic_arn))),
                ("Protocol".to_owned(), "sqs".into()),
                ("Endpoint".to_owned(), arn(to)),
            ]);
        }
        let subscription = Resource::new("AWS::SNS::Subscription", properties);
        resources.add(
            format!("{}From{}", of(consumer), ids::pascal(&from.topic)),
            subscription.after(policies.clone()),
        );
    }
}

fn queue(build: &mut Build<'_>, name: &str) {
    let (ids, resources) = (&build.ids, &mut build.out.resources);
    let mut wanted = ids.wanted.queues.iter();
    // A consumer without subscriptions has none for what can't be delivered.
    let Some(wanted) = wanted.find(|wanted| wanted.resource.name == name) else {
        return;
    };
    let id = ids.queue(name);
    let properties = properties(&wanted.attributes).into_iter();
    let mut properties: Map<String, Value> = properties
        .map(|(name, value)| match name.as_str() {
            // The two queues name one another.
            "RedriveAllowPolicy" => (name, ids.named(value)),
            _ => (name, ids.linked(value)),
        })
        .collect();
    properties.insert("QueueName".to_owned(), name.into());
    resources.add(id, Resource::new("AWS::SQS::Queue", properties.into()).stateful());
    let document = ids.linked(policy(&wanted.attributes));
    let policy = json!({"Queues": [reference(id)], "PolicyDocument": document});
    resources.add(
        format!("{id}Policy"),
        Resource::new("AWS::SQS::QueuePolicy", policy),
    );
}

/// Attributes are properties of the same name, and a policy is a resource of its own.
fn properties(attributes: &Attributes) -> Map<String, Value> {
    let attributes = attributes.iter().filter(|(name, _)| **name != POLICY);
    attributes
        .map(|(name, value)| {
            let value = match *name {
                KEY => value.as_str().into(),
                // Numbers, switches and policies; else it is a text.
                _ => serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into()),
            };
            ((*name).to_owned(), value)
        })
        .collect()
}

fn policy(attributes: &Attributes) -> Value {
    let text = attributes.get(POLICY).map_or("{}", String::as_str);
    serde_json::from_str(text).unwrap_or_default()
}

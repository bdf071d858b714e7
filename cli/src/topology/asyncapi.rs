//! `topology asyncapi`: the application as an AsyncAPI 3.0 document with the bindings of SNS and SQS.

use fanfare::topology::{Consumer, Topology};
use fanfare::{Destination, Outgoing, dead_letter_name, queue_name, topic_name, undelivered_name};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::flow::{Flow, Part, Way};
use crate::payload::Payload;

/// The versions of the bindings, as the schema of AsyncAPI 3.0 has them.
const SNS: &str = "0.1.0";
const SQS: &str = "0.2.0";

/// The document. What consumers are set up for is in it as well, so that it says who reads what.
pub(crate) fn document(topology: &Topology, payloads: &[Payload]) -> Value {
    let flow = Flow::new(topology);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": topology.app,
            "version": "1",
            "description": format!("What the parts of {} tell one another, over SNS and SQS.", topology.app),
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels(topology, payloads),
        "operations": operations(topology, &flow, payloads),
        "components": components(topology, payloads),
    })
}

/// A channel for each topic, and one for each queue that commands are sent to.
fn channels(topology: &Topology, payloads: &[Payload]) -> Value {
    let mut channels = Map::new();
    for topic in &topology.topics {
        let over = Destination::Topic(topic.name.clone());
        let kind = if topic.fifo { "FIFO" } else { "standard" };
        let binding = json!({
            "name": topic_name(&topology.app, &topic.name),
            "ordering": {"type": kind},
            "bindingVersion": SNS,
        });
        let address = topic_name(&topology.app, &topic.name);
        channels.insert(
            channel(&over),
            channel_of(&address, &over, payloads, json!({"sns": binding})),
        );
    }
    for consumer in &topology.consumers {
        let over = Destination::Consumer(consumer.name.clone());
        if payloads.iter().any(|payload| payload.over == over) {
            let name = queue_name(&topology.app, &consumer.name, consumer.fifo);
            let binding = json!({
                "queue": queue(topology, consumer),
                "deadLetterQueue": dead_letters(topology, consumer),
                "bindingVersion": SQS,
            });
            channels.insert(
                channel(&over),
                channel_of(&name, &over, payloads, json!({"sqs": binding})),
            );
        }
    }
    Value::Object(channels)
}

fn channel_of(address: &str, over: &Destination, payloads: &[Payload], bindings: Value) -> Value {
    let messages: Map<_, _> = payloads
        .iter()
        .filter(|payload| payload.over == *over)
        .map(|payload| {
            (
                message(payload),
                reference(&["components", "messages", &message(payload)]),
            )
        })
        .collect();
    json!({"address": address, "messages": messages, "bindings": bindings})
}

/// What each part sends to each channel, and takes from it.
fn operations(topology: &Topology, flow: &Flow<'_>, payloads: &[Payload]) -> Value {
    let mut operations = Map::new();
    for part in &flow.parts {
        for over in channels_of(&part.sends) {
            // Only the newest version is written.
            let newest = |payload: &&Payload| {
                let of_type = payloads.iter().filter(|other| other.ty == payload.ty);
                of_type.map(|other| other.version).max() == Some(payload.version)
            };
            let sent = json!({
                "action": "send",
                "title": format!("{} publishes", part.name),
                "channel": reference(&["channels", &channel(over)]),
                "messages": messages(over, &part.sends, payloads.iter().filter(newest)),
            });
            operations.insert(format!("{}.send.{}", part.name, channel(over)), sent);
        }
        for over in channels_of(&part.takes) {
            let mut taken = json!({
                "action": "receive",
                "title": format!("{} handles", part.name),
                "channel": reference(&["channels", &channel(over)]),
                "messages": messages(over, &part.takes, payloads.iter()),
            });
            if let Some(bindings) = subscription(topology, part, over) {
                taken["bindings"] = bindings;
            }
            operations.insert(format!("{}.receive.{}", part.name, channel(over)), taken);
        }
    }
    Value::Object(operations)
}

fn channels_of<'a>(ways: &[Way<'a>]) -> Vec<&'a Destination> {
    let mut all = Vec::new();
    for way in ways {
        if !all.contains(&way.over) {
            all.push(way.over);
        }
    }
    all
}

fn messages<'p>(
    over: &Destination,
    ways: &[Way<'_>],
    payloads: impl Iterator<Item = &'p Payload>,
) -> Vec<Value> {
    let of_ways = |payload: &&Payload| {
        let mut types = ways.iter().filter(|way| way.over == over);
        payload.over == *over && types.any(|way| way.ty == payload.ty)
    };
    payloads
        .filter(of_ways)
        .map(|payload| reference(&["channels", &channel(over), "messages", &message(payload)]))
        .collect()
}

/// How a consumer's queue is subscribed to a topic.
fn subscription(topology: &Topology, part: &Part<'_>, over: &Destination) -> Option<Value> {
    let consumer = part.consumer?;
    let Destination::Topic(topic) = over else {
        return None;
    };
    let subscription = consumer
        .subscriptions
        .iter()
        .find(|subscription| subscription.topic == *topic)?;
    let name = queue_name(&topology.app, &consumer.name, consumer.fifo);
    Some(json!({
        "sns": {
            "consumers": [{
                "protocol": "sqs",
                "endpoint": {"name": name},
                "filterPolicy": subscription.filter_policy,
                "filterPolicyScope": "MessageAttributes",
                "rawMessageDelivery": true,
                "redrivePolicy": {"deadLetterQueue": {"name": undelivered_name(&name)}},
            }],
            "bindingVersion": SNS,
        },
        "sqs": {
            "queues": [queue(topology, consumer), dead_letters(topology, consumer)],
            "bindingVersion": SQS,
        },
    }))
}

fn queue(topology: &Topology, consumer: &Consumer) -> Value {
    let name = queue_name(&topology.app, &consumer.name, consumer.fifo);
    json!({
        "name": name,
        "fifoQueue": consumer.fifo,
        "visibilityTimeout": consumer.queue.visibility_timeout.as_secs(),
        "messageRetentionPeriod": consumer.queue.retention.as_secs(),
        "receiveMessageWaitTime": 20,
        "redrivePolicy": {
            "deadLetterQueue": {"name": dead_letter_name(&name)},
            "maxReceiveCount": consumer.queue.max_receives,
        },
    })
}

fn dead_letters(topology: &Topology, consumer: &Consumer) -> Value {
    json!({
        "name": dead_letter_name(&queue_name(&topology.app, &consumer.name, consumer.fifo)),
        "fifoQueue": consumer.fifo,
        "messageRetentionPeriod": consumer.queue.dead_letter_retention.as_secs(),
    })
}

/// The messages, each a CloudEvent around its payload, and the schemas that they are made of.
fn components(topology: &Topology, payloads: &[Payload]) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut messages = Map::new();
    for payload in payloads {
        let data = (payload.part)(&mut generator).to_value();
        let (ty, version) = (payload.ty, payload.version);
        let body = json!({
            "type": "object",
            "required": ["data"],
            "properties": {
                "type": {"const": ty},
                "dataschema": {"const": Outgoing::schema_uri(ty, version)},
                "data": data,
            },
        });
        let described = json!({
            "name": ty,
            "title": format!("{ty}, version {version}"),
            "contentType": "application/cloudevents+json",
            "headers": reference(&["components", "schemas", ATTRIBUTES]),
            "payload": {"allOf": [reference(&["components", "schemas", CLOUD_EVENT]), body]},
        });
        messages.insert(message(payload), described);
    }
    let mut schemas = generator.take_definitions(true);
    // Types of the application may have these names too: theirs would have been taken already.
    schemas.insert(CLOUD_EVENT.to_owned(), cloud_event());
    schemas.insert(ATTRIBUTES.to_owned(), attributes(topology));
    json!({"messages": messages, "schemas": schemas})
}

/// Names that no Rust type has.
const CLOUD_EVENT: &str = "fanfare.CloudEvent";
const ATTRIBUTES: &str = "fanfare.Attributes";

/// What all messages have around their payload.
fn cloud_event() -> Value {
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "type": "object",
        "description": "A CloudEvent 1.0 in structured JSON mode.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text,
            "source": text,
            "type": text,
            "subject": {"description": "The aggregate that it is about, whose order counts on FIFO.", "type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"type": "string", "format": "uri"},
            "correlationid": {"description": "The id of the first event of all that follow from it.", "type": "string"},
            "causationid": {"description": "The id of the event that it follows from.", "type": "string"},
            "sequence": {"description": "Its place among the events of its key, on FIFO.", "type": "string"},
            "traceparent": {"type": "string"},
            "tracestate": {"type": "string"},
        },
    })
}

/// The message attributes, by which subscriptions filter.
fn attributes(topology: &Topology) -> Value {
    let properties: Map<_, _> = topology
        .attributes
        .iter()
        .map(|name| (name.clone(), json!({"type": "string"})))
        .collect();
    json!({"type": "object", "required": ["type", "version", "source"], "properties": properties})
}

fn channel(over: &Destination) -> String {
    match over {
        Destination::Topic(topic) => format!("topic.{topic}"),
        Destination::Consumer(consumer) => format!("queue.{consumer}"),
    }
}

/// The name of a message, of characters that names may have there.
fn message(payload: &Payload) -> String {
    let safe = |character: char| match character.is_ascii_alphanumeric() || ".-_".contains(character) {
        true => character,
        false => '_',
    };
    format!(
        "{}.{}",
        payload.ty.chars().map(safe).collect::<String>(),
        payload.version
    )
}

fn reference(path: &[&str]) -> Value {
    json!({"$ref": format!("#/{}", path.join("/"))})
}

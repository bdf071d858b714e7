//! Subscriptions of queues to topics.

use std::collections::BTreeMap;

use fanfare::memory::{BrokerError, FilterPolicy, Scope, Subscription, SubscriptionSettings};
use serde::Deserialize;
use serde_json::{Value, json};

use super::operation::Context;
use super::{Error, page, subscription_arn, topic_arn, topic_of};
use crate::messaging::{ACCOUNT, lock, name_in_arn};
use crate::query::Xml;
use crate::sqs;

pub(super) fn subscribe(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let form = context.form;
    let messaging = context.messaging;
    let topic = topic_of(form.get("TopicArn"), "TopicArn")?;
    messaging.broker.topic_settings(topic)?;
    match form.get("Protocol") {
        None | Some("") => return Err(Error::missing("Protocol")),
        Some("sqs") => {}
        Some(other) => {
            return Err(Error::invalid(format!(
                "Does not support this protocol string: {other}; the local SNS delivers to sqs only"
            )));
        }
    }
    let endpoint = form.get("Endpoint").unwrap_or_default();
    let queue = name_in_arn(endpoint, "sqs").ok_or_else(|| Error::invalid("SQS endpoint ARN"))?;
    let given = form.map("Attributes", "key", "value");
    // As SNS has it: without raw delivery.
    let mut wanted = Wanted {
        settings: SubscriptionSettings {
            raw: false,
            ..SubscriptionSettings::default()
        },
        scope: Scope::default(),
    };
    wanted.apply_all(&given)?;
    let id = messaging
        .broker
        .subscribe(topic, queue, wanted.settings)
        .map_err(|error| match error {
            BrokerError::Exists(_) => {
                Error::invalid("Attributes Reason: Subscription already exists with different attributes")
            }
            error => error.into(),
        })?;
    lock(&messaging.scopes).insert(id.clone(), wanted.scope);
    let mut xml = Xml::default();
    xml.text("SubscriptionArn", &subscription_arn(topic, &id));
    Ok(Some(xml))
}

/// No error if there is none, as in SNS.
pub(super) fn unsubscribe(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let id = id_of(context)?;
    context.messaging.broker.unsubscribe(id);
    lock(&context.messaging.scopes).remove(id);
    Ok(None)
}

pub(super) fn get_attributes(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let (subscription, _) = find(context)?;
    let settings = &subscription.settings;
    let mut all = BTreeMap::from([
        (
            "SubscriptionArn",
            subscription_arn(&subscription.topic, &subscription.id),
        ),
        ("TopicArn", topic_arn(&subscription.topic)),
        ("Protocol", "sqs".to_owned()),
        ("Endpoint", sqs::arn(&subscription.queue)),
        ("Owner", ACCOUNT.to_owned()),
        ("SubscriptionPrincipal", format!("arn:aws:iam::{ACCOUNT}:root")),
        ("ConfirmationWasAuthenticated", "true".to_owned()),
        ("PendingConfirmation", "false".to_owned()),
        ("RawMessageDelivery", settings.raw.to_string()),
    ]);
    if let Some(filter) = &settings.filter {
        all.insert("FilterPolicy", filter.json().to_string());
        all.insert("FilterPolicyScope", scope_name(filter.scope()).to_owned());
    }
    if let Some(queue) = &settings.dead_letter_queue {
        let policy = json!({"deadLetterTargetArn": sqs::arn(queue)});
        all.insert("RedrivePolicy", policy.to_string());
    }
    let mut xml = Xml::default();
    xml.map("Attributes", all);
    Ok(Some(xml))
}

pub(super) fn set_attribute(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let form = context.form;
    let name = form
        .get("AttributeName")
        .ok_or_else(|| Error::missing("AttributeName"))?;
    let value = form.get("AttributeValue").unwrap_or_default();
    let (subscription, scope) = find(context)?;
    let mut wanted = Wanted {
        settings: subscription.settings,
        scope,
    };
    wanted.apply_all(&[(name, value)])?;
    let messaging = context.messaging;
    messaging
        .broker
        .set_subscription(&subscription.id, wanted.settings)?;
    lock(&messaging.scopes).insert(subscription.id, wanted.scope);
    Ok(None)
}

pub(super) fn list(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    write(context, context.messaging.broker.subscriptions())
}

pub(super) fn list_by_topic(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let topic = topic_of(context.form.get("TopicArn"), "TopicArn")?;
    context.messaging.broker.topic_settings(topic)?;
    let mut all = context.messaging.broker.subscriptions();
    all.retain(|subscription| subscription.topic == topic);
    write(context, all)
}

fn write(context: &Context<'_>, all: Vec<Subscription>) -> Result<Option<Xml>, Error> {
    let (subscriptions, token) = page(all, context.form.get("NextToken"))?;
    let mut xml = Xml::default();
    xml.element("Subscriptions", |xml| {
        for Subscription { id, topic, queue, .. } in subscriptions {
            xml.element("member", |xml| {
                xml.text("SubscriptionArn", &subscription_arn(&topic, &id))
                    .text("Owner", ACCOUNT)
                    .text("Protocol", "sqs")
                    .text("Endpoint", &sqs::arn(&queue))
                    .text("TopicArn", &topic_arn(&topic));
            });
        }
    });
    if let Some(token) = token {
        xml.text("NextToken", &token);
    }
    Ok(Some(xml))
}

/// The id at the end of a subscription's ARN.
fn id_of<'a>(context: &Context<'a>) -> Result<&'a str, Error> {
    let arn = context.form.get("SubscriptionArn").unwrap_or_default();
    let id = name_in_arn(arn, "sns").and_then(|name| name.rsplit_once(':'));
    id.map(|(_, id)| id)
        .ok_or_else(|| Error::invalid("SubscriptionArn Reason: An ARN must have at least 6 elements"))
}

/// The subscription that a call is about, and what its filter policy looks at or would look at.
fn find(context: &Context<'_>) -> Result<(Subscription, Scope), Error> {
    let id = id_of(context)?;
    let all = context.messaging.broker.subscriptions().into_iter();
    let subscription = all
        .into_iter()
        .find(|subscription| subscription.id == id)
        .ok_or_else(Error::no_subscription)?;
    let scope = match &subscription.settings.filter {
        Some(filter) => filter.scope(),
        None => lock(&context.messaging.scopes)
            .get(id)
            .copied()
            .unwrap_or_default(),
    };
    Ok((subscription, scope))
}

/// What a subscription is to be.
struct Wanted {
    settings: SubscriptionSettings,
    /// Also while there is no filter policy: the two can be set one after the other.
    scope: Scope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
}

impl Wanted {
    fn apply_all(&mut self, attributes: &[(&str, &str)]) -> Result<(), Error> {
        let before = self.settings.filter.as_ref().map(|filter| filter.json().clone());
        // First what the policy looks at: in one call they come in any order.
        let scope = attributes.iter().find(|(name, _)| *name == "FilterPolicyScope");
        if let Some((_, scope)) = scope {
            self.scope = match *scope {
                "MessageAttributes" => Scope::MessageAttributes,
                "MessageBody" => Scope::MessageBody,
                _ => return Err(Error::invalid("FilterPolicyScope: Invalid value")),
            };
            if let Some(policy) = before {
                self.filter(&policy)?;
            }
        }
        for (name, value) in attributes {
            self.apply(name, value)?;
        }
        Ok(())
    }

    fn apply(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "RawMessageDelivery" => {
                self.settings.raw = value.to_ascii_lowercase().parse().map_err(|_| {
                    Error::invalid(format_args!(
                        "Attributes Reason: RawMessageDelivery: Invalid value [{value}]. Must be true or false."
                    ))
                })?;
            }
            // Done already.
            "FilterPolicyScope" => {}
            "FilterPolicy" if value.is_empty() => self.settings.filter = None,
            "FilterPolicy" => {
                let policy: Value = serde_json::from_str(value).map_err(|error| {
                    Error::invalid(format!("FilterPolicy: failed to parse JSON: {error}"))
                })?;
                self.filter(&policy)?;
            }
            "RedrivePolicy" if value.is_empty() => self.settings.dead_letter_queue = None,
            "RedrivePolicy" => {
                let policy: Option<RedrivePolicy> = serde_json::from_str(value).ok();
                let queue = policy
                    .as_ref()
                    .and_then(|policy| name_in_arn(&policy.dead_letter_target_arn, "sqs"));
                let queue = queue
                    .ok_or_else(|| Error::invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn"))?;
                self.settings.dead_letter_queue = Some(queue.to_owned());
            }
            // Of endpoints that aren't queues; kept nowhere.
            "DeliveryPolicy" => {}
            _ => return Err(Error::invalid("AttributeName")),
        }
        Ok(())
    }

    /// An empty policy takes everything, and counts for no limit.
    fn filter(&mut self, policy: &Value) -> Result<(), Error> {
        let empty = policy.as_object().is_some_and(serde_json::Map::is_empty);
        self.settings.filter = match empty {
            true => None,
            false => Some(FilterPolicy::parse(policy, self.scope).map_err(BrokerError::from)?),
        };
        Ok(())
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::MessageAttributes => "MessageAttributes",
        Scope::MessageBody => "MessageBody",
    }
}

//! Topics: made, changed, listed, tagged and removed.

use std::collections::BTreeMap;

use fanfare::is_fifo;
use fanfare::memory::TopicSettings;
use serde_json::json;

use super::operation::Context;
use super::{Error, page, topic_arn, topic_of};
use crate::messaging::{ACCOUNT, Messaging, lock};
use crate::query::Xml;

/// What SNS knows of a topic beside what the broker does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    tags: BTreeMap<String, String>,
    /// Attributes that are kept and shown, and change nothing.
    kept: BTreeMap<String, String>,
}

/// The attributes that nothing here acts on; so are those that end in `FeedbackRoleArn` or
/// `FeedbackSampleRate`.
const KEPT: [&str; 6] = [
    "DeliveryPolicy",
    "DisplayName",
    "KmsMasterKeyId",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
];

/// The most tags of a topic.
const TAGS: usize = 50;

pub(super) fn create(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let form = context.form;
    let name = form.get("Name").ok_or_else(|| Error::missing("Name"))?;
    let messaging = context.messaging;
    let given = form.map("Attributes", "key", "value");
    let fifo = given
        .iter()
        .any(|(name, value)| *name == "FifoTopic" && value.eq_ignore_ascii_case("true"));
    check_name(name, fifo)?;
    let there = messaging.broker.topic_settings(name).ok();
    let before = match &there {
        Some(_) => extra(messaging, name),
        // Of one that was removed in the broker.
        None => Extra::default(),
    };
    let (mut settings, mut extra) = (there.clone().unwrap_or_default(), before.clone());
    for (attribute, value) in given {
        apply(name, attribute, value, &mut settings, &mut extra)?;
    }
    let tags = tags(context);
    match there {
        // Only what is given is compared.
        Some(there) if there != settings || before.kept != extra.kept => {
            return Err(Error::invalid(
                "Attributes Reason: Topic already exists with different attributes",
            ));
        }
        Some(_) if !tags.is_empty() && tags != before.tags => {
            return Err(Error::invalid(
                "Tags Reason: Topic already exists with different tags",
            ));
        }
        Some(_) => {}
        None => {
            extra.tags = tags;
            check_tags(&extra)?;
            messaging.broker.create_topic(name, settings)?;
            lock(&messaging.topics).insert(name.to_owned(), extra);
        }
    }
    let mut xml = Xml::default();
    xml.text("TopicArn", &topic_arn(name));
    Ok(Some(xml))
}

/// No error if there is none, as in SNS.
pub(super) fn delete(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let topic = topic_of(context.form.get("TopicArn"), "TopicArn")?;
    context.messaging.broker.delete_topic(topic);
    lock(&context.messaging.topics).remove(topic);
    Ok(None)
}

pub(super) fn get_attributes(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let topic = topic_of(context.form.get("TopicArn"), "TopicArn")?;
    let messaging = context.messaging;
    let settings = messaging.broker.topic_settings(topic)?;
    let subscriptions = messaging.broker.subscriptions().into_iter();
    let confirmed = subscriptions
        .filter(|subscription| subscription.topic == topic)
        .count();
    let delivery = json!({"http": {"defaultHealthyRetryPolicy": {
        "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
        "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
    }, "disableSubscriptionOverrides": false}});
    let mut all = BTreeMap::from([
        ("TopicArn", topic_arn(topic)),
        ("Owner", ACCOUNT.to_owned()),
        ("DisplayName", String::new()),
        ("EffectiveDeliveryPolicy", delivery.to_string()),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsPending", "0".to_owned()),
        ("SubscriptionsDeleted", "0".to_owned()),
        ("MaximumMessageSize", settings.maximum_size.to_string()),
    ]);
    if is_fifo(topic) {
        let scope = match settings.deduplicate_by_group {
            true => "MessageGroup",
            false => "Topic",
        };
        all.extend([
            ("FifoTopic", "true".to_owned()),
            (
                "ContentBasedDeduplication",
                settings.content_based_deduplication.to_string(),
            ),
            ("FifoThroughputScope", scope.to_owned()),
        ]);
    }
    let Extra { kept, .. } = extra(messaging, topic);
    all.extend(kept.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let mut xml = Xml::default();
    xml.map("Attributes", all);
    Ok(Some(xml))
}

pub(super) fn set_attribute(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let form = context.form;
    let topic = topic_of(form.get("TopicArn"), "TopicArn")?;
    let attribute = form
        .get("AttributeName")
        .ok_or_else(|| Error::missing("AttributeName"))?;
    let messaging = context.messaging;
    let (mut settings, mut extra) = (messaging.broker.topic_settings(topic)?, extra(messaging, topic));
    if attribute == "FifoTopic" {
        return Err(Error::invalid("AttributeName"));
    }
    let value = form.get("AttributeValue").unwrap_or_default();
    apply(topic, attribute, value, &mut settings, &mut extra)?;
    messaging.broker.set_topic(topic, settings)?;
    lock(&messaging.topics).insert(topic.to_owned(), extra);
    Ok(None)
}

pub(super) fn list(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let (topics, token) = page(context.messaging.broker.topics(), context.form.get("NextToken"))?;
    let mut xml = Xml::default();
    xml.element("Topics", |xml| {
        for topic in topics {
            xml.element("member", |xml| {
                xml.text("TopicArn", &topic_arn(&topic));
            });
        }
    });
    if let Some(token) = token {
        xml.text("NextToken", &token);
    }
    Ok(Some(xml))
}

pub(super) fn tag(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let tags = tags(context);
    change_tags(context, |extra| extra.tags.extend(tags))
}

pub(super) fn untag(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let keys = context.form.list("TagKeys");
    change_tags(context, |extra| {
        extra.tags.retain(|key, _| !keys.contains(&key.as_str()))
    })
}

pub(super) fn list_tags(context: &Context<'_>) -> Result<Option<Xml>, Error> {
    let topic = tagged(context)?;
    let mut xml = Xml::default();
    xml.element("Tags", |xml| {
        for (key, value) in extra(context.messaging, topic).tags {
            xml.element("member", |xml| {
                xml.text("Key", &key).text("Value", &value);
            });
        }
    });
    Ok(Some(xml))
}

fn change_tags(context: &Context<'_>, change: impl FnOnce(&mut Extra)) -> Result<Option<Xml>, Error> {
    let topic = tagged(context)?;
    let mut extra = extra(context.messaging, topic);
    change(&mut extra);
    check_tags(&extra)?;
    lock(&context.messaging.topics).insert(topic.to_owned(), extra);
    Ok(Some(Xml::default()))
}

/// The topic whose tags a call is about.
fn tagged<'a>(context: &Context<'a>) -> Result<&'a str, Error> {
    let topic = topic_of(context.form.get("ResourceArn"), "ResourceArn")?;
    let there = context.messaging.broker.topic_settings(topic);
    there.map_err(|_| Error::new("ResourceNotFound", "Resource does not exist"))?;
    Ok(topic)
}

fn tags(context: &Context<'_>) -> BTreeMap<String, String> {
    let form = context.form;
    let members = form.members("Tags", "member").into_iter();
    members
        .filter_map(|member| {
            let key = form.get(&format!("{member}.Key"))?;
            let value = form.get(&format!("{member}.Value")).unwrap_or_default();
            Some((key.to_owned(), value.to_owned()))
        })
        .collect()
}

fn check_tags(extra: &Extra) -> Result<(), Error> {
    match extra.tags.len() {
        0..=TAGS => Ok(()),
        _ => Err(Error::new(
            "TagLimitExceeded",
            "Could not complete request: tag quota of per resource exceeded",
        )),
    }
}

fn extra(messaging: &Messaging, topic: &str) -> Extra {
    lock(&messaging.topics).get(topic).cloned().unwrap_or_default()
}

/// The rules of names: a FIFO topic's ends in `.fifo`, and only it has the attribute.
fn check_name(name: &str, fifo: bool) -> Result<(), Error> {
    match (fifo, is_fifo(name)) {
        (true, false) => Err(Error::invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, \
             numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        )),
        (false, true) => Err(Error::invalid("Topic Name")),
        _ => Ok(()),
    }
}

fn apply(
    topic: &str,
    attribute: &str,
    value: &str,
    settings: &mut TopicSettings,
    extra: &mut Extra,
) -> Result<(), Error> {
    let wrong = |reason: &str| Error::invalid(format!("Attributes Reason: {attribute}: {reason}"));
    let flag = || {
        value
            .to_ascii_lowercase()
            .parse::<bool>()
            .map_err(|_| wrong("true or false"))
    };
    let for_fifo = || match is_fifo(topic) {
        true => Ok(()),
        false => Err(wrong("only a FIFO topic has it")),
    };
    match attribute {
        "FifoTopic" => {
            flag()?;
        }
        "ContentBasedDeduplication" => {
            for_fifo()?;
            settings.content_based_deduplication = flag()?;
        }
        "FifoThroughputScope" => {
            for_fifo()?;
            settings.deduplicate_by_group = match value {
                "MessageGroup" => true,
                "Topic" => false,
                _ => return Err(wrong("Topic or MessageGroup")),
            };
        }
        "MaximumMessageSize" => {
            let size = value.parse().map_err(|_| wrong("a number of bytes"))?;
            settings.maximum_size = size;
        }
        kept if KEPT.contains(&kept)
            || kept.ends_with("FeedbackRoleArn")
            || kept.ends_with("FeedbackSampleRate") =>
        {
            extra.kept.insert(kept.to_owned(), value.to_owned());
        }
        _ => return Err(Error::invalid("AttributeName")),
    }
    Ok(())
}

//! Queues: made, found, changed, listed, tagged and removed.

use std::collections::BTreeMap;

use fanfare::is_fifo;
use fanfare::memory::BrokerError;
use serde::{Deserialize, Serialize};

use super::attributes::{self, Extra};
use super::operation::{Context, Nothing};
use super::{Code, Error, name, url};
use crate::messaging::lock;

/// The most queues of a page.
const PAGE: usize = 1_000;
/// The most tags of a queue.
const TAGS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    queue_name: String,
    attributes: Option<BTreeMap<String, String>>,
    /// In small letters in SQS's model; clients of other makes write it large.
    #[serde(rename = "tags", alias = "Tags")]
    tags: Option<BTreeMap<String, String>>,
}

/// All calls that name a queue and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    queue_url: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: String,
    attribute_names: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    #[serde(default)]
    queue_name_prefix: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeadLetterSourceQueues {
    queue_url: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagQueue {
    queue_url: String,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagQueue {
    queue_url: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Url {
    queue_url: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Urls {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// As [`Urls`], with a small letter: so is SQS's model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sources {
    queue_urls: Vec<String>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tags {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

pub(super) fn create(context: &Context<'_>, request: CreateQueue) -> Result<Url, Error> {
    let queue = request.queue_name;
    let messaging = context.messaging;
    let given = request.attributes.unwrap_or_default();
    let fifo = given.get("FifoQueue");
    if !is_fifo(&queue) && fifo.is_some_and(|fifo| fifo.eq_ignore_ascii_case("false")) {
        return Err(attributes::unknown("FifoQueue"));
    }
    check_name(&queue, fifo.is_some())?;
    let there = messaging.broker.queue_settings(&queue).ok();
    if there.is_none() {
        // Of one that was removed in the broker.
        lock(&messaging.queues).remove(&queue);
    }
    let before = attributes::extra(messaging, &queue);
    let mut settings = there.clone().unwrap_or_default();
    let mut extra = before.clone();
    attributes::apply(&queue, &given, &mut settings, &mut extra.kept)?;
    let tags = request.tags.unwrap_or_default();
    check_tags(&tags)?;
    match there {
        // Only what is given is compared.
        Some(there) if there != settings || before != extra => {
            let (there, asked) = (
                attributes::settable(&queue, &there, &before),
                attributes::settable(&queue, &settings, &extra),
            );
            let mut given = given.keys().map(String::as_str);
            let differs = given.find(|name| there.get(name) != asked.get(name));
            return Err(Error::new(
                Code::QueueNameExists,
                format!(
                    "A queue already exists with the same name and a different value for attribute {}",
                    differs.unwrap_or_default()
                ),
            ));
        }
        Some(_) => {}
        None => {
            messaging
                .broker
                .create_queue(&queue, settings)
                .map_err(|error| refused(&given, error))?;
            extra.tags = tags;
            lock(&messaging.queues).insert(queue.clone(), extra);
        }
    }
    Ok(Url {
        queue_url: url(context.request, &queue),
    })
}

pub(super) fn get_url(context: &Context<'_>, request: GetQueueUrl) -> Result<Url, Error> {
    context.must_have(&request.queue_name)?;
    Ok(Url {
        queue_url: url(context.request, &request.queue_name),
    })
}

pub(super) fn delete(context: &Context<'_>, request: OfQueue) -> Result<Nothing, Error> {
    let queue = name(&request.queue_url);
    context.must_have(queue)?;
    context.messaging.broker.delete_queue(queue);
    lock(&context.messaging.queues).remove(queue);
    lock(&context.messaging.moves).remove(queue);
    Ok(Nothing {})
}

pub(super) fn purge(context: &Context<'_>, request: OfQueue) -> Result<Nothing, Error> {
    let queue = name(&request.queue_url);
    context
        .messaging
        .broker
        .purge(queue)
        .map_err(|error| match error {
            BrokerError::PurgeInProgress(queue) => Error::new(
                Code::PurgeQueueInProgress,
                format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds."),
            ),
            error => error.into(),
        })?;
    Ok(Nothing {})
}

pub(super) fn get_attributes(
    context: &Context<'_>,
    request: GetQueueAttributes,
) -> Result<Attributes, Error> {
    let asked = request.attribute_names.unwrap_or_default();
    if let Some(unknown) = asked.iter().find(|name| !attributes::is_known(name)) {
        return Err(attributes::unknown(unknown));
    }
    let mut attributes = attributes::of(context.messaging, name(&request.queue_url))?;
    attributes.retain(|name, _| asked.iter().any(|asked| asked == name || asked == "All"));
    Ok(Attributes { attributes })
}

pub(super) fn set_attributes(context: &Context<'_>, request: SetQueueAttributes) -> Result<Nothing, Error> {
    let queue = name(&request.queue_url);
    let messaging = context.messaging;
    let mut settings = messaging.broker.queue_settings(queue)?;
    let mut extra = attributes::extra(messaging, queue);
    attributes::apply(queue, &request.attributes, &mut settings, &mut extra.kept)?;
    let set = messaging.broker.set_queue(queue, settings);
    set.map_err(|error| refused(&request.attributes, error))?;
    extra.modified = messaging.millis() / 1_000;
    lock(&messaging.queues).insert(queue.to_owned(), extra);
    Ok(Nothing {})
}

pub(super) fn list(context: &Context<'_>, request: ListQueues) -> Result<Urls, Error> {
    let mut names = context.messaging.broker.queues();
    names.retain(|name| name.starts_with(&request.queue_name_prefix));
    let (queue_urls, next_token) = request.page.of(context, names)?;
    Ok(Urls {
        queue_urls,
        next_token,
    })
}

pub(super) fn list_dead_letter_sources(
    context: &Context<'_>,
    request: ListDeadLetterSourceQueues,
) -> Result<Sources, Error> {
    let queue = name(&request.queue_url);
    context.must_have(queue)?;
    let names = context.messaging.broker.dead_letter_sources(queue);
    let (queue_urls, next_token) = request.page.of(context, names)?;
    Ok(Sources {
        queue_urls,
        next_token,
    })
}

pub(super) fn tag(context: &Context<'_>, request: TagQueue) -> Result<Nothing, Error> {
    change_tags(context, &request.queue_url, |tags| tags.extend(request.tags))
}

pub(super) fn untag(context: &Context<'_>, request: UntagQueue) -> Result<Nothing, Error> {
    change_tags(context, &request.queue_url, |tags| {
        tags.retain(|key, _| !request.tag_keys.contains(key));
    })
}

pub(super) fn list_tags(context: &Context<'_>, request: OfQueue) -> Result<Tags, Error> {
    let queue = name(&request.queue_url);
    context.must_have(queue)?;
    Ok(Tags {
        tags: attributes::extra(context.messaging, queue).tags,
    })
}

fn change_tags(
    context: &Context<'_>,
    url: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Nothing, Error> {
    let queue = name(url);
    context.must_have(queue)?;
    let mut extra: Extra = attributes::extra(context.messaging, queue);
    change(&mut extra.tags);
    check_tags(&extra.tags)?;
    lock(&context.messaging.queues).insert(queue.to_owned(), extra);
    Ok(Nothing {})
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let fits = |(key, value): (&String, &String)| {
        (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256
    };
    match tags.len() <= TAGS && tags.iter().all(fits) {
        true => Ok(()),
        false => Err(Error::new(
            Code::InvalidParameterValue,
            "A queue has up to 50 tags, with keys of 1 to 128 characters and values of up to 256.",
        )),
    }
}

/// The rules of names, in SQS's words: a FIFO queue's ends in `.fifo`, and only it has the attribute.
fn check_name(queue: &str, fifo: bool) -> Result<(), Error> {
    let stem = queue.strip_suffix(".fifo").unwrap_or(queue);
    let of_the_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = !stem.is_empty() && queue.len() <= 80 && stem.bytes().all(of_the_alphabet);
    let message = match (fits, fifo, is_fifo(queue)) {
        (true, true, true) | (true, false, false) => return Ok(()),
        (_, true, _) => {
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
             .fifo suffix and be 1 to 80 in length."
        }
        (_, false, _) => {
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        }
    };
    Err(Error::new(Code::InvalidParameterValue, message))
}

/// Why the broker refuses settings. What it says of a dead-letter queue concerns the policy.
fn refused(given: &BTreeMap<String, String>, error: BrokerError) -> Error {
    let policy = given.get("RedrivePolicy").map(String::as_str).unwrap_or_default();
    match error {
        BrokerError::NoQueue(_) if !policy.is_empty() => {
            Error::value("RedrivePolicy", policy, "Dead letter target does not exist.")
        }
        BrokerError::MixedKinds { .. } | BrokerError::Parameter { .. } => {
            Error::value("RedrivePolicy", policy, &error.to_string())
        }
        error => error.into(),
    }
}

impl Page {
    /// The queues of this page, and the token for the next one.
    fn of(&self, context: &Context<'_>, names: Vec<String>) -> Result<(Vec<String>, Option<String>), Error> {
        let size = match self.max_results.map(usize::try_from) {
            None => PAGE,
            Some(Ok(size @ 1..=PAGE)) => size,
            Some(_) => {
                return Err(Error::new(
                    Code::InvalidParameterValue,
                    "Value for parameter MaxResults is invalid. Reason: Must be an integer from 1 to 1000, if \
                     provided.",
                ));
            }
        };
        let after = self.next_token.as_deref().unwrap_or_default();
        let mut rest = names.into_iter().filter(|name| name.as_str() > after);
        let page: Vec<String> = rest.by_ref().take(size).collect();
        // Without a number of results SQS gives no token.
        let more = rest.next().is_some() && self.max_results.is_some();
        let next_token = page.last().filter(|_| more).cloned();
        let urls = page.iter().map(|name| url(context.request, name)).collect();
        Ok((urls, next_token))
    }
}

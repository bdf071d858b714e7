//! SQS queues.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;
use tokio::time::Instant;

use crate::client::{Scope, client, is_sqs};
use crate::compare::{differences, queues};
use crate::deployment::State;
use crate::wanted::{KEY, Queue};
use crate::{Caller, Difference, InfraError};

/// SQS gives a name free a minute after its queue was deleted.
const FREE_WITHIN: Duration = Duration::from_secs(75);
/// A changed attribute takes up to a minute to spread, and a new queue a second to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(75);
const SEEN_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// SQS's own key in KMS.
const AWS_KEY: &str = "alias/aws/sqs";

const GONE: [&str; 2] = ["NonExistentQueue", "QueueDoesNotExist"];
const DELETED: [&str; 2] = ["QueueDeletedRecently"; 2];

#[derive(Clone, Debug)]
pub(crate) struct Queues {
    client: Client,
    scope: Scope,
}

/// A queue's URL.
pub(crate) type Url = String;

type Attributes = HashMap<QueueAttributeName, String>;

impl Queues {
    pub(crate) fn new(config: &SdkConfig, caller: &Caller) -> Self {
        Self {
            client: client!(aws_sdk_sqs, config),
            scope: Scope::new(config, "SQS", Some(caller.arn())),
        }
    }

    /// Whether they lie in AWS's own SQS, which takes its time, or in a local one.
    pub(crate) fn are_on_aws(&self) -> bool {
        self.scope.is_aws()
    }

    pub(crate) async fn look(&self, queue: &Queue) -> Result<State<Url>, InfraError> {
        Ok(match self.attributes(queue).await? {
            Some((url, is)) => State::of(url, compare(queue, &is)),
            None => State::Missing,
        })
    }

    /// What shows that a queue of this name is somebody else's: its policies name a queue that ours don't.
    pub(crate) async fn foreign(&self, queue: &Queue) -> Result<Option<String>, InfraError> {
        let Some((_, is)) = self.attributes(queue).await? else {
            return Ok(None);
        };
        let foreign = ["RedrivePolicy", "RedriveAllowPolicy"]
            .iter()
            .find_map(|setting| {
                let ours = queue.attributes.get(setting).map(|policy| queues(policy));
                let ours = ours.unwrap_or_default();
                let theirs = queues(is.get(&(*setting).into())?);
                let other = theirs.into_iter().find(|arn| !ours.contains(arn))?;
                Some(format!("{}, whose {setting} names {other}", queue.resource))
            });
        Ok(foreign)
    }

    /// A queue's URL and attributes, if it is there.
    async fn attributes(&self, queue: &Queue) -> Result<Option<(Url, Attributes)>, InfraError> {
        let name = &queue.resource.name;
        let Some(url) = self.url(name).await? else {
            return Ok(None);
        };
        let call = self.client.get_queue_attributes().queue_url(&url);
        match Box::pin(call.attribute_names(QueueAttributeName::All).send()).await {
            Ok(answer) => Ok(Some((url, answer.attributes.unwrap_or_default()))),
            // Deleted within the last minute.
            Err(error) if is_sqs(&error, GONE) => Ok(None),
            Err(error) => Err(self.scope.failed("sqs:GetQueueAttributes", name, error)),
        }
    }

    /// The URL of a queue, if it is there.
    pub(crate) async fn url(&self, name: &str) -> Result<Option<Url>, InfraError> {
        const CALL: &str = "sqs:GetQueueUrl";
        match Box::pin(self.client.get_queue_url().queue_name(name).send()).await {
            Ok(answer) => match answer.queue_url {
                Some(url) => Ok(Some(url)),
                None => Err(self.scope.wrong(CALL, name, "the answer lacks the URL")),
            },
            Err(error) if is_sqs(&error, GONE) => Ok(None),
            Err(error) => Err(self.scope.failed(CALL, name, error)),
        }
    }

    /// The names of all queues of the account and region that begin so.
    pub(crate) async fn named(&self, prefix: &str) -> Result<Vec<String>, InfraError> {
        // Without a size of pages there would be one of them.
        let call = self
            .client
            .list_queues()
            .queue_name_prefix(prefix)
            .max_results(1_000);
        let mut pages = call.into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| self.scope.failed("sqs:ListQueues", prefix, error))?;
            let urls = page.queue_urls.unwrap_or_default();
            all.extend(
                urls.iter()
                    .filter_map(|url| Some(url.rsplit('/').next()?.to_owned())),
            );
        }
        all.retain(|name| name.starts_with(prefix));
        Ok(all)
    }

    /// Makes it; of a name that isn't free yet, when it is.
    pub(crate) async fn make(&self, queue: &Queue) -> Result<(), InfraError> {
        let name = &queue.resource.name;
        let since = Instant::now();
        loop {
            let mut call = self.client.create_queue().queue_name(name);
            for (name, value) in &queue.attributes {
                call = call.attributes((*name).into(), value);
            }
            match Box::pin(call.send()).await {
                Ok(_) => return Ok(()),
                Err(error) if is_sqs(&error, DELETED) => {
                    if since.elapsed() >= FREE_WITHIN {
                        return Err(self.scope.failed("sqs:CreateQueue", name, error));
                    }
                    tracing::info!(
                        queue = name,
                        "was deleted just now: waiting until its name is free"
                    );
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => return Err(self.scope.failed("sqs:CreateQueue", name, error)),
            }
        }
    }

    pub(crate) async fn set(
        &self,
        queue: &Queue,
        url: &str,
        differences: &[Difference],
    ) -> Result<(), InfraError> {
        let mut call = self.client.set_queue_attributes().queue_url(url);
        for Difference {
            setting, should_be, ..
        } in differences
        {
            call = call.attributes(setting.as_str().into(), should_be);
        }
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self
                .scope
                .failed("sqs:SetQueueAttributes", &queue.resource.name, error)),
        }
    }

    /// Waits until what was made or set shows, so that a next run sees it so.
    pub(crate) async fn settle(&self, queue: &Queue) -> Result<(), InfraError> {
        let since = Instant::now();
        loop {
            let what = match self.look(queue).await? {
                State::There => return Ok(()),
                State::Missing => format!("{} is not to be seen", queue.resource),
                State::Differs(_, differences) => {
                    let texts: Vec<_> = differences.iter().map(ToString::to_string).collect();
                    format!("{}: still so", texts.join("; "))
                }
            };
            if since.elapsed() >= SEEN_WITHIN {
                let after = SEEN_WITHIN;
                return Err(InfraError::NotReady { what, after });
            }
            tokio::time::sleep(SEEN_EVERY).await;
        }
    }

    /// Deletes it with all that is in it, and says whether it was there.
    pub(crate) async fn delete(&self, queue: &Queue) -> Result<bool, InfraError> {
        let name = &queue.resource.name;
        let Some(url) = self.url(name).await? else {
            return Ok(false);
        };
        match Box::pin(self.client.delete_queue().queue_url(url).send()).await {
            Ok(_) => Ok(true),
            Err(error) if is_sqs(&error, GONE) => Ok(false),
            Err(error) => Err(self.scope.failed("sqs:DeleteQueue", name, error)),
        }
    }
}

fn compare(queue: &Queue, is: &Attributes) -> Vec<Difference> {
    let is = |name: &str| is.get(&name.into()).map(String::as_str);
    let mut differences = differences(&queue.resource, &queue.attributes, is);
    let own = queue.attributes.contains_key(KEY);
    if let Some(key) = is(KEY).filter(|key| !key.is_empty() && !own) {
        match key.ends_with(AWS_KEY) && queue.from_topics {
            // SNS may not use it, and nobody can allow it to: it delivers nothing.
            true => {
                let is = Some(key.to_owned());
                differences.push(Difference::new(&queue.resource, KEY, is, ""));
            }
            // Encrypted by a key of the account's own, or where SNS sends nothing: that is no less.
            false => differences.retain(|difference| difference.setting != "SqsManagedSseEnabled"),
        }
    }
    differences
}

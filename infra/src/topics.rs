//! SNS topics.

use aws_sdk_sns::Client;
use aws_types::SdkConfig;

use crate::client::{Scope, client, code};
use crate::compare::differences;
use crate::deployment::State;
use crate::wanted::{FIFO_TOPIC, Topic};
use crate::{Caller, Difference, InfraError};

#[derive(Clone, Debug)]
pub(crate) struct Topics {
    client: Client,
    scope: Scope,
}

impl Topics {
    pub(crate) fn new(config: &SdkConfig, caller: &Caller) -> Self {
        Self {
            client: client!(aws_sdk_sns, config),
            scope: Scope::new(config, "SNS", Some(caller.arn())),
        }
    }

    pub(crate) async fn look(&self, topic: &Topic) -> Result<State<()>, InfraError> {
        let call = self.client.get_topic_attributes().topic_arn(&topic.arn);
        match Box::pin(call.send()).await {
            // Whether it is FIFO its name says.
            Ok(answer) => {
                let is = answer.attributes.unwrap_or_default();
                let is = |name: &str| is.get(name).map(String::as_str);
                let differences = differences(&topic.resource, &topic.attributes, is);
                let settings = differences
                    .into_iter()
                    .filter(|difference| difference.setting != FIFO_TOPIC);
                Ok(State::of((), settings.collect()))
            }
            Err(error) if code(&error) == Some("NotFound") => Ok(State::Missing),
            Err(error) => Err(self.failed("sns:GetTopicAttributes", topic, error)),
        }
    }

    /// The names of all topics of the account and region that begin so.
    pub(crate) async fn named(&self, prefix: &str) -> Result<Vec<String>, InfraError> {
        let mut pages = self.client.list_topics().into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| self.scope.failed("sns:ListTopics", prefix, error))?;
            let arns = page.topics.unwrap_or_default().into_iter();
            all.extend(arns.filter_map(|topic| Some(topic.topic_arn?.rsplit(':').next()?.to_owned())));
        }
        all.retain(|name| name.starts_with(prefix));
        Ok(all)
    }

    pub(crate) async fn make(&self, topic: &Topic) -> Result<(), InfraError> {
        let mut call = self.client.create_topic().name(&topic.resource.name);
        for (name, value) in &topic.attributes {
            call = call.attributes(*name, value);
        }
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("sns:CreateTopic", topic, error)),
        }
    }

    pub(crate) async fn set(&self, topic: &Topic, differences: &[Difference]) -> Result<(), InfraError> {
        for difference in differences {
            let call = self.client.set_topic_attributes().topic_arn(&topic.arn);
            let call = call
                .attribute_name(&difference.setting)
                .attribute_value(&difference.should_be);
            if let Err(error) = Box::pin(call.send()).await {
                return Err(self.failed("sns:SetTopicAttributes", topic, error));
            }
        }
        Ok(())
    }

    /// SNS says nothing of one that isn't there.
    pub(crate) async fn delete(&self, topic: &Topic) -> Result<(), InfraError> {
        let call = self.client.delete_topic().topic_arn(&topic.arn);
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("sns:DeleteTopic", topic, error)),
        }
    }

    fn failed<E>(
        &self,
        call: &'static str,
        topic: &Topic,
        error: aws_sdk_sns::error::SdkError<E>,
    ) -> InfraError
    where
        E: aws_sdk_sns::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.scope.failed(call, &topic.resource.name, error)
    }
}

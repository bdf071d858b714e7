//! SNS subscriptions of queues.

use aws_sdk_sns::Client;
use aws_types::SdkConfig;

use crate::client::{Scope, client, code};
use crate::compare::differences;
use crate::deployment::State;
use crate::wanted::{Subscription, Topic};
use crate::{Caller, Difference, InfraError};

#[derive(Clone, Debug)]
pub(crate) struct Subscriptions {
    client: Client,
    scope: Scope,
}

/// A subscription that a topic has.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// In place of it a word, as long as it isn't confirmed.
    pub(crate) arn: String,
    /// Where it leads.
    pub(crate) endpoint: String,
}

impl Listed {
    pub(crate) fn is_confirmed(&self) -> bool {
        self.arn.starts_with("arn:")
    }
}

impl Subscriptions {
    pub(crate) fn new(config: &SdkConfig, caller: &Caller) -> Self {
        Self {
            client: client!(aws_sdk_sns, config),
            scope: Scope::new(config, "SNS", Some(caller.arn())),
        }
    }

    /// All subscriptions of a topic; none when it isn't there.
    pub(crate) async fn of(&self, topic: &Topic) -> Result<Vec<Listed>, InfraError> {
        let call = self.client.list_subscriptions_by_topic().topic_arn(&topic.arn);
        let mut pages = call.into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = match page {
                Ok(page) => page,
                Err(error) if code(&error) == Some("NotFound") => return Ok(Vec::new()),
                Err(error) => {
                    let name = &topic.resource.name;
                    return Err(self.scope.failed("sns:ListSubscriptionsByTopic", name, error));
                }
            };
            let listed = page.subscriptions.unwrap_or_default().into_iter();
            all.extend(listed.filter_map(|listed| {
                // So is one called that is just being deleted.
                let arn = listed.subscription_arn.filter(|arn| arn != "Deleted")?;
                let endpoint = listed.endpoint.unwrap_or_default();
                Some(Listed { arn, endpoint })
            }));
        }
        Ok(all)
    }

    /// How a subscription is, found among those of its topic.
    pub(crate) async fn look(
        &self,
        subscription: &Subscription,
        listed: &[Listed],
    ) -> Result<State<String>, InfraError> {
        let found = listed
            .iter()
            .find(|listed| listed.is_confirmed() && listed.endpoint == subscription.queue_arn);
        let Some(Listed { arn, .. }) = found else {
            return Ok(State::Missing);
        };
        let call = self.client.get_subscription_attributes().subscription_arn(arn);
        let answer = match Box::pin(call.send()).await {
            Ok(answer) => answer,
            // The list lags behind.
            Err(error) if code(&error) == Some("NotFound") => return Ok(State::Missing),
            Err(error) => {
                let name = &subscription.resource.name;
                return Err(self.scope.failed("sns:GetSubscriptionAttributes", name, error));
            }
        };
        let is = answer.attributes.unwrap_or_default();
        let differences = differences(&subscription.resource, &subscription.attributes, |name| {
            is.get(name).map(String::as_str)
        });
        Ok(State::of(arn.clone(), differences))
    }

    /// Makes it with all its attributes at once, so that no message meets it half set up.
    pub(crate) async fn make(&self, subscription: &Subscription) -> Result<(), InfraError> {
        let mut call = self
            .client
            .subscribe()
            .topic_arn(&subscription.topic_arn)
            .protocol("sqs")
            .endpoint(&subscription.queue_arn)
            .return_subscription_arn(true);
        for (name, value) in &subscription.attributes {
            call = call.attributes(*name, value);
        }
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self
                .scope
                .failed("sns:Subscribe", &subscription.resource.name, error)),
        }
    }

    pub(crate) async fn set(
        &self,
        subscription: &Subscription,
        arn: &str,
        differences: &[Difference],
    ) -> Result<(), InfraError> {
        for Difference {
            setting, should_be, ..
        } in differences
        {
            let call = self
                .client
                .set_subscription_attributes()
                .subscription_arn(arn)
                .attribute_name(setting)
                .attribute_value(should_be);
            if let Err(error) = Box::pin(call.send()).await {
                let name = &subscription.resource.name;
                return Err(self.scope.failed("sns:SetSubscriptionAttributes", name, error));
            }
        }
        Ok(())
    }

    /// SNS says nothing of one that isn't there.
    pub(crate) async fn delete(&self, subscription: &Subscription, arn: &str) -> Result<(), InfraError> {
        match Box::pin(self.client.unsubscribe().subscription_arn(arn).send()).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some("NotFound") => Ok(()),
            Err(error) => Err(self
                .scope
                .failed("sns:Unsubscribe", &subscription.resource.name, error)),
        }
    }
}

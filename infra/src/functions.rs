//! Lambda functions, and the event-source mappings that invoke them.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionConfiguration};
use aws_types::SdkConfig;
use fanfare::Account;

use crate::client::{Scope, client};
use crate::compare::{Attributes, differences};
use crate::{Caller, Difference, InfraError, Resource};

#[derive(Clone, Debug)]
pub(crate) struct Functions {
    client: Client,
    scope: Scope,
    account: Account,
}

/// A function that is there.
#[derive(Clone, Debug)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    settings: Attributes,
}

/// A mapping that is there.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    /// What it reads, as `queue shop-payment` or `table shop-fanfare`; what lies in another account or
    /// region, or is something else, by its ARN.
    pub(crate) source: String,
    /// The function's name, with its version or alias.
    pub(crate) function: String,
    settings: Attributes,
}

impl Functions {
    pub(crate) fn new(config: &SdkConfig, caller: &Caller) -> Self {
        Self {
            client: client!(aws_sdk_lambda, config),
            scope: Scope::new(config, "Lambda", Some(caller.arn())),
            account: caller.account().clone(),
        }
    }

    /// All functions of the account and region whose names begin so.
    pub(crate) async fn named(&self, prefix: &str) -> Result<Vec<Deployed>, InfraError> {
        let mut pages = self.client.list_functions().into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| self.scope.failed("lambda:ListFunctions", prefix, error))?;
            all.extend(page.functions.unwrap_or_default().iter().map(deployed));
        }
        all.retain(|function| function.name.starts_with(prefix));
        Ok(all)
    }

    /// All mappings to functions whose names begin so, and from queues and tables whose names do.
    pub(crate) async fn mapped(&self, prefix: &str) -> Result<Vec<Mapped>, InfraError> {
        let mut pages = self.client.list_event_source_mappings().into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page =
                page.map_err(|error| self.scope.failed("lambda:ListEventSourceMappings", prefix, error))?;
            let there = page.event_source_mappings.unwrap_or_default();
            // One that is being deleted invokes nothing more.
            let there = there.iter().filter(|there| there.state() != Some("Deleting"));
            all.extend(there.map(|there| self.mapping(there)));
        }
        all.retain(|mapping| {
            let source = mapping.source.split_once(' ').map(|(_, name)| name);
            mapping.function.starts_with(prefix) || source.is_some_and(|name| name.starts_with(prefix))
        });
        Ok(all)
    }

    fn mapping(&self, there: &EventSourceMappingConfiguration) -> Mapped {
        let function = there.function_arn().unwrap_or_default();
        Mapped {
            source: source(&self.account, there.event_source_arn().unwrap_or_default()),
            // `arn:aws:lambda:eu-west-1:123456789012:function:shop-payment:live`
            function: function.splitn(7, ':').last().unwrap_or_default().to_owned(),
            settings: mapping_settings(&self.account, there),
        }
    }
}

impl Deployed {
    pub(crate) fn differences(&self, resource: &Resource, should_be: &Attributes) -> Vec<Difference> {
        compare(resource, should_be, &self.settings)
    }
}

impl Mapped {
    pub(crate) fn name(&self) -> String {
        mapping_name(&self.source, &self.function)
    }

    pub(crate) fn differences(&self, resource: &Resource, should_be: &Attributes) -> Vec<Difference> {
        compare(resource, should_be, &self.settings)
    }
}

/// What a mapping is called in reports.
pub(crate) fn mapping_name(source: &str, function: &str) -> String {
    format!("{source} to {function}")
}

/// What is asked for and otherwise or missing, and what is set and not asked for: a filter that was put on
/// by hand deletes messages.
fn compare(resource: &Resource, should_be: &Attributes, is: &Attributes) -> Vec<Difference> {
    let mut all = differences(resource, should_be, |name| is.get(name).map(String::as_str));
    let unasked = is.iter().filter(|(name, _)| !should_be.contains_key(*name));
    all.extend(unasked.map(|(name, is)| Difference::new(resource, *name, Some(is.clone()), "")));
    all
}

fn deployed(there: &FunctionConfiguration) -> Deployed {
    let settings = [("MemorySize", there.memory_size()), ("Timeout", there.timeout())];
    let set = settings
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.to_string())));
    Deployed {
        name: there.function_name().unwrap_or_default().to_owned(),
        settings: set.collect(),
    }
}

fn mapping_settings(account: &Account, there: &EventSourceMappingConfiguration) -> Attributes {
    let number = |value: Option<i32>| value.map(|value| value.to_string());
    // While it changes it goes on as it was.
    let state = there.state().map(|state| match state {
        "Creating" | "Enabling" | "Updating" => ENABLED.to_owned(),
        "Disabling" => "Disabled".to_owned(),
        other => other.to_owned(),
    });
    let answers = there.function_response_types().iter();
    let answers: Vec<_> = answers.map(|answer| answer.as_str()).collect();
    let filters = there.filter_criteria().map(|criteria| criteria.filters());
    let patterns = filters.unwrap_or_default().iter();
    let patterns: Vec<_> = patterns.filter_map(|filter| filter.pattern()).collect();
    let pollers = there.provisioned_poller_config().map(|pollers| {
        let count = |count: Option<i32>| count.unwrap_or_default();
        pollers_name(count(pollers.minimum_pollers()), count(pollers.maximum_pollers()))
    });
    let scaling = there.scaling_config();
    // What is given up is told there.
    let destination = there.destination_config().and_then(|to| to.on_failure());
    let destination = destination.and_then(|to| Some(source(account, to.destination()?)));
    let settings = [
        ("BatchSize", number(there.batch_size())),
        (
            "BisectBatchOnFunctionError",
            there
                .bisect_batch_on_function_error()
                .filter(|bisects| *bisects)
                .map(|bisects| bisects.to_string()),
        ),
        ("FilterCriteria", texts(&patterns)),
        ("FunctionResponseTypes", texts(&answers)),
        (
            "MaximumBatchingWindowInSeconds",
            // One that isn't told is none.
            number(Some(
                there.maximum_batching_window_in_seconds().unwrap_or_default(),
            )),
        ),
        (
            "MaximumConcurrency",
            number(scaling.and_then(|scaling| scaling.maximum_concurrency())),
        ),
        (
            "MaximumRecordAgeInSeconds",
            number(there.maximum_record_age_in_seconds().filter(|age| *age >= 0)),
        ),
        (
            "MaximumRetryAttempts",
            number(there.maximum_retry_attempts().filter(|attempts| *attempts >= 0)),
        ),
        ("OnFailure", destination),
        ("ProvisionedPollerConfig", pollers),
        ("State", state),
    ];
    let set = settings.into_iter();
    set.filter_map(|(name, value)| Some((name, value?))).collect()
}

pub(crate) const ENABLED: &str = "Enabled";

/// How many pollers there are, at least and at most.
pub(crate) fn pollers_name(min: impl std::fmt::Display, max: impl std::fmt::Display) -> String {
    format!("{min} to {max}")
}

fn texts(values: &[&str]) -> Option<String> {
    (!values.is_empty()).then(|| values.join(", "))
}

/// What a mapping reads, by its ARN.
fn source(account: &Account, arn: &str) -> String {
    if let Some(queue) = arn.rsplit(':').next()
        && arn == account.queue_arn(queue)
    {
        return format!("queue {queue}");
    }
    // `arn:aws:dynamodb:eu-west-1:123456789012:table/shop-fanfare/stream/2026-11-21T22:15:07.123`
    let mut parts = arn.splitn(6, ':');
    let own = [
        Some("arn"),
        None,
        Some("dynamodb"),
        Some(account.region()),
        Some(account.id()),
    ];
    let is_own = own
        .into_iter()
        .all(|own| parts.next().is_some_and(|part| own.is_none_or(|own| part == own)));
    let table = parts.next().and_then(|rest| rest.strip_prefix("table/"));
    match table.and_then(|rest| rest.split_once("/stream/")) {
        Some((table, _label)) if is_own => format!("table {table}"),
        _ => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_source_is_called_by_its_name_where_it_is_the_account_s_own() {
        let account = Account::new("aws", "eu-west-1", "123456789012").unwrap();
        let is = |arn: &str, expected: &str| assert_eq!(source(&account, arn), expected);
        is("arn:aws:sqs:eu-west-1:123456789012:shop-pay", "queue shop-pay");
        is(
            "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-fanfare/stream/2026-11-21T22:15:07.123",
            "table shop-fanfare",
        );
        for other in [
            "arn:aws:sqs:eu-west-1:999999999999:shop-pay",
            "arn:aws:sqs:us-east-1:123456789012:shop-pay",
            "arn:aws:dynamodb:eu-west-1:999999999999:table/shop-fanfare/stream/2026",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/shop",
            "",
        ] {
            is(other, other);
        }
    }
}

//! DynamoDB tables: made, finished, changed and deleted.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, IndexStatus,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, TableDescription, TableStatus, Tag,
    TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_types::SdkConfig;
use fanfare::table::Table;
use tokio::time::Instant;

use crate::client::{Scope, client, code};
use crate::deployment::State;
use crate::shape;
use crate::{Caller, Difference, InfraError, Kind, Resource};

/// How long a table may take to become ready or to go; on AWS it is some ten seconds.
const READY_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The tag of a table whose expiry and recovery aren't on yet: they need calls of their own, and a run
/// can be killed in between. A table without the tag is as somebody wanted it.
const UNFINISHED: &str = "fanfare:unfinished";

#[derive(Clone, Debug)]
pub(crate) struct Tables {
    client: Client,
    scope: Scope,
}

/// What a table's name in reports is.
pub(crate) fn resource(table: &Table) -> Resource {
    Resource::new(Kind::Table, &table.name)
}

impl Tables {
    pub(crate) fn new(config: &SdkConfig, caller: &Caller) -> Self {
        Self {
            client: client!(aws_sdk_dynamodb, config),
            scope: Scope::new(config, "DynamoDB", Some(caller.arn())),
        }
    }

    /// How a table is; one that an earlier run had not finished counts as missing. One that is as it
    /// should be, but is just being changed, is waited for.
    pub(crate) async fn look(&self, table: &Table) -> Result<State<()>, InfraError> {
        let since = Instant::now();
        loop {
            let Some(there) = self.settled(table).await? else {
                return Ok(State::Missing);
            };
            // The tag first: another run takes it off when it has switched on the rest.
            let unfinished = self.is_unfinished(table, &there).await?;
            let differences = [shape::differences(table, &there), self.unset(table).await?].concat();
            let completes =
                |difference: &Difference| difference.hindrance.is_none() && shape::is_set_later(difference);
            if unfinished && differences.iter().all(completes) {
                return Ok(State::Missing);
            }
            if !differences.is_empty() || is_ready(&there) {
                return Ok(State::of((), differences));
            }
            wait(since, || format!("table {} is not ready", table.name)).await?;
        }
    }

    /// Makes it, without waiting for it. One that is there already is left as it is.
    pub(crate) async fn make(&self, table: &Table) -> Result<(), InfraError> {
        const CALL: &str = "dynamodb:CreateTable";
        let wrong = |error| self.scope.wrong(CALL, &table.name, error);
        let mut input = fanfare_store::create_table_input(table).map_err(wrong)?;
        if is_finished_later(table) {
            let tag = Tag::builder().key(UNFINISHED).value("true").build();
            input = input.tags(tag.map_err(wrong)?);
        }
        match Box::pin(input.send_with(&self.client)).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(self.failed(CALL, table, error)),
        }
    }

    /// Waits for it, and switches on what can't be made with it. Says what it had to leave out. One that
    /// somebody else has made otherwise meanwhile is left as it is: expiry would delete its items.
    pub(crate) async fn finish(&self, table: &Table) -> Result<Option<String>, InfraError> {
        let there = self.ready(table).await?;
        let mut differences = shape::differences(table, &there);
        let unset = match is_finished_later(table) {
            true => self.unset(table).await?,
            false => Vec::new(),
        };
        differences.extend(unset.iter().filter(|unset| unset.hindrance.is_some()).cloned());
        if !differences.is_empty() {
            return Err(InfraError::Overtaken { differences });
        }
        if !is_finished_later(table) {
            return Ok(None);
        }
        for difference in unset {
            match difference.setting.as_str() {
                shape::EXPIRY => self.expire(table).await?,
                _ => self.protect(table).await?,
            }
        }
        let left_out = (table.point_in_time_recovery && !self.is_protected(table).await?).then(|| {
            format!(
                "Table {} is without point-in-time recovery: this DynamoDB doesn't have it.",
                table.name
            )
        });
        // Whether or not the tag is to be seen: tags are read with a delay.
        let call = self.client.untag_resource().tag_keys(UNFINISHED);
        let call = call.resource_arn(there.table_arn.unwrap_or_default());
        if let Err(error) = Box::pin(call.send()).await {
            return Err(self.failed("dynamodb:UntagResource", table, error));
        }
        Ok(left_out)
    }

    /// Changes what can be changed: the billing, then the stream, then the indexes, as DynamoDB takes
    /// only one of them at a time. Expiry and recovery are left to [`finish`](Self::finish).
    pub(crate) async fn set(&self, table: &Table) -> Result<(), InfraError> {
        let wrong = |error| self.scope.wrong("dynamodb:UpdateTable", &table.name, error);
        let there = self.ready(table).await?;
        if !shape::is_on_demand(&there) {
            let call = self.update(table).billing_mode(BillingMode::PayPerRequest);
            self.updated(table, call, shape::is_on_demand).await?;
        }
        let wanted = fanfare_store::create_table_input(table).map_err(wrong)?;
        if table.stream.is_some() && shape::stream(&there).is_none() {
            let stream = wanted.get_stream_specification().clone();
            let call = self.update(table).set_stream_specification(stream);
            self.updated(table, call, |there| shape::stream(there).is_some())
                .await?;
        }
        for index in wanted.get_global_secondary_indexes().iter().flatten() {
            let is_there = |there: &TableDescription| shape::index(there, index.index_name()).is_some();
            if is_there(&there) {
                continue;
            }
            let create = CreateGlobalSecondaryIndexAction::builder()
                .index_name(index.index_name())
                .set_key_schema(Some(index.key_schema().to_vec()))
                .set_projection(index.projection().cloned())
                .build()
                .map_err(wrong)?;
            let call = self
                .update(table)
                .set_attribute_definitions(wanted.get_attribute_definitions().clone())
                .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build());
            self.updated(table, call, is_there).await?;
        }
        Ok(())
    }

    /// Deletes it with all that is in it, and says whether it was there. Waits until it is gone.
    pub(crate) async fn delete(&self, table: &Table) -> Result<bool, InfraError> {
        let since = Instant::now();
        let mut was_there = false;
        let mut asked = false;
        while let Some(there) = self.describe(table).await? {
            was_there = true;
            if there.table_status() != Some(&TableStatus::Deleting) {
                match Box::pin(self.client.delete_table().table_name(&table.name).send()).await {
                    // A local one is gone at once.
                    Ok(_) if !std::mem::replace(&mut asked, true) => continue,
                    Ok(_) => {}
                    // Still being made or changed, or gone meanwhile.
                    Err(error)
                        if matches!(
                            code(&error),
                            Some("ResourceInUseException" | "ResourceNotFoundException")
                        ) => {}
                    Err(error) => return Err(self.failed("dynamodb:DeleteTable", table, error)),
                }
            }
            wait(since, || format!("table {} is not deleted", table.name)).await?;
        }
        Ok(was_there)
    }

    /// The names of all tables of the account and region that begin so.
    pub(crate) async fn named(&self, prefix: &str) -> Result<Vec<String>, InfraError> {
        let mut pages = self.client.list_tables().into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| self.scope.failed("dynamodb:ListTables", prefix, error))?;
            all.extend(page.table_names.unwrap_or_default());
        }
        all.retain(|name| name.starts_with(prefix));
        Ok(all)
    }

    /// The table when nobody is making or deleting it.
    async fn settled(&self, table: &Table) -> Result<Option<TableDescription>, InfraError> {
        let since = Instant::now();
        loop {
            let Some(there) = self.describe(table).await? else {
                return Ok(None);
            };
            match there.table_status() {
                Some(TableStatus::Creating | TableStatus::Deleting) => {}
                _ => return Ok(Some(there)),
            }
            wait(since, || format!("table {} is not ready", table.name)).await?;
        }
    }

    /// The table when it and its indexes can be used.
    async fn ready(&self, table: &Table) -> Result<TableDescription, InfraError> {
        let since = Instant::now();
        loop {
            let there = self.describe(table).await?;
            if let Some(there) = there.filter(is_ready) {
                return Ok(there);
            }
            wait(since, || format!("table {} is not ready", table.name)).await?;
        }
    }

    pub(crate) async fn describe(&self, table: &Table) -> Result<Option<TableDescription>, InfraError> {
        let call = self.client.describe_table().table_name(&table.name);
        match Box::pin(call.send()).await {
            Ok(answer) => Ok(answer.table),
            Err(error) if code(&error) == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(self.failed("dynamodb:DescribeTable", table, error)),
        }
    }

    /// What of expiry and recovery is other than it should be.
    async fn unset(&self, table: &Table) -> Result<Vec<Difference>, InfraError> {
        let resource = resource(table);
        let mut unset = Vec::new();
        if let Some(attribute) = &table.expiry {
            let is = self.expiry(table).await?;
            let status = is.as_ref().and_then(|is| is.time_to_live_status.clone());
            let is = is.and_then(|is| is.attribute_name);
            let difference = |is| Difference::new(&resource, shape::EXPIRY, is, attribute);
            match status {
                Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
                    if is.as_ref() == Some(attribute) => {}
                Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) => unset
                    .push(difference(is).hindered("switch it off by hand, and run this again an hour later")),
                Some(TimeToLiveStatus::Disabling) => {
                    let is = Some("just being switched off".to_owned());
                    unset.push(difference(is).hindered("run this again an hour later"));
                }
                _ => unset.push(difference(None)),
            }
        }
        if table.point_in_time_recovery && self.recovery(table).await? == Some(false) {
            let is = Some("DISABLED".to_owned());
            unset.push(Difference::new(&resource, shape::RECOVERY, is, "ENABLED"));
        }
        Ok(unset)
    }

    async fn expiry(&self, table: &Table) -> Result<Option<TimeToLiveDescription>, InfraError> {
        let call = self.client.describe_time_to_live().table_name(&table.name);
        match Box::pin(call.send()).await {
            Ok(answer) => Ok(answer.time_to_live_description),
            Err(error) => Err(self.failed("dynamodb:DescribeTimeToLive", table, error)),
        }
    }

    /// Whether recovery is on; nothing where DynamoDB doesn't have it, as local ones don't.
    async fn recovery(&self, table: &Table) -> Result<Option<bool>, InfraError> {
        let call = self.client.describe_continuous_backups().table_name(&table.name);
        let answer = match Box::pin(call.send()).await {
            Ok(answer) => answer.continuous_backups_description,
            Err(error) if code(&error) == Some("UnknownOperationException") => return Ok(None),
            Err(error) => return Err(self.failed("dynamodb:DescribeContinuousBackups", table, error)),
        };
        let status = answer
            .and_then(|backups| backups.point_in_time_recovery_description)
            .and_then(|recovery| recovery.point_in_time_recovery_status);
        Ok(Some(status == Some(PointInTimeRecoveryStatus::Enabled)))
    }

    async fn is_unfinished(&self, table: &Table, there: &TableDescription) -> Result<bool, InfraError> {
        if !is_finished_later(table) {
            return Ok(false);
        }
        let arn = there.table_arn().unwrap_or_default();
        let mut next = None;
        loop {
            let call = self.client.list_tags_of_resource().resource_arn(arn);
            let page = match Box::pin(call.set_next_token(next).send()).await {
                Ok(page) => page,
                Err(error) => return Err(self.failed("dynamodb:ListTagsOfResource", table, error)),
            };
            if page.tags().iter().any(|tag| tag.key() == UNFINISHED) {
                return Ok(true);
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(false);
            }
        }
    }

    async fn expire(&self, table: &Table) -> Result<(), InfraError> {
        const CALL: &str = "dynamodb:UpdateTimeToLive";
        let specification = TimeToLiveSpecification::builder()
            .set_attribute_name(table.expiry.clone())
            .enabled(true)
            .build()
            .map_err(|error| self.scope.wrong(CALL, &table.name, error))?;
        let call = self.client.update_time_to_live().table_name(&table.name);
        match Box::pin(call.time_to_live_specification(specification).send()).await {
            Ok(_) => Ok(()),
            // DynamoDB refuses to switch on what is on: by a call whose answer was lost.
            Err(_) if !self.unset(table).await?.iter().any(is_expiry) => Ok(()),
            Err(error) => Err(self.failed(CALL, table, error)),
        }
    }

    async fn protect(&self, table: &Table) -> Result<(), InfraError> {
        const CALL: &str = "dynamodb:UpdateContinuousBackups";
        let specification = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(true)
            .build()
            .map_err(|error| self.scope.wrong(CALL, &table.name, error))?;
        let call = self.client.update_continuous_backups().table_name(&table.name);
        let call = call.point_in_time_recovery_specification(specification);
        let since = Instant::now();
        loop {
            match Box::pin(call.clone().send()).await {
                Ok(_) => return Ok(()),
                // The backups of a new table come some time after it.
                Err(error)
                    if code(&error) == Some("ContinuousBackupsUnavailableException")
                        && since.elapsed() < READY_WITHIN =>
                {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => return Err(self.failed(CALL, table, error)),
            }
        }
    }

    /// Waits until recovery is on; not so where DynamoDB doesn't have it.
    async fn is_protected(&self, table: &Table) -> Result<bool, InfraError> {
        let since = Instant::now();
        loop {
            match self.recovery(table).await? {
                None => return Ok(false),
                Some(true) => return Ok(true),
                Some(false) => {}
            }
            let what = || format!("point-in-time recovery of table {} is not on", table.name);
            wait(since, what).await?;
        }
    }

    fn update(&self, table: &Table) -> UpdateTableFluentBuilder {
        self.client.update_table().table_name(&table.name)
    }

    /// Makes a change, waiting for others' to end, and waits until it is made.
    async fn updated(
        &self,
        table: &Table,
        call: UpdateTableFluentBuilder,
        is_made: impl Fn(&TableDescription) -> bool,
    ) -> Result<(), InfraError> {
        let since = Instant::now();
        while let Err(error) = Box::pin(call.clone().send()).await {
            let in_use = code(&error) == Some("ResourceInUseException");
            match self.ready(table).await {
                // DynamoDB refuses what it has done already: for a call whose answer was lost.
                Ok(there) if is_made(&there) => return Ok(()),
                Ok(_) if in_use && since.elapsed() < READY_WITHIN => tokio::time::sleep(LOOK_EVERY).await,
                _ => return Err(self.failed("dynamodb:UpdateTable", table, error)),
            }
        }
        while !is_made(&self.ready(table).await?) {
            wait(since, || format!("table {} doesn't show its change", table.name)).await?;
        }
        Ok(())
    }

    fn failed<E>(&self, call: &'static str, table: &Table, error: SdkError<E>) -> InfraError
    where
        E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.scope.failed(call, &table.name, error)
    }
}

/// Whether more is to be done once the table is there.
fn is_finished_later(table: &Table) -> bool {
    table.expiry.is_some() || table.point_in_time_recovery
}

fn is_expiry(difference: &Difference) -> bool {
    difference.setting == shape::EXPIRY
}

fn is_ready(table: &TableDescription) -> bool {
    table.table_status() == Some(&TableStatus::Active)
        && table
            .global_secondary_indexes()
            .iter()
            // Local ones don't always tell.
            .all(|index| {
                index
                    .index_status()
                    .is_none_or(|status| *status == IndexStatus::Active)
            })
}

async fn wait(since: Instant, what: impl Fn() -> String) -> Result<(), InfraError> {
    if since.elapsed() >= READY_WITHIN {
        return Err(InfraError::NotReady {
            what: what(),
            after: READY_WITHIN,
        });
    }
    tokio::time::sleep(LOOK_EVERY).await;
    Ok(())
}

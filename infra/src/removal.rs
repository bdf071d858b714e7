//! Removing what an application needed.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::TableStatus;
use tokio::time::Instant;

use crate::deployment::{State, wait};
use crate::report::Log;
use crate::subscriptions::Listed;
use crate::{Deployment, InfraError, Outcome, Report, Step, shape, tables};

/// How long AWS may answer calls to a deleted queue as if it were there.
const QUEUE_DIES: Duration = Duration::from_secs(60);

impl Deployment {
    /// Deletes exactly what [`provision`](Self::provision) makes, with all messages and items in it: the
    /// subscriptions, topics, queues and tables of these names. What isn't there is no error.
    ///
    /// On AWS it ends a minute after the last queue was deleted, for until then SQS may take a queue for
    /// one that is there, and the next [`provision`](Self::provision) would not make it. A local AWS frees
    /// names at once.
    ///
    /// # Errors
    /// [`InfraError::Foreign`] or [`InfraError::Protected`], and then nothing was done; or a call fails, and
    /// what was deleted before it is gone: [`remove_telling`](Self::remove_telling) tells of it.
    pub async fn remove(&self) -> Result<Report, InfraError> {
        self.remove_telling(|_| {}).await
    }

    /// As [`remove`](Self::remove), telling each step when it is done.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
    /// # let config = fanfare_local::Local::new()?.sdk_config();
    /// # let caller = fanfare_infra::caller(&config).await?;
    /// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
    /// let report = deployment.remove_telling(|step| println!("{step}")).await?;
    /// assert_eq!(report.summary(), "0 deleted, 2 not there");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub async fn remove_telling(&self, tell: impl FnMut(&Step)) -> Result<Report, InfraError> {
        let listed = self.listed().await?;
        self.refuse_foreign(&listed).await?;
        let mut log = Log::new(tell);
        let outcome = |was_there| match was_there {
            true => Outcome::Deleted,
            false => Outcome::Absent,
        };
        for subscription in &self.wanted.subscriptions {
            let of_topic = listed.get(&*subscription.topic_arn).into_iter().flatten();
            let mut was_there = false;
            let ours = of_topic.filter(|listed| listed.endpoint == subscription.queue_arn);
            for listed in ours.filter(|listed| listed.is_confirmed()) {
                self.sns.delete(subscription, &listed.arn).await?;
                was_there = true;
            }
            log.add(subscription.resource.clone(), outcome(was_there));
        }
        for topic in &self.wanted.topics {
            let was_there = !matches!(self.sns_topics.look(topic).await?, State::Missing);
            if was_there {
                self.sns_topics.delete(topic).await?;
            }
            log.add(topic.resource.clone(), outcome(was_there));
        }
        // What leads to another goes before it.
        let mut dead = None;
        for queue in self.wanted.queues.iter().rev() {
            let was_there = self.sqs.delete(queue).await?;
            if was_there && self.sqs.are_on_aws() {
                dead = Some(Instant::now() + QUEUE_DIES);
            }
            log.add(queue.resource.clone(), outcome(was_there));
        }
        for table in &self.tables {
            log.add(tables::resource(table), outcome(self.dynamo.delete(table).await?));
        }
        wait(dead, "the queues' names are free", &mut log).await;
        Ok(log.into_report())
    }

    /// Refuses when something of others would be lost, or a table can't be deleted.
    async fn refuse_foreign(&self, listed: &BTreeMap<&str, Vec<Listed>>) -> Result<(), InfraError> {
        let mut things = self.foreign_subscriptions(listed);
        for queue in &self.wanted.queues {
            things.extend(self.sqs.foreign(queue).await?);
        }
        let mut protected = Vec::new();
        for table in &self.tables {
            let there = self.dynamo.describe(table).await?;
            let deleting = Some(&TableStatus::Deleting);
            let Some(there) = there.filter(|there| there.table_status() != deleting) else {
                continue;
            };
            let keys = shape::key_difference(table, &there);
            things.extend(keys.map(|difference| difference.to_string()));
            if there.deletion_protection_enabled() == Some(true) {
                protected.push(tables::resource(table));
            }
        }
        match (things.is_empty(), protected.is_empty()) {
            (false, _) => Err(InfraError::Foreign { things }),
            (true, false) => Err(InfraError::Protected { tables: protected }),
            (true, true) => Ok(()),
        }
    }

    fn foreign_subscriptions(&self, listed: &BTreeMap<&str, Vec<Listed>>) -> Vec<String> {
        let is_ours = |topic: &str, listed: &Listed| {
            self.wanted.subscriptions.iter().any(|subscription| {
                subscription.topic_arn == topic && subscription.queue_arn == listed.endpoint
            })
        };
        let all = listed
            .iter()
            .flat_map(|(topic, listed)| listed.iter().map(move |listed| (*topic, listed)));
        all.filter(|(topic, listed)| !is_ours(topic, listed))
            .map(|(topic, listed)| {
                let Listed { arn, endpoint } = listed;
                match listed.is_confirmed() {
                    true => format!("subscription {arn}, which leads to {endpoint}"),
                    false => format!("subscription of {topic}, not confirmed yet, which leads to {endpoint}"),
                }
            })
            .collect()
    }
}

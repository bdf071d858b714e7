//! What is deployed, against what the code says.

mod drift;

use std::collections::BTreeSet;

pub use self::drift::{Drift, Drifted};
use crate::deployment::{State, Survey};
use crate::subscriptions::Listed;
use crate::wanted::relay_failed;
use crate::{Deployment, InfraError, Kind, Resource, tables};

impl Deployment {
    /// What is deployed, against what the code says: looks at topics, queues, subscriptions and tables as
    /// [`provision`](Self::provision) does, at functions and their mappings, and for whatever else lies under
    /// the application's names (`{app}-`). Changes nothing.
    ///
    /// An application whose name begins with this one's (`shop-admin` beside `shop`) has names of this one: say
    /// so with [`ignore`](Self::ignore).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
    /// # let config = fanfare_local::Local::new()?.sdk_config();
    /// # let caller = fanfare_infra::caller(&config).await?;
    /// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
    /// deployment.provision().await?;
    /// assert!(deployment.diff().await?.is_none());
    ///
    /// let sqs = aws_sdk_sqs::Client::new(&config);
    /// sqs.create_queue().queue_name("shop-billing").send().await?;
    /// assert_eq!(deployment.diff().await?.entries()[0].to_string(), "removed   queue shop-billing");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A call fails. A table that is just being made or deleted is waited for, up to five minutes.
    pub async fn diff(&self) -> Result<Drift, InfraError> {
        let survey = self.look().await?;
        let mut drift = Drift::default();
        self.add_wanted(&survey, &mut drift);
        self.add_functions(&mut drift).await?;
        self.add_unwanted(&survey, &mut drift).await?;
        Ok(drift)
    }

    /// Leaves out of [`diff`](Self::diff) what is deployed, isn't in the code, and has a name that begins so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let app = fanfare::App::new("shop");
    /// # let config = fanfare_local::Local::new()?.sdk_config();
    /// # let caller = fanfare_infra::caller(&config).await?;
    /// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
    /// let sqs = aws_sdk_sqs::Client::new(&config);
    /// sqs.create_queue().queue_name("shop-admin-mails").send().await?;
    /// assert!(!deployment.diff().await?.is_none());
    /// assert!(deployment.ignore("shop-admin-").diff().await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ignore(mut self, prefix: impl Into<String>) -> Self {
        self.ignored.push(prefix.into());
        self
    }

    /// What the code says, but for functions.
    fn add_wanted(&self, survey: &Survey<'_>, drift: &mut Drift) {
        for (topic, state) in self.wanted.topics.iter().zip(&survey.topics) {
            add(&topic.resource, state, drift);
        }
        for (queue, state) in self.wanted.queues.iter().zip(&survey.queues) {
            add(&queue.resource, state, drift);
        }
        for (table, state) in self.tables.iter().zip(&survey.tables) {
            add(&tables::resource(table), state, drift);
        }
        for (subscription, state) in self.wanted.subscriptions.iter().zip(&survey.subscriptions) {
            add(&subscription.resource, state, drift);
        }
    }

    /// Functions and mappings, those that the code says and others.
    async fn add_functions(&self, drift: &mut Drift) -> Result<(), InfraError> {
        let prefix = self.prefix();
        let functions = self.lambda.named(&prefix).await?;
        let mappings = self.lambda.mapped(&prefix).await?;
        for wanted in &self.wanted.functions {
            let resource = &wanted.resource;
            match functions.iter().find(|there| there.name == resource.name) {
                Some(there) => drift.compared(there.differences(resource, &wanted.attributes)),
                None => drift.added(resource),
            }
        }
        for wanted in &self.wanted.functions {
            let resource = &wanted.mapping;
            match mappings.iter().find(|there| there.name() == resource.name) {
                Some(there) => drift.compared(there.differences(resource, &wanted.mapping_attributes)),
                None => drift.added(resource),
            }
        }
        let names = functions.into_iter().map(|there| there.name).collect();
        self.add_others(Kind::Function, names, |wanted| &wanted.resource, drift);
        let names = mappings.iter().map(crate::functions::Mapped::name).collect();
        self.add_others(Kind::Mapping, names, |wanted| &wanted.mapping, drift);
        Ok(())
    }

    fn add_others(
        &self,
        kind: Kind,
        there: Vec<String>,
        wanted: fn(&crate::wanted::Function) -> &Resource,
        drift: &mut Drift,
    ) {
        let wanted = self
            .wanted
            .functions
            .iter()
            .map(|function| &*wanted(function).name);
        self.add_unless(kind, there, wanted.collect(), drift);
    }

    /// What is there under the application's names, and isn't in the code.
    async fn add_unwanted(&self, survey: &Survey<'_>, drift: &mut Drift) -> Result<(), InfraError> {
        let prefix = self.prefix();
        let topics = self.wanted.topics.iter().map(|topic| &*topic.resource.name);
        let there = self.sns_topics.named(&prefix).await?;
        self.add_unless(Kind::Topic, there, topics.collect(), drift);
        // One that the template alone makes.
        let failed = relay_failed(&self.app);
        let queues = self.wanted.queues.iter().map(|queue| &*queue.resource.name);
        let queues = queues.chain([&*failed]);
        let there = self.sqs.named(&prefix).await?;
        self.add_unless(Kind::Queue, there, queues.collect(), drift);
        let tables = self.tables.iter().map(|table| &*table.name);
        let there = self.dynamo.named(&prefix).await?;
        self.add_unless(Kind::Table, there, tables.collect(), drift);
        let wanted = self.wanted.subscriptions.iter();
        let wanted = wanted.map(|subscription| &*subscription.resource.name);
        self.add_unless(
            Kind::Subscription,
            self.subscriptions(survey),
            wanted.collect(),
            drift,
        );
        Ok(())
    }

    /// The names of all subscriptions that the code's topics have.
    fn subscriptions(&self, survey: &Survey<'_>) -> Vec<String> {
        let mut names = Vec::new();
        for topic in &self.wanted.topics {
            let listed = survey.listed.get(&*topic.arn).into_iter().flatten();
            names.extend(listed.map(|listed| self.subscription(&topic.resource.name, listed)));
        }
        names
    }

    fn subscription(&self, topic: &str, listed: &Listed) -> String {
        let endpoint = &listed.endpoint;
        let queue = endpoint.rsplit(':').next().unwrap_or_default();
        match (*endpoint == self.account.queue_arn(queue), listed.is_confirmed()) {
            (true, _) => format!("{topic} to {queue}"),
            (false, true) => format!("{topic} to {endpoint}"),
            (false, false) => format!("{topic} to {endpoint}, not confirmed yet"),
        }
    }

    fn add_unless(&self, kind: Kind, there: Vec<String>, wanted: BTreeSet<&str>, drift: &mut Drift) {
        let is_ignored = |name: &str| self.ignored.iter().any(|prefix| name.starts_with(prefix));
        // Sorted, for the services list in any order.
        let there: BTreeSet<_> = there.into_iter().collect();
        for name in there {
            if !wanted.contains(&*name) && !is_ignored(&name) {
                drift.removed(Resource::new(kind, name));
            }
        }
    }

    fn prefix(&self) -> String {
        format!("{}-", self.app)
    }
}

fn add<H>(resource: &Resource, state: &State<H>, drift: &mut Drift) {
    match state {
        State::Missing => drift.added(resource),
        State::There | State::Differs(..) => drift.compared(state.differences().to_vec()),
    }
}

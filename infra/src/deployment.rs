//! What is to be there, and making it so.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_types::SdkConfig;
use fanfare::table::Table;
use fanfare::{Account, Topology};
use tokio::time::Instant;

use crate::functions::Functions;
use crate::queues::{Queues, Url};
use crate::report::Log;
use crate::subscriptions::{Listed, Subscriptions};
use crate::tables::{self, Tables};
use crate::topics::Topics;
use crate::wanted::Wanted;
use crate::{Caller, Difference, InfraError, Outcome, Report, Step, limits};

/// How long a change of a queue's policy takes to spread on AWS, at most; and a new queue with its own.
const POLICY_SPREADS: Duration = Duration::from_secs(60);
const QUEUE_SPREADS: Duration = Duration::from_secs(2);

/// What an application needs in an account: what its topology says, and its tables.
///
/// Calls are made one after the other, each with the configuration's retries and at most 30 s. Any of
/// its futures may be dropped: what was done stays, and the next run goes on from there.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// use fanfare::{App, Router};
/// use fanfare_infra::{Deployment, caller};
///
/// let app = App::new("shop").consumer(Router::new("shipping"));
/// let deployment = Deployment::new(&config, &caller(&config).await?, &app.topology()?);
/// println!("{}", deployment.provision().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Deployment {
    pub(crate) wanted: Wanted,
    pub(crate) tables: Vec<Table>,
    pub(crate) app: String,
    pub(crate) account: Account,
    /// What a comparison doesn't look at, by how the names begin.
    pub(crate) ignored: Vec<String>,
    update: bool,
    pub(crate) sns_topics: Topics,
    pub(crate) sqs: Queues,
    pub(crate) sns: Subscriptions,
    pub(crate) dynamo: Tables,
    pub(crate) lambda: Functions,
}

/// How a thing is, against what it should be.
#[derive(Debug)]
pub(crate) enum State<H> {
    /// Not there, or not whole yet.
    Missing,
    /// As it should be.
    There,
    /// Otherwise; with how it is found again.
    Differs(H, Vec<Difference>),
}

impl<H> State<H> {
    pub(crate) fn of(handle: H, differences: Vec<Difference>) -> Self {
        match differences.is_empty() {
            true => Self::There,
            false => Self::Differs(handle, differences),
        }
    }

    pub(crate) fn differences(&self) -> &[Difference] {
        match self {
            Self::Differs(_, differences) => differences,
            Self::Missing | Self::There => &[],
        }
    }

    /// What becomes of it.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Missing => Outcome::Made,
            Self::There => Outcome::There,
            Self::Differs(_, differences) => Outcome::Changed(differences.clone()),
        }
    }
}

/// How everything is, in the order of what is wanted.
pub(crate) struct Survey<'a> {
    pub(crate) topics: Vec<State<()>>,
    pub(crate) queues: Vec<State<Url>>,
    pub(crate) tables: Vec<State<()>>,
    pub(crate) subscriptions: Vec<State<String>>,
    /// All subscriptions of each topic, by its ARN.
    pub(crate) listed: BTreeMap<&'a str, Vec<Listed>>,
}

impl Survey<'_> {
    fn differences(&self) -> Vec<Difference> {
        let topics = self.topics.iter().flat_map(State::differences);
        let queues = self.queues.iter().flat_map(State::differences);
        let tables = self.tables.iter().flat_map(State::differences);
        let subscriptions = self.subscriptions.iter().flat_map(State::differences);
        topics
            .chain(queues)
            .chain(tables)
            .chain(subscriptions)
            .cloned()
            .collect()
    }
}

impl Deployment {
    /// What this topology needs, in the caller's account. Does no I/O.
    pub fn new(config: &SdkConfig, caller: &Caller, topology: &Topology) -> Self {
        Self {
            wanted: Wanted::new(topology, caller.account()),
            tables: Vec::new(),
            app: topology.app.clone(),
            account: caller.account().clone(),
            ignored: Vec::new(),
            update: false,
            sns_topics: Topics::new(config, caller),
            sqs: Queues::new(config, caller),
            sns: Subscriptions::new(config, caller),
            dynamo: Tables::new(config, caller),
            lambda: Functions::new(config, caller),
        }
    }

    /// A table besides: one of the application's own, or the store's (`fanfare_store::table`, with a
    /// stream where functions read it).
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }

    /// Also sets what differs, instead of refusing it; off by default.
    #[must_use]
    pub fn update(self, update: bool) -> Self {
        Self { update, ..self }
    }

    /// Makes what isn't there, and with [`update`](Self::update) changes what is there otherwise. What is
    /// there as it should be stays untouched.
    ///
    /// Tables are waited for, up to five minutes each; the name of a queue that was deleted within the
    /// last minute, and what new and changed queues show, up to 75 s. On AWS subscriptions are made a
    /// minute after the policy of a queue was changed, and two seconds after a queue was made, for SNS
    /// doesn't try again what SQS doesn't allow it yet; elsewhere that is so at once.
    ///
    /// # Errors
    /// [`InfraError::Limits`], [`InfraError::Differs`] (with `update`, of what can't be changed), and then
    /// nothing was done; or a call fails, and what was made before it stays:
    /// [`provision_telling`](Self::provision_telling) tells of it.
    pub async fn provision(&self) -> Result<Report, InfraError> {
        self.provision_telling(|_| {}).await
    }

    /// As [`provision`](Self::provision), telling each step when it is done: what was done is known then
    /// also after an error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
    /// # let config = fanfare_local::Local::new()?.sdk_config();
    /// # let caller = fanfare_infra::caller(&config).await?;
    /// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
    /// let report = deployment.provision_telling(|step| println!("{step}")).await?;
    /// println!("{}", report.summary());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`provision`](Self::provision).
    pub async fn provision_telling(&self, tell: impl FnMut(&Step)) -> Result<Report, InfraError> {
        let survey = self.survey().await?;
        let mut log = Log::new(tell);
        self.make_topics(&survey, &mut log).await?;
        let spread = self.make_queues(&survey, &mut log).await?;
        self.make_tables(&survey, &mut log).await?;
        if survey
            .subscriptions
            .iter()
            .any(|state| !matches!(state, State::There))
        {
            wait(spread, "SNS may send to the queues", &mut log).await;
        }
        self.make_subscriptions(&survey, &mut log).await?;
        Ok(log.into_report())
    }

    /// What [`provision`](Self::provision) would do, without doing it.
    ///
    /// # Errors
    /// As [`provision`](Self::provision), but for those of the calls that make something.
    pub async fn plan(&self) -> Result<Report, InfraError> {
        let survey = self.survey().await?;
        let mut report = Report::new(true);
        for (topic, state) in self.wanted.topics.iter().zip(&survey.topics) {
            report.add(topic.resource.clone(), state.outcome());
        }
        for (queue, state) in self.wanted.queues.iter().zip(&survey.queues) {
            report.add(queue.resource.clone(), state.outcome());
        }
        for (table, state) in self.tables.iter().zip(&survey.tables) {
            report.add(tables::resource(table), state.outcome());
        }
        for (subscription, state) in self.wanted.subscriptions.iter().zip(&survey.subscriptions) {
            report.add(subscription.resource.clone(), state.outcome());
        }
        Ok(report)
    }

    /// Looks at everything, and refuses what can't be made.
    async fn survey(&self) -> Result<Survey<'_>, InfraError> {
        limits::check(&self.wanted, &self.tables)?;
        let survey = self.look().await?;
        let mut differences = survey.differences();
        if self.update {
            differences.retain(|difference| difference.hindrance.is_some());
        }
        match differences.is_empty() {
            true => Ok(survey),
            false => Err(InfraError::Differs { differences }),
        }
    }

    /// Looks at everything.
    pub(crate) async fn look(&self) -> Result<Survey<'_>, InfraError> {
        let mut survey = Survey {
            topics: Vec::new(),
            queues: Vec::new(),
            tables: Vec::new(),
            subscriptions: Vec::new(),
            listed: BTreeMap::new(),
        };
        for topic in &self.wanted.topics {
            survey.topics.push(self.sns_topics.look(topic).await?);
        }
        for queue in &self.wanted.queues {
            survey.queues.push(self.sqs.look(queue).await?);
        }
        for table in &self.tables {
            survey.tables.push(self.dynamo.look(table).await?);
        }
        survey.listed = self.listed().await?;
        for subscription in &self.wanted.subscriptions {
            let of_topic = survey
                .listed
                .get(&*subscription.topic_arn)
                .map_or(&[][..], Vec::as_slice);
            let state = self.sns.look(subscription, of_topic).await?;
            survey.subscriptions.push(state);
        }
        Ok(survey)
    }

    /// The subscriptions of each topic, by its ARN.
    pub(crate) async fn listed(&self) -> Result<BTreeMap<&str, Vec<Listed>>, InfraError> {
        let mut listed = BTreeMap::new();
        for topic in &self.wanted.topics {
            listed.insert(topic.arn.as_str(), self.sns.of(topic).await?);
        }
        Ok(listed)
    }

    async fn make_topics(
        &self,
        survey: &Survey<'_>,
        log: &mut Log<impl FnMut(&Step)>,
    ) -> Result<(), InfraError> {
        for (topic, state) in self.wanted.topics.iter().zip(&survey.topics) {
            match state {
                State::Missing => self.sns_topics.make(topic).await?,
                State::There => {}
                State::Differs((), differences) => self.sns_topics.set(topic, differences).await?,
            }
            log.add(topic.resource.clone(), state.outcome());
        }
        Ok(())
    }

    /// Says when their policies have spread.
    async fn make_queues(
        &self,
        survey: &Survey<'_>,
        log: &mut Log<impl FnMut(&Step)>,
    ) -> Result<Option<Instant>, InfraError> {
        let queues = || self.wanted.queues.iter().zip(&survey.queues);
        let mut spread = None;
        for (queue, state) in queues() {
            let takes = match state {
                State::Missing => {
                    self.sqs.make(queue).await?;
                    Some(QUEUE_SPREADS)
                }
                State::There => None,
                State::Differs(url, differences) => {
                    self.sqs.set(queue, url, differences).await?;
                    let policy = differences
                        .iter()
                        .any(|difference| difference.setting == "Policy");
                    policy.then_some(POLICY_SPREADS)
                }
            };
            log.add(queue.resource.clone(), state.outcome());
            if self.sqs.are_on_aws() {
                spread = spread.max(takes.map(|takes| Instant::now() + takes));
            }
        }
        for (queue, _) in queues().filter(|(_, state)| !matches!(state, State::There)) {
            self.sqs.settle(queue).await?;
        }
        Ok(spread)
    }

    /// All are begun before the first is waited for.
    async fn make_tables(
        &self,
        survey: &Survey<'_>,
        log: &mut Log<impl FnMut(&Step)>,
    ) -> Result<(), InfraError> {
        let tables = || self.tables.iter().zip(&survey.tables);
        for (table, state) in tables() {
            if let State::Missing = state {
                self.dynamo.make(table).await?;
                log.begun(tables::resource(table));
            }
        }
        for (table, state) in tables() {
            if let State::Differs(..) = state {
                self.dynamo.set(table).await?;
            }
            if !matches!(state, State::There) {
                let left_out = self.dynamo.finish(table).await?;
                left_out.into_iter().for_each(|note| log.note(note));
            }
            log.add(tables::resource(table), state.outcome());
        }
        Ok(())
    }

    async fn make_subscriptions(
        &self,
        survey: &Survey<'_>,
        log: &mut Log<impl FnMut(&Step)>,
    ) -> Result<(), InfraError> {
        let mut spreads = false;
        for (subscription, state) in self.wanted.subscriptions.iter().zip(&survey.subscriptions) {
            match state {
                State::Missing => self.sns.make(subscription).await?,
                State::There => {}
                State::Differs(arn, differences) => self.sns.set(subscription, arn, differences).await?,
            }
            let settings = state.differences().iter();
            spreads |= matches!(state, State::Missing)
                || settings
                    .map(|difference| &*difference.setting)
                    .any(|setting| setting.starts_with("Filter"));
            log.add(subscription.resource.clone(), state.outcome());
        }
        if spreads {
            log.note("New and changed filter policies take up to 15 minutes to spread on AWS.");
        }
        Ok(())
    }
}

/// Waits until then, and tells of it.
pub(crate) async fn wait(until: Option<Instant>, what: &'static str, log: &mut Log<impl FnMut(&Step)>) {
    let time = until.map(|until| until.saturating_duration_since(Instant::now()));
    if let Some(time) = time.filter(|time| !time.is_zero()) {
        log.waiting(time, what);
        tokio::time::sleep(time).await;
    }
}

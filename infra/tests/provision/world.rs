//! An application, an account to put it in, and what is in that.

use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;
use fanfare::table::{Key, Stream, Table};
use fanfare::{App, Command, Delivery, Event, Failure, Handled, Producer, Router, Topology};
use fanfare_infra::{Deployment, Difference, InfraError, Outcome, Report, caller};
use fanfare_local::Local;
use serde::{Deserialize, Serialize};

macro_rules! event {
    ($name:ident, $ty:literal, $topic:literal) => {
        #[derive(Serialize, Deserialize)]
        pub(crate) struct $name {
            pub(crate) key: String,
        }

        impl Event for $name {
            const TYPE: &'static str = $ty;
            const TOPIC: &'static str = $topic;

            fn key(&self) -> Option<std::borrow::Cow<'_, str>> {
                Some((&*self.key).into())
            }
        }
    };
}

event!(OrderPlaced, "order.placed", "orders");
event!(OrderCancelled, "order.cancelled", "orders");
event!(PaymentCharged, "payment.charged", "payments");
event!(LedgerPosted, "ledger.posted", "ledger.fifo");

#[derive(Serialize, Deserialize)]
pub(crate) struct SendMail {}

impl Command for SendMail {
    const TYPE: &'static str = "SendMail";
    const CONSUMER: &'static str = "mail";
}

pub(crate) async fn nothing<E>(_: Delivery<E>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

pub(crate) fn checkout() -> Producer {
    Producer::new("checkout")
        .emits::<OrderPlaced>()
        .emits::<OrderCancelled>()
        .emits::<LedgerPosted>()
        .sends::<SendMail>()
}

/// Two topics into one queue, FIFO, and a consumer that takes commands alone.
pub(crate) fn app() -> App {
    let payment = Router::new("payment")
        .on::<OrderPlaced>(nothing)
        .emits::<PaymentCharged>()
        .on::<OrderCancelled>(nothing)
        .on::<PaymentCharged>(nothing);
    App::new("shop")
        .producer(checkout())
        .consumer(payment)
        .consumer(Router::new("books").on::<LedgerPosted>(nothing))
        .consumer(Router::new("mail").on_command::<SendMail>(nothing))
}

pub(crate) fn topology() -> Topology {
    app().topology().unwrap()
}

pub(crate) fn tables() -> [Table; 2] {
    [
        Table::new("shop-ledger", Key::text("order_id")).sort(Key::text("entry")),
        fanfare_store::table("shop-fanfare").stream(Stream::NewImage),
    ]
}

pub(crate) async fn deployment(config: &SdkConfig) -> Deployment {
    of(config, &topology(), &tables()).await
}

pub(crate) async fn of(config: &SdkConfig, topology: &Topology, tables: &[Table]) -> Deployment {
    let caller = caller(config).await.unwrap();
    let deployment = Deployment::new(config, &caller, topology);
    tables.iter().cloned().fold(deployment, Deployment::table)
}

/// An account with all of it.
pub(crate) async fn provisioned() -> Local {
    let local = Local::new().unwrap();
    deployment(&local.sdk_config()).await.provision().await.unwrap();
    local
}

/// What became of each thing, one a line.
pub(crate) fn outcomes(report: &Report, outcome: &Outcome) -> Vec<String> {
    let entries = report.entries().iter().filter(|entry| entry.outcome == *outcome);
    entries.map(|entry| entry.resource.to_string()).collect()
}

/// The differences that an error tells of.
pub(crate) fn differing(error: InfraError) -> Vec<Difference> {
    match error {
        InfraError::Differs { differences } => differences,
        other => panic!("{other}"),
    }
}

/// All that is in an account, but for times and ids.
pub(crate) async fn contents(local: &Local) -> Vec<String> {
    let config = local.sdk_config();
    let mut contents = Vec::new();
    let broker = local.broker();
    for topic in broker.topics() {
        contents.push(format!("{topic}: {:?}", broker.topic_settings(&topic).unwrap()));
    }
    for queue in broker.queues() {
        let mut attributes: Vec<_> = attributes(&config, &queue).await.into_iter().collect();
        attributes.retain(|(name, _)| !name.ends_with("Timestamp"));
        contents.push(format!("{queue}: {attributes:?}"));
    }
    for subscription in broker.subscriptions() {
        let (topic, queue) = (&subscription.topic, &subscription.queue);
        contents.push(format!("{topic} to {queue}: {:?}", subscription.settings));
    }
    let dynamo = aws_sdk_dynamodb::Client::new(&config);
    for table in dynamo.list_tables().send().await.unwrap().table_names() {
        let there = dynamo
            .describe_table()
            .table_name(table)
            .send()
            .await
            .unwrap()
            .table
            .unwrap();
        let expiry = dynamo
            .describe_time_to_live()
            .table_name(table)
            .send()
            .await
            .unwrap();
        let tags = dynamo
            .list_tags_of_resource()
            .resource_arn(there.table_arn().unwrap())
            .send()
            .await
            .unwrap();
        contents.push(format!(
            "{table}: {:?} {:?} {:?} {:?} {:?} {:?}",
            there.key_schema(),
            there.global_secondary_indexes(),
            there.stream_specification(),
            there.billing_mode_summary().map(|billing| billing.billing_mode()),
            expiry.time_to_live_description(),
            tags.tags(),
        ));
    }
    contents
}

/// A queue's attributes, sorted.
pub(crate) async fn attributes(
    config: &SdkConfig,
    queue: &str,
) -> std::collections::BTreeMap<String, String> {
    let sqs = aws_sdk_sqs::Client::new(config);
    let answer = sqs
        .get_queue_attributes()
        .queue_url(url(queue))
        .attribute_names(QueueAttributeName::All)
        .send();
    let attributes = answer.await.unwrap().attributes.unwrap();
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}

pub(crate) fn url(queue: &str) -> String {
    format!("http://fanfare.local/000000000000/{queue}")
}

pub(crate) fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

pub(crate) fn topic_arn(topic: &str) -> String {
    format!("arn:aws:sns:us-east-1:000000000000:{topic}")
}

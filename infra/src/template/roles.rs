//! What each part may do: exactly what it calls, by name.

use std::collections::BTreeSet;

use fanfare::topology::{Consumer, TableAction, TableUse};
use fanfare::{Destination, dead_letter_name, queue_name};
use serde_json::{Value, json};

use super::document::Resource;
use super::intrinsic::{arn, arn_of, reference, sub};
use super::{Build, ids};

/// What the inbox and the writing of the outbox do with the store's table.
const INBOX: [TableAction; 3] = [TableAction::Get, TableAction::Put, TableAction::Update];
/// What a relay does with it: with the table, and with its index.
const OUTBOX: [TableAction; 4] = [
    TableAction::BatchGet,
    TableAction::Get,
    TableAction::Put,
    TableAction::Update,
];

/// What may be done.
#[derive(Debug, Default)]
pub(super) struct Statements(Vec<Value>);

impl Statements {
    pub(super) fn allow<'a>(
        &mut self,
        actions: impl IntoIterator<Item = &'a str>,
        resources: impl IntoIterator<Item = Value>,
    ) {
        let actions: BTreeSet<_> = actions.into_iter().collect();
        let resources: Vec<_> = resources.into_iter().collect();
        if !actions.is_empty() && !resources.is_empty() {
            self.0
                .push(json!({"Effect": "Allow", "Action": actions, "Resource": resources}));
        }
    }

    /// As a consumer: on its queues, on the store and on its tables.
    pub(super) fn consume(&mut self, build: &Build<'_>, consumer: &Consumer) {
        let own = queue_name(build.app(), &consumer.name, consumer.fifo);
        self.allow(
            [
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ReceiveMessage",
            ],
            [arn(build.ids.queue(&own))],
        );
        let dead = dead_letter_name(&own);
        self.allow(
            ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"],
            [arn(build.ids.queue(&dead))],
        );
        self.commit(build, &consumer.tables);
        self.key(build);
    }

    /// To the store, with these tables of its own.
    pub(super) fn commit(&mut self, build: &Build<'_>, tables: &[TableUse]) {
        if let Some(store) = &build.topology().store {
            self.table(build, store, &INBOX.into());
        }
        for TableUse { name, actions, .. } in tables {
            self.table(build, name, actions);
        }
    }

    fn table(&mut self, build: &Build<'_>, name: &str, actions: &BTreeSet<TableAction>) {
        let id = ids::table(build.app(), name);
        let (with_indexes, alone): (Vec<TableAction>, Vec<TableAction>) =
            actions.iter().partition(|action| action.is_on_indexes());
        self.allow(alone.iter().map(|action| action.name()), [arn(&id)]);
        let indexes = build.table(name).map_or(&[][..], |table| &table.indexes);
        let indexes = indexes
            .iter()
            .map(|index| sub(format!("${{{id}.Arn}}/index/{}", index.name)));
        let all = std::iter::once(arn(&id)).chain(indexes);
        self.allow(with_indexes.iter().map(|action| action.name()), all);
    }

    /// As a relay: it publishes what anybody has written to the outbox.
    pub(super) fn relay(&mut self, build: &Build<'_>) {
        let topology = build.topology();
        let Some(store) = &topology.store else {
            return;
        };
        self.table(build, store, &OUTBOX.into());
        // Of the table itself a relay asks nothing but single records.
        let id = ids::table(build.app(), store);
        let indexes = build.table(store).map_or(&[][..], |table| &table.indexes);
        let indexes = indexes
            .iter()
            .map(|index| sub(format!("${{{id}.Arn}}/index/{}", index.name)));
        self.allow([TableAction::Query.name()], indexes);
        let published = topology.topics.iter().filter(|topic| !topic.types.is_empty());
        let published: Vec<_> = published
            .map(|topic| reference(&format!("{}Topic", ids::pascal(&topic.name))))
            .collect();
        self.allow(["sns:Publish"], published);
        let commanded = commanded(build).map(|queue| arn(build.ids.queue(&queue)));
        self.allow(["sqs:SendMessage"], commanded);
    }

    /// With the key of the account's own, if messages are encrypted by one.
    pub(super) fn key(&mut self, build: &Build<'_>) {
        let Some(key) = build.topology().encryption.key() else {
            return;
        };
        let actions = ["kms:Decrypt", "kms:GenerateDataKey"];
        let alias = key.rsplit_once(':').map_or(key, |(_, name)| name);
        if alias.starts_with("alias/") {
            // A policy can't name a key by its alias, but say that it must have it.
            self.0.push(json!({
                "Effect": "Allow",
                "Action": actions,
                "Resource": [arn_of("kms", "key/*")],
                "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}},
            }));
        } else if key.starts_with("arn:") {
            self.allow(actions, [key.into()]);
        } else {
            self.allow(actions, [arn_of("kms", &format!("key/{key}"))]);
        }
    }

    /// As a function: lines to its log.
    pub(super) fn log(&mut self, log: &str) {
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [arn(log)]);
    }

    /// As a task that keeps ECS from taking it away while it works.
    pub(super) fn protect(&mut self) {
        self.allow(
            ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"],
            [arn_of("ecs", "task/${Cluster}/*")],
        );
    }

    /// A role with these for a service of AWS's.
    pub(super) fn role(self, service: &str) -> Resource {
        let mut trust = json!({
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        });
        if let (true, Some(members)) = (service == TASKS, trust.as_object_mut()) {
            let of = json!({"StringEquals": {"aws:SourceAccount": reference("AWS::AccountId")}});
            members.insert("Condition".to_owned(), of);
        }
        Resource::new(
            "AWS::IAM::Role",
            json!({
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [{
                    "PolicyName": "calls",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": self.0},
                }],
            }),
        )
    }
}

/// Who takes on roles.
pub(super) const FUNCTIONS: &str = "lambda.amazonaws.com";
pub(super) const TASKS: &str = "ecs-tasks.amazonaws.com";

/// The names of the queues that commands are sent to.
pub(super) fn commanded<'a>(build: &Build<'a>) -> impl Iterator<Item = String> + use<'a> {
    let topology = build.topology();
    let by_handlers = topology
        .consumers
        .iter()
        .flat_map(|consumer| &consumer.handlers)
        .flat_map(|handler| &handler.sends);
    let by_producers = topology.producers.iter().flat_map(|producer| &producer.sends);
    let to: BTreeSet<&str> = by_handlers
        .chain(by_producers)
        .filter_map(|(_, to)| match to {
            Destination::Consumer(consumer) => Some(consumer.as_str()),
            Destination::Topic(_) => None,
        })
        .collect();
    let consumers = topology.consumers.iter();
    consumers
        .filter(move |consumer| to.contains(consumer.name.as_str()))
        .map(|consumer| queue_name(&topology.app, &consumer.name, consumer.fifo))
}

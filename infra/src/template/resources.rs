//! What a part is told of where the queues and topics are that it uses.

use std::collections::BTreeMap;

use fanfare::topology::Consumer;
use fanfare::{dead_letter_name, queue_name, topic_name};
use serde_json::{Value, json};

use super::intrinsic::sub;
use super::{Build, ids, roles};

/// By their names in the account: the URLs of queues, the ARNs of topics.
#[derive(Debug, Default)]
pub(super) struct Resources {
    queues: BTreeMap<String, String>,
    topics: BTreeMap<String, String>,
}

impl Resources {
    /// Of whoever relays: what is published to.
    pub(super) fn relayed(build: &Build<'_>) -> Self {
        let topology = build.topology();
        let topics = topology.topics.iter().filter(|topic| !topic.types.is_empty());
        let topics = topics.map(|topic| {
            let id = format!("{}Topic", ids::pascal(&topic.name));
            (topic_name(&topology.app, &topic.name), reference(&id))
        });
        Self {
            topics: topics.collect(),
            queues: roles::commanded(build)
                .map(|queue| queue_of(build, queue))
                .collect(),
        }
    }

    /// And the queues of a consumer.
    pub(super) fn consumed(mut self, build: &Build<'_>, consumer: &Consumer) -> Self {
        let own = queue_name(build.app(), &consumer.name, consumer.fifo);
        let dead = dead_letter_name(&own);
        self.queues
            .extend([own, dead].map(|queue| queue_of(build, queue)));
        self
    }

    /// As JSON, in which CloudFormation puts what it has made.
    pub(super) fn value(&self) -> Value {
        sub(json!({"queues": self.queues, "topics": self.topics}).to_string())
    }
}

fn queue_of(build: &Build<'_>, name: String) -> (String, String) {
    let id = reference(build.ids.queue(&name));
    (name, id)
}

/// In a text: a queue's URL, a topic's ARN.
fn reference(id: &str) -> String {
    format!("${{{id}}}")
}

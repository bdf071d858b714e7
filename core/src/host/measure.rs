//! What a host measures of itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use crate::{metric, semconv};

/// The handles of all metrics of one queue's consumer, made once: looking one up costs more than recording.
pub(super) struct Meters {
    queue: Box<str>,
    labels: Vec<Label>,
    pub(super) consumed: Counter,
    pub(super) receive_failures: Counter,
    pub(super) lost: Counter,
    pub(super) extended: Counter,
    pub(super) in_flight: Gauge,
    pub(super) receive: CallMeters,
    pub(super) delete: CallMeters,
    pub(super) extend: CallMeters,
    pub(super) release: CallMeters,
    pub(super) dead_letter: CallMeters,
    age: Histogram,
    receive_count: Histogram,
    tries: Mutex<BTreeMap<&'static str, (Counter, Histogram)>>,
}

/// The handles of one kind of call.
#[derive(Clone)]
pub(super) struct CallMeters {
    pub(super) duration: Histogram,
    pub(super) entries: Histogram,
    pub(super) failures: Counter,
}

impl Meters {
    pub(super) fn new(queue: &str, consumer: &str) -> Self {
        let labels = vec![
            Label::from_static_parts(metric::SYSTEM, semconv::SYSTEM_SQS),
            Label::new(metric::DESTINATION, queue.to_owned()),
            Label::new(metric::CONSUMER, consumer.to_owned()),
        ];
        let call = |name| {
            let labels = and(&labels, metric::OPERATION, name);
            CallMeters {
                duration: histogram!(metric::OPERATION_DURATION, labels.clone()),
                entries: histogram!(metric::BATCH_ENTRIES, labels.clone()),
                failures: counter!(metric::SETTLE_FAILURES, labels),
            }
        };
        Self {
            queue: queue.into(),
            consumed: counter!(metric::CONSUMED, and(&labels, metric::OPERATION, "receive")),
            receive_failures: counter!(metric::RECEIVE_FAILURES, labels.clone()),
            lost: counter!(metric::LOST, labels.clone()),
            extended: counter!(metric::EXTENDED, labels.clone()),
            in_flight: gauge!(metric::IN_FLIGHT, labels.clone()),
            receive: call("receive"),
            delete: call("delete"),
            extend: call("extend"),
            release: call("release"),
            dead_letter: call("dead_letter"),
            age: histogram!(metric::AGE, labels.clone()),
            receive_count: histogram!(metric::RECEIVE_COUNT, labels.clone()),
            tries: Mutex::default(),
            labels,
        }
    }

    /// The name of the queue that they are of.
    pub(super) fn queue(&self) -> &str {
        &self.queue
    }

    /// One try of one message.
    pub(super) fn tried(
        &self,
        outcome: &'static str,
        failed: bool,
        took: Duration,
        age: Duration,
        attempt: u32,
    ) {
        let labels = &self.labels;
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let (handled, duration) = tries.entry(outcome).or_insert_with(|| {
            let process = and(labels, metric::OPERATION, semconv::PROCESS);
            let process = match failed {
                true => and(&process, metric::ERROR_TYPE, outcome),
                false => process,
            };
            (
                counter!(metric::HANDLED, and(labels, metric::OUTCOME, outcome)),
                histogram!(metric::PROCESS_DURATION, process),
            )
        });
        handled.increment(1);
        duration.record(took);
        self.age.record(age);
        self.receive_count.record(attempt);
    }
}

fn and(labels: &[Label], key: &'static str, value: &'static str) -> Vec<Label> {
    let mut labels = labels.to_vec();
    labels.push(Label::from_static_parts(key, value));
    labels
}

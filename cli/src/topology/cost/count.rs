//! How often each thing happens for a million events, and what goes on in any case.

use std::collections::BTreeSet;

use fanfare::topology::{Consumer, Hosting, ServiceSettings, Topology};
use fanfare::{Destination, is_fifo};

use super::prices::{self, Price};
use super::text::grouped;

/// Of what the costs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) events_per_second: u32,
    /// Of a message's body with its attributes, in bytes.
    pub(crate) body: u32,
    /// How long a handler takes, in ms.
    pub(crate) handler_ms: u32,
}

/// What happens so and so often.
pub(super) struct Item {
    pub(super) what: String,
    /// How it is reckoned, for messages that go alone.
    pub(super) how: String,
    pub(super) alone: f64,
    pub(super) batched: f64,
    pub(super) price: &'static Price,
}

/// A million events, and what comes of them.
pub(super) struct Million {
    /// How many kinds of events and commands share them.
    pub(super) kinds: usize,
    pub(super) deliveries: f64,
    pub(super) items: Vec<Item>,
}

const MILLION: f64 = 1_000_000.0;
const HOURS: f64 = 730.0;
/// Seconds of a month.
pub(super) const MONTH: f64 = HOURS * 3600.0;
/// What SNS and SQS count as one request.
const CHUNK: u32 = 64 * 1024;
/// What goes into one call: bytes to a topic (unless it is set up for more), from a queue, and messages.
const TOPIC_CALL: u32 = 256 * 1024;
const QUEUE_CALL: u32 = 1024 * 1024;
pub(super) const BATCH: u32 = 10;
/// What an outbox record has besides the body, about.
const RECORD: u32 = 500;
/// How long a receive waits, and how many the mapping of a function has under way at least.
const WAIT: f64 = 20.0;
const POLLERS: u32 = 5;

/// How many messages go into a call, and how many requests it counts as for each of them.
fn requests(body: u32, call: u32, messages: u32) -> f64 {
    let messages = messages.min(call / body.max(1)).max(1);
    f64::from((body * messages).div_ceil(CHUNK).max(1)) / f64::from(messages)
}

pub(super) fn million(topology: &Topology, load: &Load) -> Million {
    let kinds = kinds(topology);
    let share = MILLION / kinds.len().max(1) as f64;
    let count =
        |of: &dyn Fn(&(&str, &Destination)) -> usize| kinds.iter().map(of).sum::<usize>() as f64 * share;
    let to_topic = |fifo: bool| {
        count(&|(_, over)| matches!(over, Destination::Topic(topic) if is_fifo(topic) == fifo).into())
    };
    let takers = |consumers: &dyn Fn(&&Consumer) -> bool| {
        count(&|kind| {
            topology
                .consumers
                .iter()
                .filter(consumers)
                .filter(|consumer| takes(consumer, kind))
                .count()
        })
    };
    let commands = |fifo: bool| {
        count(&|(_, over)| {
            let addressee = |name: &String| {
                topology
                    .consumer(name)
                    .is_some_and(|consumer| consumer.fifo == fifo)
            };
            matches!(over, Destination::Consumer(name) if addressee(name)).into()
        })
    };
    let chunks = load.body.div_ceil(CHUNK).max(1);
    let sent = |what: &str, count: f64, call: u32, price| Item {
        what: what.to_owned(),
        how: format!("{} x {chunks} of 64 KB", grouped(count)),
        alone: count * f64::from(chunks),
        batched: count * requests(load.body, call, BATCH),
        price,
    };
    let mut items = vec![
        sent(
            "SNS: published to standard topics",
            to_topic(false),
            TOPIC_CALL,
            &prices::SNS_STANDARD,
        ),
        sent(
            "SNS: published to FIFO topics",
            to_topic(true),
            TOPIC_CALL,
            &prices::SNS_FIFO,
        ),
    ];
    for (fifo, kind, price) in [
        (false, "standard", &prices::SQS_STANDARD),
        (true, "FIFO", &prices::SQS_FIFO),
    ] {
        let delivered = takers(&|consumer| consumer.fifo == fifo);
        let commands = commands(fifo);
        let once = |what: &str, count: f64| Item {
            batched: count / f64::from(BATCH),
            alone: count,
            how: grouped(count),
            ..sent(what, count, QUEUE_CALL, price)
        };
        items.push(sent(
            &format!("SQS: commands sent to {kind} queues"),
            commands,
            QUEUE_CALL,
            price,
        ));
        // SNS sends one by one.
        let by_sns = sent(
            &format!("SQS: sent by SNS to {kind} queues"),
            delivered - commands,
            QUEUE_CALL,
            price,
        );
        items.push(Item {
            batched: by_sns.alone,
            ..by_sns
        });
        items.push(sent(
            &format!("SQS: received from {kind} queues"),
            delivered,
            QUEUE_CALL,
            price,
        ));
        items.push(once(&format!("SQS: deleted from {kind} queues"), delivered));
    }
    let deliveries = takers(&|_| true);
    items.extend(writes(load, deliveries, to_topic(true)));
    items.extend(functions(topology, load, &|consumer| {
        takers(&|other| other.name == consumer.name)
    }));
    items.retain(|item| item.alone > 0.0);
    Million {
        kinds: kinds.len(),
        deliveries,
        items,
    }
}

/// What DynamoDB is asked for a million events.
fn writes(load: &Load, deliveries: f64, ordered: f64) -> [Item; 6] {
    let size = load.body.saturating_add(RECORD);
    let (units, reads) = (f64::from(size.div_ceil(1024)), f64::from(size.div_ceil(4096)));
    let item = |what: &str, how: String, count: f64, price| Item {
        what: format!("DynamoDB: {what}"),
        how,
        alone: count,
        batched: count,
        price,
    };
    let (events, each) = (grouped(MILLION), grouped(deliveries));
    let write = |what, how, count| item(what, how, count, &prices::WRITE);
    [
        write("inbox records", format!("{each} x 2 x 1 KB"), deliveries * 2.0),
        write(
            "an item of the handler's own",
            format!("{each} x 2 x 1 KB"),
            deliveries * 2.0,
        ),
        write(
            "outbox records",
            format!("{events} x 2 x {units} KB"),
            MILLION * 2.0 * units,
        ),
        write(
            "outbox records confirmed",
            format!("({events} + {} ordered) x {units} KB", grouped(ordered)),
            (MILLION + ordered) * units,
        ),
        write(
            "the outbox's index",
            format!("{events} x 2 x 1 KB"),
            MILLION * 2.0,
        ),
        item(
            "outbox records read",
            format!("{events} x {reads} of 4 KB"),
            MILLION * reads,
            &prices::READ,
        ),
    ]
}

fn functions(topology: &Topology, load: &Load, deliveries: &dyn Fn(&Consumer) -> f64) -> Vec<Item> {
    let mut items = Vec::new();
    for consumer in &topology.consumers {
        let Hosting::Function(settings) = &consumer.hosting else {
            continue;
        };
        let count = deliveries(consumer);
        let batch = u32::try_from(settings.batch.min(BATCH as usize))
            .unwrap_or(BATCH)
            .max(1);
        let seconds = count * f64::from(load.handler_ms) / 1000.0 * f64::from(settings.memory_mb) / 1024.0;
        items.push(Item {
            what: format!("Lambda: invocations of {}", consumer.name),
            how: grouped(count),
            alone: count,
            batched: count / f64::from(batch),
            price: &prices::INVOCATION,
        });
        items.push(Item {
            what: format!("Lambda: time of {}", consumer.name),
            how: format!(
                "{} x {} ms x {} MB",
                grouped(count),
                load.handler_ms,
                settings.memory_mb
            ),
            alone: seconds,
            batched: seconds,
            price: &prices::GB_SECOND,
        });
    }
    items
}

/// What a month costs in which nothing happens.
pub(super) fn idle(topology: &Topology) -> Vec<Item> {
    let item = |what: String, how: String, count: f64, price| Item {
        what,
        how,
        alone: count,
        batched: count,
        price,
    };
    let running = |name: &str, settings: &ServiceSettings| {
        let tasks = f64::from(settings.tasks_min);
        let (cpu, gb) = (
            f64::from(settings.cpu) / 1024.0,
            f64::from(settings.memory_mb) / 1024.0,
        );
        let of = |part: &str, each: f64| format!("{tasks} tasks x {each} {part} x {HOURS} h");
        let per_task = |each: f64| tasks * each * HOURS;
        let cpus = item(
            format!("{name}: CPUs"),
            of("vCPU", cpu),
            per_task(cpu),
            &prices::CPU_HOUR,
        );
        let memory = item(
            format!("{name}: memory"),
            of("GB", gb),
            per_task(gb),
            &prices::GB_HOUR,
        );
        [cpus, memory]
    };
    let mut items = Vec::new();
    for consumer in &topology.consumers {
        let name = &consumer.name;
        let price = match consumer.fifo {
            true => &prices::SQS_FIFO,
            false => &prices::SQS_STANDARD,
        };
        let receives = |pollers: u32| {
            let count = f64::from(pollers) * MONTH / WAIT;
            item(
                format!("{name}: receives that wait"),
                format!("{pollers} at a time, {WAIT} s each"),
                count,
                price,
            )
        };
        match &consumer.hosting {
            Hosting::Service(settings) => {
                items.extend(running(name, settings));
                items.push(receives(settings.tasks_min));
            }
            Hosting::Function(settings) => {
                items.push(receives(
                    settings
                        .provisioned_pollers
                        .map_or(POLLERS, |pollers| pollers.min),
                ));
            }
            _ => {}
        }
    }
    for service in &topology.services {
        items.extend(running(&service.name, &service.settings));
    }
    if let Some(Hosting::Service(settings)) = &topology.relay {
        items.extend(running("relay", settings));
    }
    if topology.encryption.key().is_some() {
        items.push(item(
            "the encryption key".to_owned(),
            "1".to_owned(),
            1.0,
            &prices::KEY,
        ));
    }
    items
}

/// Every type that is published or sent, with where to.
fn kinds(topology: &Topology) -> BTreeSet<(&str, &Destination)> {
    let by_handlers = topology.consumers.iter().flat_map(|consumer| &consumer.handlers);
    let by_handlers = by_handlers.flat_map(|handler| &handler.sends);
    let sends = topology.producers.iter().flat_map(|producer| &producer.sends);
    sends.chain(by_handlers).map(|(ty, over)| (&**ty, over)).collect()
}

fn takes(consumer: &Consumer, (ty, over): &(&str, &Destination)) -> bool {
    let mut handlers = consumer.handlers.iter();
    handlers.any(|handler| handler.ty == *ty && handler.from == **over)
}

//! `topology show`: a table, or all of it as JSON.

use std::io::{self, Write};

use fanfare::topology::{Consumer, FunctionSettings, HandlerOf, Hosting, ServiceSettings, Topology};
use fanfare::{Destination, queue_name};

use crate::table::Table;

pub(crate) fn show(topology: &Topology, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, topology)?;
        return writeln!(out);
    }
    let mut table = Table::new(["consumer", "takes", "emits", "queue", "runs as"]);
    for consumer in &topology.consumers {
        let queue = queue(&topology.app, consumer);
        let hosting = hosting(&consumer.hosting);
        // Each handler beside what it emits; the name and the queue beside the first.
        for (index, handler) in consumer.handlers.iter().enumerate() {
            let first = |text: &str| match index {
                0 => vec![text.to_owned()],
                _ => Vec::new(),
            };
            table.add([
                first(&consumer.name),
                vec![takes(handler)],
                emits(&handler.sends),
                first(&queue),
                first(&hosting),
            ]);
        }
        if consumer.handlers.is_empty() {
            let name = vec![consumer.name.clone()];
            table.add([name, Vec::new(), Vec::new(), vec![queue], vec![hosting]]);
        }
    }
    write!(out, "{table}")?;
    if !topology.producers.is_empty() {
        let mut table = Table::new(["producer", "emits"]);
        for producer in &topology.producers {
            table.add([vec![producer.name.clone()], emits(&producer.sends)]);
        }
        write!(out, "\n{table}")?;
    }
    if !topology.services.is_empty() {
        let mut table = Table::new(["service", "listens", "runs as"]);
        for service in &topology.services {
            let port = service.port.map(|port| format!("port {port}"));
            let tasks = tasks(service.settings.tasks_min.to_string(), &service.settings);
            table.add([
                vec![service.name.clone()],
                port.into_iter().collect(),
                vec![tasks],
            ]);
        }
        write!(out, "\n{table}")?;
    }
    Ok(())
}

/// So many of a service's tasks.
fn tasks(count: String, settings: &ServiceSettings) -> String {
    format!(
        "service: {count} tasks, {} cpu, {} MB",
        settings.cpu, settings.memory_mb
    )
}

fn takes(handler: &HandlerOf) -> String {
    match &handler.from {
        Destination::Topic(topic) => format!("{} (from {topic})", handler.ty),
        Destination::Consumer(_) => format!("{} (command)", handler.ty),
    }
}

fn emits(sends: &[(String, Destination)]) -> Vec<String> {
    let to = |(ty, to): &(String, Destination)| match to {
        Destination::Topic(topic) => format!("{ty} (to {topic})"),
        Destination::Consumer(consumer) => format!("{ty} (to consumer {consumer})"),
    };
    sends.iter().map(to).collect()
}

fn queue(app: &str, consumer: &Consumer) -> String {
    let settings = &consumer.queue;
    format!(
        "{}: {} s hidden, {} receives, kept {} h",
        queue_name(app, &consumer.name, consumer.fifo),
        settings.visibility_timeout.as_secs_f64(),
        settings.max_receives,
        settings.retention.as_secs() / 3600,
    )
}

fn hosting(hosting: &Hosting) -> String {
    match hosting {
        Hosting::Service(settings) => {
            let count = format!("{} to {}", settings.tasks_min, settings.tasks_max);
            tasks(count, settings)
        }
        Hosting::Function(FunctionSettings {
            timeout,
            memory_mb,
            batch,
            ..
        }) => format!(
            "function: batches of {batch}, {} s, {memory_mb} MB",
            timeout.as_secs_f64()
        ),
        // A kind that is newer than this command.
        other => format!("{other:?}"),
    }
}

//! Who sends what to whom, each name once: what pictures are made from.

use fanfare::Destination;
use fanfare::topology::{Consumer, Topology};

/// All parts of an application that send or take.
pub(crate) struct Flow<'a> {
    /// Producers first, then consumers, each in the order of the application. One that is both is one.
    pub(crate) parts: Vec<Part<'a>>,
}

/// A producer, a consumer, or both under one name.
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) consumer: Option<&'a Consumer>,
    /// Each type and where it goes, once.
    pub(crate) sends: Vec<Way<'a>>,
    /// Each type and where it comes from.
    pub(crate) takes: Vec<Way<'a>>,
}

/// A type, and the topic or queue that it goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way<'a> {
    pub(crate) ty: &'a str,
    pub(crate) over: &'a Destination,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(topology: &'a Topology) -> Self {
        let mut parts: Vec<Part<'a>> = Vec::new();
        for producer in &topology.producers {
            let part = part(&mut parts, &producer.name);
            add(&mut part.sends, ways(&producer.sends));
        }
        for consumer in &topology.consumers {
            let part = part(&mut parts, &consumer.name);
            part.consumer = Some(consumer);
            for handler in &consumer.handlers {
                let taken = Way {
                    ty: &handler.ty,
                    over: &handler.from,
                };
                add(&mut part.takes, [taken]);
                add(&mut part.sends, ways(&handler.sends));
            }
        }
        Self { parts }
    }
}

fn part<'p, 'a>(parts: &'p mut Vec<Part<'a>>, name: &'a str) -> &'p mut Part<'a> {
    let index = match parts.iter().position(|part| part.name == name) {
        Some(index) => index,
        None => {
            parts.push(Part {
                name,
                consumer: None,
                sends: Vec::new(),
                takes: Vec::new(),
            });
            parts.len() - 1
        }
    };
    &mut parts[index]
}

fn ways<'a>(sends: &'a [(String, Destination)]) -> impl Iterator<Item = Way<'a>> {
    sends.iter().map(|(ty, over)| Way { ty, over })
}

fn add<'a>(to: &mut Vec<Way<'a>>, ways: impl IntoIterator<Item = Way<'a>>) {
    for way in ways {
        if !to.contains(&way) {
            to.push(way);
        }
    }
}

//! From the routers of an application to its topology.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Consumer, HandlerOf, Hosting, Producer, Subscription};
use crate::wiring::WiringError;
use crate::{Destination, Router, is_fifo};

/// What a router's consumer consists of; its mistakes go to the others.
pub(super) fn consumer(router: &Router, problems: &mut Vec<WiringError>) -> Consumer {
    problems.extend(router.check());
    problems.extend(router.queue.check(router.name()));
    let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for registration in &router.registrations {
        if let Destination::Topic(topic) = &registration.from {
            types.entry(topic).or_default().insert(registration.ty);
        }
    }
    let (fifo, standard): (Vec<&str>, Vec<&str>) = types.keys().partition(|topic| is_fifo(topic));
    if !fifo.is_empty() && !standard.is_empty() {
        problems.push(WiringError::MixedFifo {
            consumer: router.name().to_owned(),
            fifo: fifo.iter().map(ToString::to_string).collect(),
            standard: standard.iter().map(ToString::to_string).collect(),
        });
    }
    for (topic, types) in types.iter().filter(|(_, types)| types.len() > 150) {
        problems.push(WiringError::TooManyTypes {
            consumer: router.name().to_owned(),
            topic: topic.to_string(),
            types: types.len(),
        });
    }
    let fifo = !fifo.is_empty();
    match &router.hosting {
        Hosting::Function(settings) => problems.extend(settings.check(router.name(), fifo, &router.queue)),
        Hosting::Service(settings) => problems.extend(settings.check(router.name())),
    }
    Consumer {
        name: router.name().to_owned(),
        fifo,
        queue: router.queue.clone(),
        hosting: router.hosting.clone(),
        objectives: router.objectives.clone(),
        tables: router.tables.clone(),
        subscriptions: types
            .iter()
            .map(|(topic, types)| Subscription {
                topic: topic.to_string(),
                filter_policy: json!({ "type": types }),
            })
            .collect(),
        handlers: router
            .registrations
            .iter()
            .map(|registration| HandlerOf {
                ty: registration.ty.to_owned(),
                version: registration.version,
                from: registration.from.clone(),
                sends: registration
                    .sends
                    .iter()
                    .map(|(ty, to)| (ty.to_string(), to.clone()))
                    .collect(),
            })
            .collect(),
    }
}

/// Commands that are sent to a consumer that doesn't handle them.
pub(super) fn unhandled(routers: &[Router], producers: &[Producer]) -> Vec<WiringError> {
    let handles = |addressee: &str, ty: &str| {
        routers
            .iter()
            .filter(|router| router.name() == addressee)
            .flat_map(|router| &router.registrations)
            .any(|registration| registration.ty == ty)
    };
    let by_handlers = routers.iter().flat_map(|router| {
        let sends = router
            .registrations
            .iter()
            .flat_map(|registration| &registration.sends);
        sends.map(|(ty, to)| (router.name(), *ty, to))
    });
    let by_producers = producers.iter().flat_map(|producer| {
        let sends = producer.sends.iter();
        sends.map(|(ty, to)| (producer.name.as_str(), ty.as_str(), to))
    });
    by_handlers
        .chain(by_producers)
        .filter_map(|(by, ty, to)| match to {
            Destination::Consumer(addressee) if !handles(addressee, ty) => {
                Some(WiringError::CommandUnhandled {
                    by: by.to_owned(),
                    ty: ty.to_owned(),
                    addressee: addressee.clone(),
                })
            }
            _ => None,
        })
        .collect()
}

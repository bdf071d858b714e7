//! The shop's CloudFormation template: as committed, with alarms on what is measured and roles that name what
//! they allow, and each consumer's part of it its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alarms;
mod apart;
mod committed;
mod roles;

use std::collections::BTreeMap;

use fanfare::Topology;
use fanfare::topology::{FunctionSettings, Hosting};
use fanfare_infra::Template;
use serde_json::Value;
use shop::{dev, payment, tables};

/// The shop with payment and the relay as functions.
fn topology() -> Topology {
    let mut topology = dev::describe().unwrap().topology().unwrap();
    let mut consumers = topology.consumers.iter_mut();
    let payment = consumers.find(|consumer| consumer.name == payment::NAME);
    payment.unwrap().hosting = Hosting::Function(FunctionSettings::default());
    topology.relay = Some(Hosting::Function(FunctionSettings::default()));
    topology
}

fn template(topology: &Topology) -> Template {
    let tables = tables::described();
    tables.into_iter().fold(Template::new(topology), Template::table)
}

fn json() -> Value {
    template(&topology()).json().unwrap()
}

/// What is of this type in the template, by its name.
fn of<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let found = resources.filter(|(_, resource)| resource["Type"] == kind);
    let found: BTreeMap<_, _> = found
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
        .collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

/// A value, or a list of them, as a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

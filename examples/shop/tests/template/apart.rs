//! Another consumer brings its own resources, and changes those of nobody else.

use std::collections::BTreeSet;

use fanfare::Topology;
use fanfare::topology::{FunctionSettings, Hosting};
use shop::loyalty;

use crate::{template, topology};

fn without(topology: &Topology) -> Topology {
    let mut without = topology.clone();
    without
        .consumers
        .retain(|consumer| consumer.name != loyalty::NAME);
    assert_eq!(without.consumers.len() + 1, topology.consumers.len());
    without
}

fn lines(topology: &Topology) -> Vec<String> {
    let yaml = template(topology).yaml().unwrap();
    yaml.lines().map(str::to_owned).collect()
}

fn adds_only_its_own(with: &Topology) {
    let (before, after) = (
        template(&without(with)).json().unwrap(),
        template(with).json().unwrap(),
    );
    for section in ["Parameters", "Conditions", "Resources", "Outputs"] {
        let (before, after) = (
            before[section].as_object().unwrap(),
            after[section].as_object().unwrap(),
        );
        let gone: Vec<_> = before.keys().filter(|id| !after.contains_key(*id)).collect();
        assert_eq!(gone, [""; 0], "{section}");
        let new = after.keys().filter(|id| !before.contains_key(*id));
        for id in new {
            assert!(id.starts_with("Loyalty"), "{section}: {id} is new");
        }
        for (id, was) in before {
            if id != "Dashboard" {
                assert_eq!(was, &after[id], "{section}: {id}");
            }
        }
    }
    // As text nothing goes, so neither does a line of the dashboard; what comes to that is the consumer's row.
    let (before, after) = (lines(&without(with)), lines(with));
    let mut left = before.iter().peekable();
    let new: Vec<_> = after
        .iter()
        .filter(|line| left.next_if_eq(line).is_none())
        .collect();
    assert_eq!(left.next(), None);
    let widgets = new
        .iter()
        .filter(|line| line.contains("\"widget") || line.contains("\"metrics\""));
    for line in widgets {
        assert!(line.contains("loyalty"), "{line}");
    }
}

#[test]
fn as_a_service() {
    adds_only_its_own(&topology());
}

#[test]
fn as_a_function() {
    let mut topology = topology();
    let mut consumers = topology.consumers.iter_mut();
    let loyalty = consumers.find(|consumer| consumer.name == loyalty::NAME);
    loyalty.unwrap().hosting = Hosting::Function(FunctionSettings::default());
    adds_only_its_own(&topology);
}

#[test]
fn it_brings_all_that_it_needs() {
    let with = topology();
    let (before, after) = (
        template(&without(&with)).json().unwrap(),
        template(&with).json().unwrap(),
    );
    let ids = |template: &serde_json::Value| -> BTreeSet<String> {
        template["Resources"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let new: Vec<_> = ids(&after).difference(&ids(&before)).cloned().collect();
    assert_eq!(
        new,
        [
            "LoyaltyAgeAlarm",
            "LoyaltyDeadLetters",
            "LoyaltyDeadLettersAlarm",
            "LoyaltyDeadLettersPolicy",
            "LoyaltyFromShipments",
            "LoyaltyLog",
            "LoyaltyQueue",
            "LoyaltyQueuePolicy",
            "LoyaltyRole",
            "LoyaltyScalableTarget",
            "LoyaltyScaling",
            "LoyaltyService",
            "LoyaltyTask",
            "LoyaltyUndelivered",
            "LoyaltyUndeliveredAlarm",
            "LoyaltyUndeliveredPolicy",
        ]
    );
}

//! What is refused before anything is deployed: each at its limit, and one past it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{applied, command, event};
use fanfare::topology::{Encryption, FunctionSettings, Hosting, Objectives, ServiceSettings};
use fanfare::{App, Clock, Draft, Producer, Router, Topology};
use serde_json::{Value, json};

event!(OrderPlaced, "order.placed");
event!(OrderShipped, "order.shipped");
event!(PaymentCharged, "payment.charged", 1, "payments");
command!(RefundPayment, "payment");

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Checkout places orders, billing takes them.
fn app() -> App {
    App::new("shop")
        .producer(Producer::new("checkout").emits::<OrderPlaced>())
        .consumer(Router::new("billing").on::<OrderPlaced>(applied))
}

fn topology() -> Topology {
    app().topology().unwrap()
}

/// Errors and warnings, a line each.
fn found(topology: &Topology) -> Vec<String> {
    match topology.validate() {
        Ok(warnings) => warnings.iter().map(ToString::to_string).collect(),
        Err(errors) => errors.errors().iter().map(ToString::to_string).collect(),
    }
}

fn filtered(policy: Value) -> Vec<String> {
    let mut topology = topology();
    topology.attributes = ["type", "a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    topology.consumers[0].subscriptions[0].filter_policy = policy;
    found(&topology)
}

/// What is found wrong with one router that has everything else right.
fn mistakes(router: Router) -> Vec<String> {
    let found = App::new("shop").consumer(router).topology().err();
    let errors = found.iter().flat_map(|errors| errors.errors());
    errors.map(ToString::to_string).collect()
}

#[test]
fn a_deployment_is_described_whole_and_has_sensible_settings_if_none_are_said() {
    let topology = topology();
    assert_eq!(found(&topology), [""; 0]);
    let billing = &topology.consumers[0];
    assert_eq!(billing.hosting, Hosting::Service(ServiceSettings::default()));
    assert_eq!(billing.objectives.oldest, 300 * SECOND);
    assert_eq!(topology.encryption, Encryption::Sqs);
    assert_eq!(topology.dedupe_window, 30 * DAY);
    let json = serde_json::to_value(&topology).unwrap();
    assert_eq!(
        json["consumers"][0]["hosting"]["service"]["backlog_per_task"],
        100
    );
    assert_eq!(json["encryption"], "sqs");
    assert_eq!(json["attributes"], json!(["type", "version", "source", "key"]));
}

#[test]
fn what_a_router_and_an_app_say_is_in_the_topology() {
    let function = FunctionSettings::default().provisioned_pollers(2, 20);
    let app = app()
        .encryption_key("alias/shop")
        .dedupe_window(40 * DAY)
        .attribute("team")
        .consumer(
            Router::new("email")
                .objective(900 * SECOND)
                .service(ServiceSettings::default().tasks(2, 4)),
        )
        .consumer(
            Router::new("sms")
                .function(function.clone())
                .visibility_timeout(180 * SECOND),
        );
    let topology = app.topology().unwrap();
    let (email, sms) = (&topology.consumers[1], &topology.consumers[2]);
    assert_eq!(
        email.hosting,
        Hosting::Service(ServiceSettings::default().tasks(2, 4))
    );
    assert_ne!(email.objectives, Objectives::default());
    assert_eq!(sms.hosting, Hosting::Function(function));
    assert_eq!(topology.encryption.key(), Some("alias/shop"));
    assert_eq!(topology.dedupe_window, 40 * DAY);
    assert_eq!(topology.attributes[4], "team");
}

#[test]
fn the_attributes_are_those_that_messages_really_have() {
    let placed = Draft::event(&OrderPlaced {
        order: "17".to_owned(),
    });
    let outgoing = placed.unwrap().first("/checkout", &Clock::system());
    let mut names = topology().attributes;
    names.sort();
    assert_eq!(Vec::from_iter(outgoing.attributes().into_keys()), names);
}

#[test]
fn a_filter_policy_holds_5_keys_and_150_combinations() {
    let five = json!({"type": ["x"], "a": ["x"], "b": ["x"], "c": ["x"], "d": ["x"]});
    assert_eq!(filtered(five.clone()), [""; 0]);
    let mut six = five;
    six["e"] = json!(["x"]);
    assert_eq!(
        filtered(six),
        ["`billing` filters `orders` by 6 attributes, and a filter policy holds 5: filter by fewer"]
    );

    let of = |count: usize| json!((0..count).map(|value| value.to_string()).collect::<Vec<_>>());
    assert_eq!(filtered(json!({"type": of(10), "a": of(15)})), [""; 0]);
    assert_eq!(
        filtered(json!({"type": of(8), "a": of(19)})),
        [
            "`billing` filters `orders` by 152 combinations of values, and a filter policy holds 150: split the \
             consumer"
        ]
    );
    assert_eq!(filtered(json!({"type": of(151)})).len(), 1);
}

#[test]
fn a_filter_by_what_no_message_has_is_refused() {
    assert_eq!(
        filtered(json!({"type": ["x"], "team": ["x"]})),
        [
            "`billing` filters `orders` by the attribute `team`, which no message has: filter by another, or add it \
             by `App::attribute`"
        ]
    );
}

#[test]
fn a_message_has_room_for_five_attributes_of_the_applications_own() {
    let with = |own: usize| {
        let app = (0..own).fold(app(), |app, number| app.attribute(format!("own-{number}")));
        found(&app.topology().unwrap())
    };
    assert_eq!(with(5), [""; 0]);
    assert_eq!(
        with(6),
        [
            "a message has 10 attributes (type, version, source, key, own-0, own-1, own-2, own-3, own-4, own-5), and \
             may have 9, for `fanfare.deadletter` must fit beside them in a dead letter: leave some out"
        ]
    );
}

#[test]
fn a_queues_policy_has_8192_bytes() {
    let with = |last: usize| {
        let mut topology = topology();
        let mut subscription = topology.consumers[0].subscriptions[0].clone();
        let mut names = vec![40; 86];
        names.push(last);
        topology.consumers[0].subscriptions.clear();
        for length in names {
            subscription.topic = "t".repeat(length);
            topology.consumers[0].subscriptions.push(subscription.clone());
        }
        found(&topology)
    };
    let limit = (1..200).find(|last| !with(*last).is_empty()).unwrap();
    assert_eq!(with(limit - 1), [""; 0]);
    assert_eq!(
        with(limit),
        [
            "`billing` takes from 87 topics, whose names make its queue's policy 8193 bytes, and SQS takes 8192: \
             split the consumer"
        ]
    );
}

#[test]
fn dead_letters_are_kept_14_days() {
    let kept = |dead_letters: Duration, retention: Duration| {
        let mut topology = topology();
        topology.consumers[0].queue.dead_letter_retention = dead_letters;
        topology.consumers[0].queue.retention = retention;
        found(&topology)
    };
    assert_eq!(kept(14 * DAY, 14 * DAY), [""; 0]);
    let text = |dead_letters: u64, retention: u64| {
        format!(
            "`billing` keeps dead letters for {dead_letters} s and messages for {retention} s: dead letters keep the \
             age that they had, so keep them for 14 days, 1209600 s, the longest there is"
        )
    };
    assert_eq!(kept(14 * DAY - SECOND, 4 * DAY), [text(1_209_599, 345_600)]);
    assert_eq!(kept(3 * DAY, 4 * DAY), [text(259_200, 345_600)]);
}

#[test]
fn the_dedupe_window_is_as_long_as_a_message_can_lie() {
    let with = |window: Duration| found(&app().dedupe_window(window).topology().unwrap());
    // 4 days in the queue, 14 in the dead-letter queue.
    assert_eq!(with(18 * DAY), [""; 0]);
    assert_eq!(
        with(18 * DAY - SECOND),
        [
            "`billing` remembers what it handled for 1555199 s, and its queue and dead-letter queue keep a message \
             for 1555200 s together: lengthen `App::dedupe_window`, and the store's window with it, or shorten \
             `.retention(..)`"
        ]
    );
}

#[test]
fn a_key_that_aws_manages_is_refused() {
    let with = |key: &str| found(&app().encryption_key(key).topology().unwrap());
    for own in [
        "alias/shop",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:eu-central-1:000000000000:alias/shop",
        "arn:aws:kms:eu-central-1:000000000000:key/alias",
    ] {
        assert_eq!(with(own), [""; 0]);
    }
    for key in [
        "alias/aws/sqs",
        "arn:aws:kms:eu-central-1:000000000000:alias/aws/sns",
    ] {
        assert_eq!(
            with(key),
            [format!(
                "the encryption key `{key}` is managed by AWS, and SNS can't be let to use it, so that nothing would \
                 be delivered: take a key of your own, or none"
            )]
        );
    }
}

#[test]
fn a_topic_that_nobody_publishes_to_is_refused_once_it_is_to_be_deployed() {
    let silent = app()
        .consumer(Router::new("email").on::<PaymentCharged>(applied))
        .consumer(Router::new("sms").on::<PaymentCharged>(applied));
    assert_eq!(
        found(&silent.topology().unwrap()),
        [
            "nobody publishes to `payments`, from which `email`, `sms` take: say who does by `.emits` behind a handler, \
             or by a `Producer` if it is outside of this application"
        ]
    );
    let told = silent.producer(Producer::new("bank").emits::<PaymentCharged>());
    assert_eq!(found(&told.topology().unwrap()), [""; 0]);
}

#[test]
fn events_that_nobody_takes_or_that_nobody_emits_are_warned_of() {
    let app = App::new("shop")
        .producer(
            Producer::new("checkout")
                .emits::<OrderPlaced>()
                .emits::<OrderPlaced>(),
        )
        .consumer(
            Router::new("billing")
                .on::<OrderShipped>(applied)
                .emits::<PaymentCharged>(),
        );
    assert_eq!(
        found(&app.topology().unwrap()),
        [
            "`checkout` emits `order.placed` to `orders`, and nobody here takes it",
            "`billing` emits `payment.charged` to `payments`, and nobody here takes it",
            "`billing` takes `order.shipped` from `orders`, and nobody here emits it",
        ]
    );
}

#[test]
fn commands_are_neither_topics_nor_events() {
    let app = App::new("shop")
        .producer(Producer::new("desk").sends::<RefundPayment>())
        .consumer(Router::new("payment").on_command::<RefundPayment>(applied));
    assert_eq!(found(&app.topology().unwrap()), [""; 0]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut topology = app()
        .encryption_key("alias/aws/sqs")
        .dedupe_window(DAY)
        .topology()
        .unwrap();
    topology.consumers[0].queue.dead_letter_retention = DAY;
    assert_eq!(found(&topology).len(), 3);
}

#[test]
fn a_function_has_a_maximum_concurrency_or_provisioned_pollers() {
    let with = |settings: FunctionSettings| {
        mistakes(
            Router::new("billing")
                .visibility_timeout(180 * SECOND)
                .function(settings),
        )
    };
    let settings = FunctionSettings::default;
    assert_eq!(with(settings().maximum_concurrency(2)), [""; 0]);
    assert_eq!(with(settings().provisioned_pollers(2, 20)), [""; 0]);
    assert_eq!(
        with(settings().maximum_concurrency(8).provisioned_pollers(2, 20)),
        [
            "the function of `billing` has both a maximum concurrency of 8 and provisioned pollers: Lambda takes one \
             of them, so leave out `.maximum_concurrency(..)` or `.provisioned_pollers(..)`"
        ]
    );
    assert_eq!(with(settings().provisioned_pollers(200, 10_000)), [""; 0]);
    for (min, max) in [(1, 20), (201, 400), (2, 10_001), (20, 19)] {
        assert_eq!(
            with(settings().provisioned_pollers(min, max)),
            [format!(
                "the function of `billing` has a count of provisioned pollers of {min} to {max}: Lambda takes 2 to 200 \
                 at least, and up to 10000 at most"
            )]
        );
    }
}

#[test]
fn a_service_has_what_fargate_takes_and_scales() {
    let with = |settings: ServiceSettings| mistakes(Router::new("billing").service(settings));
    let settings = ServiceSettings::default;
    for (cpu, memory) in [
        (256, 512),
        (256, 2048),
        (512, 1024),
        (512, 4096),
        (1024, 2048),
        (2048, 16_384),
        (4096, 30_720),
        (8192, 20_480),
        (16_384, 122_880),
    ] {
        assert_eq!(
            with(settings().cpu(cpu).memory_mb(memory)),
            [""; 0],
            "{cpu} {memory}"
        );
    }
    for (cpu, memory) in [
        (256, 511),
        (256, 1536),
        (256, 3072),
        (512, 512),
        (1024, 1024),
        (4096, 31_744),
        (8192, 17_408),
        (16_384, 36_864),
    ] {
        let found = with(settings().cpu(cpu).memory_mb(memory));
        let text =
            format!("the service of `billing` has a memory of {memory} MB beside a cpu of {cpu}: set 512,");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with(&text), "{found:?}");
    }
    assert_eq!(
        with(settings().cpu(300)),
        ["the service of `billing` has a cpu of 300: set 256, 512, 1024, 2048, 4096, 8192 or 16384"]
    );
    assert_eq!(with(settings().tasks(1, 1).backlog_per_task(1)), [""; 0]);
    for (min, max) in [(0, 10), (3, 2)] {
        let found = with(settings().tasks(min, max));
        assert!(
            found[0].contains(&format!("a count of tasks of {min} to {max}:")),
            "{found:?}"
        );
    }
    assert!(with(settings().backlog_per_task(0))[0].contains("a backlog per task of 0:"));
    assert_eq!(with(settings().stop_timeout(2 * SECOND)), [""; 0]);
    for past in [SECOND, 121 * SECOND] {
        assert!(with(settings().stop_timeout(past))[0].contains("set 2 to 120 whole seconds"));
    }
}

#[test]
fn an_objective_is_one_that_an_alarm_can_see() {
    let with = |oldest: Duration| {
        let app = App::new("shop").consumer(Router::new("billing").objective(oldest));
        found(&app.topology().unwrap())
    };
    assert_eq!(with(60 * SECOND), [""; 0]);
    assert_eq!(with(4 * DAY - SECOND), [""; 0]);
    assert_eq!(with(90 * SECOND + SECOND / 2).len(), 1, "whole seconds");
    for past in [59 * SECOND, 4 * DAY] {
        assert_eq!(
            with(past),
            [format!(
                "the objective of `billing` for its oldest message is {} s: set whole seconds from 60 (SQS measures \
                 once a minute) to less than its retention of 345600 s",
                past.as_secs()
            )]
        );
    }
}

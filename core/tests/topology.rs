//! What an application consists of, derived from its handlers.

mod common;

use std::time::Duration;

use common::{applied, command, event};
use fanfare::topology::{Service, ServiceSettings};
use fanfare::{App, Destination, Producer, Router, Topology, WiringErrors, dead_letter_name, queue_name};
use serde_json::json;

event!(OrderPlaced, "order.placed");
event!(OrderShipped, "order.shipped");
event!(PaymentCharged, "payment.charged", 1, "payments");
event!(Posted, "posted", 1, "ledger.fifo");
event!(Closed, "closed", 1, "accounts.fifo");
event!(BadTopic, "bad", 1, "Orders");
event!(FifoOnly, "bad", 1, ".fifo");
command!(RefundPayment, "payment");

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn app(routers: impl IntoIterator<Item = Router>) -> App {
    routers.into_iter().fold(App::new("shop"), App::consumer)
}

fn topology(routers: impl IntoIterator<Item = Router>) -> Result<Topology, WiringErrors> {
    app(routers).topology()
}

/// What is found wrong, a line each.
fn mistakes(app: &App) -> Vec<String> {
    let found = app.topology().err();
    let errors = found.iter().flat_map(|errors| errors.errors());
    errors.map(ToString::to_string).collect()
}

#[test]
fn subscriptions_and_filter_policies_follow_from_the_handlers() {
    let billing = Router::new("billing")
        .on::<PaymentCharged>(applied)
        .on::<OrderShipped>(applied)
        .on::<OrderPlaced>(applied)
        .emits::<PaymentCharged>();
    let topology = topology([billing]).unwrap();
    let consumer = topology.consumer("billing").unwrap();
    let subscriptions: Vec<_> = consumer
        .subscriptions
        .iter()
        .map(|subscription| (subscription.topic.as_str(), subscription.filter_policy.clone()))
        .collect();
    assert_eq!(
        subscriptions,
        [
            ("orders", json!({"type": ["order.placed", "order.shipped"]})),
            ("payments", json!({"type": ["payment.charged"]})),
        ]
    );
    assert!(!consumer.fifo);
}

#[test]
fn topics_are_those_that_are_published_to_or_taken_from_with_their_types() {
    let shipping = Router::new("shipping")
        .on::<PaymentCharged>(applied)
        .emits::<OrderShipped>();
    let app = app([shipping]).producer(Producer::new("checkout").emits::<OrderPlaced>().emits::<Posted>());
    let topics: Vec<_> = app
        .topology()
        .unwrap()
        .topics
        .into_iter()
        .map(|topic| (topic.name, topic.fifo, topic.types))
        .collect();
    let expected = [
        ("ledger.fifo", true, vec!["posted"]),
        ("orders", false, vec!["order.placed", "order.shipped"]),
        ("payments", false, vec![]),
    ];
    assert_eq!(topics.len(), expected.len());
    for ((name, fifo, types), expected) in topics.iter().zip(expected) {
        assert_eq!((name.as_str(), *fifo), (expected.0, expected.1));
        assert_eq!(*types, expected.2);
    }
}

#[test]
fn each_handler_tells_what_it_takes_and_sends() {
    let payment = Router::new("payment")
        .on::<OrderPlaced>(applied)
        .emits::<PaymentCharged>()
        .sends::<RefundPayment>()
        .on_command::<RefundPayment>(applied);
    let topology = topology([payment]).unwrap();
    let handlers = &topology.consumers[0].handlers;
    assert_eq!(handlers[0].from, Destination::Topic("orders".into()));
    assert_eq!(
        handlers[0].sends,
        [
            (
                "payment.charged".to_owned(),
                Destination::Topic("payments".into())
            ),
            (
                "RefundPayment".to_owned(),
                Destination::Consumer("payment".into())
            ),
        ]
    );
    assert_eq!(handlers[1].from, Destination::Consumer("payment".into()));
    assert!(handlers[1].sends.is_empty());
}

#[test]
fn a_consumer_of_fifo_topics_has_a_fifo_queue() {
    let bookkeeping = Router::new("bookkeeping")
        .on::<Posted>(applied)
        .on::<Closed>(applied);
    assert!(topology([bookkeeping]).unwrap().consumers[0].fifo);
}

#[test]
fn fifo_and_standard_topics_in_one_consumer_are_refused() {
    let mixed = Router::new("mixed")
        .on::<Posted>(applied)
        .on::<OrderPlaced>(applied);
    assert_eq!(
        mistakes(&app([mixed])),
        [
            "`mixed` takes from the FIFO topics [\"ledger.fifo\"] and from the standard topics [\"orders\"]: \
             a queue is one or the other, so make two consumers"
        ]
    );
}

#[test]
fn a_command_that_its_consumer_doesnt_handle_is_refused_whoever_sends_it() {
    let text = |by: &str| {
        format!(
            "`{by}` sends `RefundPayment` to `payment`, which has no handler of it: add `.on_command` there"
        )
    };
    let stock = || {
        Router::new("stock")
            .on::<OrderPlaced>(applied)
            .sends::<RefundPayment>()
    };
    let deaf = Router::new("payment").on::<OrderPlaced>(applied);
    assert_eq!(mistakes(&app([stock(), deaf])), [text("stock")]);
    assert_eq!(mistakes(&app([stock()])), [text("stock")]);

    let desk = App::new("shop").producer(Producer::new("desk").sends::<RefundPayment>());
    assert_eq!(mistakes(&desk), [text("desk")]);
    let payment = Router::new("payment").on_command::<RefundPayment>(applied);
    assert_eq!(mistakes(&desk.consumer(payment)), [""; 0]);
}

#[test]
fn a_service_that_serves_no_queue_is_named_and_set_up_as_a_consumer_is() {
    let api = |name: &str| Service::new(name).settings(ServiceSettings::default().tasks(2, 2));
    let app = || app([Router::new("payment")]);
    let topology = app().service(api("api")).topology().unwrap();
    assert_eq!(topology.services, [api("api")]);
    assert_eq!(topology.services[0].port, None);

    let refused = |service| mistakes(&app().service(service));
    let [taken] = &refused(api("payment"))[..] else {
        panic!("one mistake");
    };
    assert!(
        taken.starts_with("the service `payment` at core/tests/topology.rs:"),
        "{taken}"
    );
    assert!(taken.ends_with(": rename one"), "{taken}");
    assert!(refused(api("No name"))[0].contains("is no name"));
    let odd = api("api").settings(ServiceSettings::default().cpu(300));
    assert!(refused(odd)[0].starts_with("the service of `api` has a cpu of 300"));
    let twice = app().service(api("api")).service(api("api"));
    assert_eq!(mistakes(&twice).len(), 1);
}

#[test]
fn two_consumers_of_one_name_are_refused_with_both_places() {
    let first = line!() + 1;
    let routers = [Router::new("billing"), Router::new("billing")];
    let found = mistakes(&app(routers));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0]
            .matches(&format!("core/tests/topology.rs:{first}:"))
            .count(),
        2,
        "{found:?}"
    );
}

#[test]
fn a_consumers_queue_is_set_up_as_its_router_says() {
    let queue = Router::new("billing")
        .retention(2 * DAY)
        .max_receives(7)
        .visibility_timeout(Duration::from_secs(90));
    let consumer = &topology([queue]).unwrap().consumers[0];
    assert_eq!(consumer.queue.retention, 2 * DAY);
    assert_eq!(consumer.queue.max_receives, 7);
    assert_eq!(consumer.queue.visibility_timeout, Duration::from_secs(90));
    // Dead letters of standard queues keep the age they had: the longest there is.
    assert_eq!(consumer.queue.dead_letter_retention, 14 * DAY);
}

#[test]
fn settings_are_taken_up_to_sqss_limits_and_refused_one_past_them() {
    let second = Duration::from_secs(1);
    let router = || Router::new("billing");
    for fits in [
        router().retention(60 * second),
        router().retention(14 * DAY),
        router().visibility_timeout(Duration::ZERO),
        router().visibility_timeout(DAY / 2),
        router().max_receives(1),
        router().max_receives(1000),
    ] {
        assert_eq!(mistakes(&app([fits])), [""; 0]);
    }
    for (past, text) in [
        (
            router().retention(59 * second),
            "retention is 59 s: SQS takes 60 s to 14 days",
        ),
        (
            router().retention(14 * DAY + second),
            "retention is 1209601 s: SQS takes 60 s to 14 days",
        ),
        (
            router().visibility_timeout(DAY / 2 + second),
            "visibility timeout is 43201 s: SQS takes 0 s to 12 h",
        ),
        (router().max_receives(0), "max_receives is 0: SQS takes 1 to 1000"),
        (
            router().max_receives(1001),
            "max_receives is 1001: SQS takes 1 to 1000",
        ),
    ] {
        assert_eq!(mistakes(&app([past])), [format!("`billing`'s {text}")]);
    }
}

#[test]
fn names_are_taken_up_to_the_length_that_fits_into_sqss_80_characters() {
    let (longest, past) = ("a".repeat(35), "a".repeat(36));
    let app = |app: &str, consumer: &str, producer: &str| {
        App::new(app)
            .consumer(Router::new(consumer))
            .producer(Producer::new(producer))
    };
    assert_eq!(mistakes(&app(&longest, &longest, &longest)), [""; 0]);
    assert_eq!(dead_letter_name(&queue_name(&longest, &longest, true)).len(), 80);

    for bad in [past.as_str(), "", "Shop", "a_b", "a.b", "a b", "é"] {
        for wrong in [app(bad, "b", "c"), app("a", bad, "c"), app("a", "b", bad)] {
            let found = mistakes(&wrong);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].starts_with(&format!("`{bad}` at core/tests/topology.rs:")),
                "{found:?}"
            );
        }
    }
}

#[test]
fn all_mistakes_of_an_application_are_told_at_once() {
    let app = App::new("Shop")
        .producer(Producer::new("Desk").sends::<RefundPayment>())
        .consumer(
            Router::new("a")
                .on::<Posted>(applied)
                .on::<OrderPlaced>(applied)
                .max_receives(0),
        )
        .consumer(Router::new("a").emits::<OrderShipped>());
    let found = mistakes(&app).join("\n");
    for part in [
        "`Shop`",
        "`Desk` at",
        "two consumers",
        "FIFO",
        "max_receives",
        "before any `.on`",
        "`Desk` sends",
    ] {
        assert!(found.contains(part), "{part} in {found}");
    }
    assert_eq!(found.lines().count(), 7);
}

#[test]
fn a_topic_that_sns_wouldnt_take_is_refused_wherever_it_is_named() {
    for wrong in [
        app([Router::new("a").on::<BadTopic>(applied)]),
        app([Router::new("a").on::<OrderPlaced>(applied).emits::<BadTopic>()]),
        App::new("shop").producer(Producer::new("a").emits::<BadTopic>()),
    ] {
        let found = mistakes(&wrong);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("`Orders` at core/tests/topology.rs:"),
            "{found:?}"
        );
    }
    let nameless = app([Router::new("a").on::<FifoOnly>(applied)]);
    assert!(mistakes(&nameless)[0].starts_with("`.fifo` at "));
}

/// 160 types of one topic, told apart by their length.
#[derive(serde::Serialize, serde::Deserialize)]
struct Numbered<const TEN: usize, const ONE: usize>;

impl<const TEN: usize, const ONE: usize> fanfare::Event for Numbered<TEN, ONE> {
    const TYPE: &'static str = DIGITS.split_at(TEN * 10 + ONE + 1).0;
    const TOPIC: &'static str = "orders";
}

const DIGITS: &str = "\
    0123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789";

macro_rules! ten {
    ($router:ident: $($ten:literal)*) => {
        $(
            let $router = $router
                .on::<Numbered<$ten, 0>>(applied)
                .on::<Numbered<$ten, 1>>(applied)
                .on::<Numbered<$ten, 2>>(applied)
                .on::<Numbered<$ten, 3>>(applied)
                .on::<Numbered<$ten, 4>>(applied)
                .on::<Numbered<$ten, 5>>(applied)
                .on::<Numbered<$ten, 6>>(applied)
                .on::<Numbered<$ten, 7>>(applied)
                .on::<Numbered<$ten, 8>>(applied)
                .on::<Numbered<$ten, 9>>(applied);
        )*
    };
}

#[test]
fn a_filter_policy_holds_150_types_and_no_more() {
    let router = Router::new("billing");
    ten!(router: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    let full = topology([router.clone()]).unwrap();
    let types = full.consumers[0].subscriptions[0].filter_policy["type"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(types, 150);
    let past = router.on::<Numbered<15, 0>>(applied);
    assert_eq!(
        mistakes(&app([past])),
        ["`billing` takes 151 types from `orders`, and a filter policy holds 150: split the consumer"]
    );
}

#[test]
fn the_same_application_gives_the_same_topology_and_services() {
    let app = || {
        app([
            Router::new("payment")
                .on::<OrderPlaced>(applied)
                .emits::<PaymentCharged>(),
            Router::new("shipping").on::<PaymentCharged>(applied),
        ])
    };
    let json = |app: App| {
        app.topology()
            .map(|topology| serde_json::to_string(&topology).ok())
    };
    assert_eq!(json(app()).unwrap(), json(app()).unwrap());
    let services = app().services().unwrap();
    let names: Vec<_> = services.iter().map(|service| service.consumer()).collect();
    assert_eq!(names, ["payment", "shipping"]);
    let patient = app()
        .map_consumers(|router| router.max_receives(9))
        .services()
        .unwrap();
    assert!(
        patient
            .iter()
            .all(|service| service.retry_policy().max_receives == 9)
    );
}

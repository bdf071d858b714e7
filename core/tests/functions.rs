//! Consumers that run as Lambda functions: what is set up, and what is refused.

mod common;

use std::time::Duration;

use common::{applied, event};
use fanfare::topology::{FunctionSettings, Hosting};
use fanfare::{App, Router};

event!(OrderPlaced, "order.placed");
event!(Posted, "posted", 1, "ledger.fifo");

const SECOND: Duration = Duration::from_secs(1);

/// A function of a second on a standard queue, hidden for long enough.
fn standard(settings: FunctionSettings) -> Router {
    Router::new("billing")
        .on::<OrderPlaced>(applied)
        .visibility_timeout(6000 * SECOND)
        .function(settings)
}

/// The same on a FIFO queue with receives enough.
fn fifo(settings: FunctionSettings) -> Router {
    Router::new("ledger")
        .on::<Posted>(applied)
        .visibility_timeout(6000 * SECOND)
        .max_receives(1000)
        .function(settings)
}

fn settings() -> FunctionSettings {
    FunctionSettings::default()
}

/// What is found wrong, a line each.
fn mistakes(router: Router) -> Vec<String> {
    let found = App::new("shop").consumer(router).topology().err();
    let errors = found.iter().flat_map(|errors| errors.errors());
    errors.map(ToString::to_string).collect()
}

#[test]
fn a_consumer_is_a_service_unless_its_router_says_function() {
    let app = App::new("shop")
        .consumer(Router::new("email"))
        .consumer(standard(settings().memory_mb(512).maximum_concurrency(2)));
    let topology = app.topology().unwrap();
    assert_eq!(topology.consumers[0].hosting, Hosting::default());
    let Hosting::Function(function) = &topology.consumers[1].hosting else {
        panic!("{topology:?}");
    };
    assert_eq!((function.memory_mb, function.maximum_concurrency), (512, Some(2)));
    assert_eq!((function.timeout, function.window), (30 * SECOND, Duration::ZERO));
    assert_eq!((function.batch, function.attempts), (10, 3));
    for (service, consumer) in app.services().unwrap().iter().zip(&topology.consumers) {
        assert_eq!(service.hosting(), &consumer.hosting);
    }
}

#[test]
fn the_topology_as_json_says_where_each_consumer_runs() {
    let app = App::new("shop")
        .consumer(Router::new("email"))
        .consumer(standard(settings()));
    let json = serde_json::to_value(app.topology().unwrap()).unwrap();
    assert_eq!(json["consumers"][0]["hosting"]["service"]["cpu"], 256);
    assert_eq!(json["consumers"][1]["hosting"]["function"]["batch"], 10);
}

#[test]
fn settings_are_taken_up_to_lambdas_limits_and_refused_one_past_them() {
    for fits in [
        standard(settings().timeout(3 * SECOND)),
        standard(settings().timeout(900 * SECOND)),
        standard(settings().memory_mb(128)),
        standard(settings().memory_mb(10_240)),
        standard(settings().batch(1)),
        standard(settings().batch(10_000).window(SECOND)),
        standard(settings().window(300 * SECOND)),
        standard(settings().maximum_concurrency(2)),
        standard(settings().maximum_concurrency(1000)),
        fifo(settings().batch(10)),
    ] {
        assert_eq!(mistakes(fits), [""; 0]);
    }
    for (past, text) in [
        (
            settings().timeout(Duration::ZERO),
            "timeout of 0 s: Lambda takes 1 to 900 whole seconds",
        ),
        (
            settings().timeout(Duration::from_millis(999)),
            "timeout of 0.999 s: Lambda takes 1 to 900 whole seconds",
        ),
        (
            settings().timeout(Duration::from_millis(4500)),
            "timeout of 4.5 s: Lambda takes 1 to 900 whole seconds",
        ),
        (
            settings().timeout(901 * SECOND),
            "timeout of 901 s: Lambda takes 1 to 900 whole seconds",
        ),
        (
            settings().memory_mb(127),
            "memory of 127 MB: Lambda takes 128 to 10240 MB",
        ),
        (
            settings().memory_mb(10_241),
            "memory of 10241 MB: Lambda takes 128 to 10240 MB",
        ),
        (settings().batch(0), "batch of 0: Lambda takes 1 to 10000"),
        (
            settings().batch(10_001).window(SECOND),
            "batch of 10001: Lambda takes 1 to 10000",
        ),
        (
            settings().window(301 * SECOND),
            "window of 301 s: Lambda takes 0 to 300 whole seconds",
        ),
        (
            settings().maximum_concurrency(1),
            "maximum_concurrency of 1: Lambda takes 2 to 1000",
        ),
        (
            settings().maximum_concurrency(1001),
            "maximum_concurrency of 1001: Lambda takes 2 to 1000",
        ),
    ] {
        assert_eq!(
            mistakes(standard(past)),
            [format!("the function of `billing` has a {text}")]
        );
    }
    for (past, text) in [
        (
            settings().batch(11),
            "batch of 11: Lambda takes 1 to 10 from a FIFO queue",
        ),
        (
            settings().window(SECOND),
            "window of 1 s: Lambda takes none on a FIFO queue, so 0 s",
        ),
    ] {
        assert_eq!(
            mistakes(fifo(past)),
            [format!("the function of `ledger` has a {text}")]
        );
    }
}

#[test]
fn a_function_has_time_to_start_something() {
    assert_eq!(mistakes(standard(settings().timeout(3 * SECOND))), [""; 0]);
    for short in [1, 2] {
        assert_eq!(
            mistakes(standard(settings().timeout(short * SECOND))),
            [format!(
                "the function of `billing` has a timeout of {short} s, and nothing is started in the last 2 s of an \
                 invocation, which it takes to settle and to answer: set 3 s or more"
            )]
        );
    }
}

#[test]
fn a_batch_of_more_than_ten_needs_a_window_of_a_second() {
    assert_eq!(mistakes(standard(settings().batch(10))), [""; 0]);
    assert_eq!(mistakes(standard(settings().batch(11).window(SECOND))), [""; 0]);
    assert_eq!(
        mistakes(standard(settings().batch(11))),
        [
            "the function of `billing` has a batch of 11 and a window of 0 s: Lambda takes more than 10 \
             messages only with a window of 1 s or more, so set `.window(..)` or a batch of 10"
        ]
    );
}

#[test]
fn messages_are_hidden_for_six_timeouts_and_the_window() {
    let hidden = |time| standard(settings().timeout(10 * SECOND).window(5 * SECOND)).visibility_timeout(time);
    assert_eq!(mistakes(hidden(65 * SECOND)), [""; 0]);
    assert_eq!(
        mistakes(hidden(64 * SECOND)),
        [
            "the function of `billing` has a timeout of 10 s and a window of 5 s, so its messages must be \
             hidden for 6 times the one and the other besides: set `.visibility_timeout(..)` to 65 s or \
             more, it is 64 s"
        ]
    );
}

#[test]
fn a_fifo_function_has_receives_for_every_failure_ahead_of_a_message() {
    let receives = |count| fifo(settings().batch(5).attempts(4)).max_receives(count);
    assert_eq!(mistakes(receives(20)), [""; 0]);
    assert_eq!(
        mistakes(receives(19)),
        [
            "the function of `ledger` takes 5 messages at a time from a FIFO queue and tries each 4 times, \
             and all are received whenever the first one fails: set `.max_receives(..)` to 20 or more (it \
             is 19), or a smaller batch, or fewer attempts"
        ]
    );
    // On a standard queue each message is counted by itself.
    assert_eq!(
        mistakes(standard(settings().batch(5).attempts(4)).max_receives(1)),
        [""; 0]
    );
    assert_eq!(
        mistakes(fifo(settings().attempts(0))),
        ["the function of `ledger` has 0 attempts: set 1 or more"]
    );
}

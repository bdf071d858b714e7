//! `topology show` shows what the application is made of.

use std::time::Duration;

use fanfare::{App, Command as CommandTrait, Delivery, Event, Failure, Handled, Producer, Router};
use fanfare_cli::{Application, Command, CommandError, Topology};
use serde::{Deserialize, Serialize};

macro_rules! event {
    ($name:ident, $ty:literal, $topic:literal) => {
        #[derive(Serialize, Deserialize)]
        struct $name {}

        impl Event for $name {
            const TYPE: &'static str = $ty;
            const TOPIC: &'static str = $topic;
        }
    };
}

event!(OrderPlaced, "order.placed", "orders");
event!(PaymentCharged, "payment.charged", "payments");
event!(PaymentFailed, "payment.failed", "payments");
event!(LedgerPosted, "ledger.posted", "ledger.fifo");

#[derive(Serialize, Deserialize)]
struct RefundPayment {}

impl CommandTrait for RefundPayment {
    const TYPE: &'static str = "RefundPayment";
    const CONSUMER: &'static str = "payment";
}

async fn nothing<E>(_: Delivery<E>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

fn app() -> App {
    App::new("shop")
        .producer(Producer::new("checkout").emits::<OrderPlaced>())
        .consumer(
            Router::new("payment")
                .on::<OrderPlaced>(nothing)
                .emits::<PaymentCharged>()
                .emits::<PaymentFailed>()
                .on_command::<RefundPayment>(nothing),
        )
        .consumer(
            Router::new("bookkeeping")
                .on::<LedgerPosted>(nothing)
                .max_receives(20)
                .visibility_timeout(Duration::from_secs(60)),
        )
}

/// On a runtime that has no network and no timers.
fn show(app: App, json: bool) -> Result<String, CommandError> {
    let application = Application::new(app);
    let mut out = Vec::new();
    let shown = Command::Topology(Topology::Show { json }).run(&application, &mut out);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(shown)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn the_table_has_what_each_consumer_takes_and_emits_and_its_queue() {
    let expected = "\
consumer      takes                              emits                           queue
payment       order.placed (from orders)         payment.charged (to payments)   shop-payment: 30 s hidden, 5 receives, kept 96 h
                                                 payment.failed (to payments)
              RefundPayment (command)
bookkeeping   ledger.posted (from ledger.fifo)                                   shop-bookkeeping.fifo: 60 s hidden, 20 receives, kept 96 h

producer   emits
checkout   order.placed (to orders)
";
    assert_eq!(show(app(), false).unwrap(), expected);
}

#[test]
fn as_json_it_is_all_that_infrastructure_is_made_from() {
    let json: serde_json::Value = serde_json::from_str(&show(app(), true).unwrap()).unwrap();
    let subscription = &json["consumers"][0]["subscriptions"][0];
    assert_eq!(
        subscription["filter_policy"],
        serde_json::json!({ "type": ["order.placed"] })
    );
    assert_eq!(json["consumers"][1]["fifo"], true);
}

#[test]
fn a_mistake_in_the_wiring_is_an_error_that_names_it() {
    let app = app().consumer(Router::new("payment").on::<OrderPlaced>(nothing));
    let error = show(app, false).unwrap_err();
    assert!(matches!(error, CommandError::Wiring(_)));
    assert!(
        error.to_string().contains("two consumers are called `payment`"),
        "{error}"
    );
}

#[test]
fn nothing_is_removed_without_a_yes_and_without_asking_the_network() {
    let application = Application::new(app());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut out = Vec::new();
    let removed = runtime.block_on(Command::Remove { yes: false }.run(&application, &mut out));
    let error = removed.unwrap_err();
    assert!(error.to_string().contains("`shop`"), "{error}");
    assert!(error.to_string().ends_with("say so with --yes"), "{error}");
}

#[test]
fn it_is_part_of_the_binarys_own_command_line() {
    use clap::Parser;

    #[derive(Debug, Parser)]
    enum Cli {
        Dev,
        #[command(flatten)]
        Fanfare(Command),
    }

    let parse = |words: &[&str]| Cli::try_parse_from(words);
    assert!(matches!(parse(&["shop", "dev"]), Ok(Cli::Dev)));
    let Ok(Cli::Fanfare(command)) = parse(&["shop", "topology", "show", "--json"]) else {
        panic!("not the library's command");
    };
    assert_eq!(command, Command::Topology(Topology::Show { json: true }));
    assert!(parse(&["shop", "topology"]).is_err());
    let Ok(Cli::Fanfare(command)) = parse(&["shop", "provision", "--update", "--dry-run"]) else {
        panic!("not the library's command");
    };
    let (update, dry_run) = (true, true);
    assert_eq!(command, Command::Provision { update, dry_run });
}

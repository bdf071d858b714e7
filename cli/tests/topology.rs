//! What the commands of `topology` refuse, and how they are part of a binary's own command line.

#[allow(dead_code, reason = "each test uses its part")]
mod common;

use common::{OrderPlaced, PaymentCharged, app, nothing, printed};
use fanfare::{App, Router};
use fanfare_cli::{Application, Command, CommandError, Topology};

fn show(app: App, json: bool) -> Result<String, CommandError> {
    printed(app, Topology::Show { json })
}

#[test]
fn as_json_it_is_all_that_infrastructure_is_made_from() {
    let json: serde_json::Value = serde_json::from_str(&show(app(), true).unwrap()).unwrap();
    let subscription = &json["consumers"][0]["subscriptions"][0];
    assert_eq!(
        subscription["filter_policy"],
        serde_json::json!({ "type": ["order.placed"] })
    );
    assert_eq!(json["consumers"][3]["fifo"], true);
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
fn what_could_not_be_deployed_is_refused_by_each_command_with_all_of_it() {
    let silent = || {
        App::new("shop")
            .consumer(Router::new("email").on::<PaymentCharged>(nothing))
            .encryption_key("alias/aws/sqs")
    };
    for command in [
        Topology::Show { json: true },
        Topology::Validate,
        Topology::Mermaid,
        Topology::Svg,
    ] {
        let error = printed(silent(), command).unwrap_err().to_string();
        assert!(error.contains("`alias/aws/sqs` is managed by AWS"), "{error}");
        assert!(error.contains("nobody publishes to `payments`"), "{error}");
    }
    let application = Application::new(silent());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let provision = Command::Provision {
        update: false,
        dry_run: true,
    };
    let mut out = Vec::new();
    let refused = runtime.block_on(provision.run(&application, &mut out));
    assert!(matches!(refused, Err(CommandError::Wiring(_))), "{refused:?}");
    assert!(out.is_empty());
}

#[test]
fn what_is_strange_is_told_by_validate_and_refused_by_nobody() {
    let untaken = App::new("shop").producer(fanfare::Producer::new("checkout").emits::<OrderPlaced>());
    assert_eq!(
        printed(untaken, Topology::Validate).unwrap(),
        "warning: `checkout` emits `order.placed` to `orders`, and nobody here takes it\n\
         0 consumers, 1 topics, 1 producers: nothing is refused, 1 warnings\n"
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
    let Ok(Cli::Fanfare(command)) = parse(&[
        "shop",
        "topology",
        "cost",
        "--events-per-second",
        "5",
        "--body",
        "900",
    ]) else {
        panic!("not the library's command");
    };
    let cost = Topology::Cost {
        events_per_second: 5,
        body: 900,
        handler_ms: 20,
    };
    assert_eq!(command, Command::Topology(cost));
    for (events, body) in [("0", "900"), ("5", "0"), ("5", "262145")] {
        let words = [
            "shop",
            "topology",
            "cost",
            "--events-per-second",
            events,
            "--body",
            body,
        ];
        assert!(parse(&words).is_err());
    }
    let Ok(Cli::Fanfare(command)) = parse(&["shop", "provision", "--update", "--dry-run"]) else {
        panic!("not the library's command");
    };
    let (update, dry_run) = (true, true);
    assert_eq!(command, Command::Provision { update, dry_run });
}

//! Each output of `topology` is as committed in `tests/golden`. After a change that is meant:
//! `FANFARE_GOLDEN=write cargo test -p fanfare-cli --all-features --test golden`, and look at the difference.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "each test uses its part")]
mod common;

use std::path::Path;

use common::{app, printed};
use fanfare_cli::Topology;

fn holds(file: &str, command: Topology) {
    let printed = printed(app(), command).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    if std::env::var("FANFARE_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, &printed).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == printed,
        "{} is other than what is printed: see the head of this test for how it is written anew\n{printed}",
        path.display()
    );
}

#[test]
fn show() {
    holds("show.txt", Topology::Show { json: false });
}

#[test]
fn show_as_json() {
    holds("show.json", Topology::Show { json: true });
}

#[test]
fn validate() {
    holds("validate.txt", Topology::Validate);
}

#[test]
fn mermaid() {
    holds("flow.mmd", Topology::Mermaid);
}

#[test]
fn svg() {
    holds("flow.svg", Topology::Svg);
}

#[test]
fn cost() {
    let command = Topology::Cost {
        events_per_second: 10,
        body: 2_000,
        handler_ms: 20,
    };
    holds("cost.txt", command);
}

#[test]
fn asyncapi() {
    holds("asyncapi.json", Topology::Asyncapi);
}

#[test]
fn schemas() {
    let (check, write) = (None, None);
    holds("schemas.json", Topology::Schemas { check, write });
}

//! `infra/shop.yaml` is what the command makes.

use std::path::Path;
use std::process::Command;

const COMMAND: &str = "SHOP_FUNCTIONS=payment,relay cargo run -- topology cloudformation > infra/shop.yaml";

fn made(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_shop"))
        .args(["topology", "cloudformation"])
        .args(arguments)
        .env("SHOP_FUNCTIONS", "payment,relay")
        .env_remove("SHOP_VISIBILITY_TIMEOUT")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_template_is_as_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/shop.yaml");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let made = made(&[]);
    let different = made
        .lines()
        .zip(committed.lines().chain(std::iter::repeat("")))
        .enumerate()
        .find(|(_, (made, committed))| made != committed);
    assert!(
        made == committed,
        "infra/shop.yaml is stale: make it again by\n\n    {COMMAND}\n\nThe first line that differs: {different:?}"
    );
}

#[test]
fn it_is_the_same_each_time() {
    assert_eq!(made(&[]), made(&[]));
}

#[test]
fn without_scaling_it_is_the_same_but_for_how_many_tasks_there_are() {
    let (scaled, fixed) = (made(&[]), made(&["--without-scaling"]));
    let scaling = "AWS::ApplicationAutoScaling::";
    assert!(scaled.contains(scaling) && scaled.contains("EmailTasksMax:"));
    assert!(!fixed.contains(scaling) && !fixed.contains("EmailTasksMax:"));
    // What serves no queue has nothing to scale by.
    let counts = |template: &str| template.matches("DesiredCount:\n").count();
    assert_eq!((counts(&scaled), counts(&fixed)), (1, 9));
}

#[test]
fn a_variable_is_given_to_every_function_and_task() {
    let template = made(&["--json", "--env", "AWS_ENDPOINT_URL=http://127.0.0.1:4566"]);
    let template: serde_json::Value = serde_json::from_str(&template).unwrap();
    for (id, function) in crate::of(&template, "AWS::Lambda::Function") {
        let variables = &function["Environment"]["Variables"];
        assert_eq!(variables["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566", "{id}");
    }
    for (id, task) in crate::of(&template, "AWS::ECS::TaskDefinition") {
        let variable = &task["ContainerDefinitions"][0]["Environment"][0];
        assert_eq!(variable["Value"], "http://127.0.0.1:4566", "{id}");
    }
}

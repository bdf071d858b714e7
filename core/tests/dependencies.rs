//! The contract brings next to nothing along.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates in the contract's dependency tree down to this depth, without features.
fn crates(depth: &str) -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "tree",
            "--offline",
            "--package",
            "fanfare",
            "--no-default-features",
        ])
        .args(["--edges", "normal", "--prefix", "none", "--depth", depth])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let tree = String::from_utf8(output.stdout)?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    Ok(names
        .filter(|name| *name != "fanfare")
        .map(str::to_owned)
        .collect())
}

#[test]
fn without_features_there_is_a_handful_of_direct_dependencies_and_no_network_stack() {
    let direct = crates("1").unwrap();
    assert!((1..=12).contains(&direct.len()), "{direct:?}");
    let all = crates("99").unwrap();
    assert!(
        (direct.len()..=45).contains(&all.len()),
        "{} crates: {all:?}",
        all.len()
    );
    for name in &all {
        for stack in ["aws-", "hyper", "http", "rustls", "reqwest", "mio", "socket2"] {
            assert!(!name.starts_with(stack), "{name}");
        }
    }
}

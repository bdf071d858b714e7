//! The simulated shop under many seeds, and the proof that a seed replays.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use fanfare_tests::simulation::{Report, Simulation};

/// How many seeds the normal run takes; `FANFARE_SEEDS` sets another number:
/// `FANFARE_SEEDS=10000 cargo test -p fanfare-tests --test simulation seeds`. One takes some 2 s of a core in a debug build.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

/// The seeds of one half; the halves are two tests, for two threads.
fn half(half: u64) -> impl Iterator<Item = u64> {
    (0..number("FANFARE_SEEDS").unwrap_or(SEEDS)).filter(move |seed| seed % 2 == half)
}

fn audit(seeds: impl Iterator<Item = u64>, simulation: impl Fn(u64) -> Simulation) {
    let failed: Vec<Report> = seeds
        .map(|seed| {
            simulation(seed)
                .run()
                .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"))
        })
        .filter(|report| !report.problems.is_empty())
        .collect();
    for report in &failed {
        println!("{report}\n");
    }
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
}

#[test]
fn every_audit_is_exact_for_even_seeds() {
    audit(half(0), Simulation::seeded);
}

#[test]
fn every_audit_is_exact_for_odd_seeds() {
    audit(half(1), Simulation::seeded);
}

/// A fifth of the seeds, for a run with functions takes no less.
#[test]
fn every_audit_is_exact_with_consumers_as_functions() {
    let seeds = 0..number("FANFARE_SEEDS").unwrap_or(SEEDS) / 5;
    audit(seeds, |seed| Simulation::seeded(seed).with_functions());
}

/// `FANFARE_SEED` says which one, `FANFARE_FUNCTIONS` that some consumers are functions, `FANFARE_TRACE` where
/// to write its calls, `FANFARE_LOG` what of its log to print (`warn`, `fanfare=debug`).
#[test]
fn one_seed() {
    let seed = number("FANFARE_SEED").unwrap_or(1);
    let simulation = match number("FANFARE_FUNCTIONS").unwrap_or(0) {
        0 => Simulation::seeded(seed),
        _ => Simulation::seeded(seed).with_functions(),
    };
    let run = || simulation.run().unwrap();
    let report = match std::env::var("FANFARE_LOG") {
        Ok(filter) => {
            let log = tracing_subscriber::fmt().with_env_filter(filter).finish();
            tracing::subscriber::with_default(log, run)
        }
        Err(_) => run(),
    };
    println!("{report}");
    if let Ok(path) = std::env::var("FANFARE_TRACE") {
        std::fs::write(path, report.trace.join("\n")).unwrap();
    }
    assert!(report.problems.is_empty(), "seed {seed} failed");
}

fn trace_in_a_process_of_its_own(seed: u64, functions: bool, path: &Path) -> Vec<u8> {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_seed"])
        .env("FANFARE_SEED", seed.to_string())
        .env("FANFARE_FUNCTIONS", u8::from(functions).to_string())
        .env("FANFARE_TRACE", path)
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    std::fs::read(path).unwrap()
}

#[test]
fn a_seed_makes_the_same_calls_in_two_processes() {
    let folder = tempfile::tempdir().unwrap();
    let mut traces = Vec::new();
    for (seed, functions) in [(1, false), (2, false), (3, false), (1, true), (2, true)] {
        let first = trace_in_a_process_of_its_own(seed, functions, &folder.path().join("first"));
        let second = trace_in_a_process_of_its_own(seed, functions, &folder.path().join("second"));
        let lines = first.split(|byte| *byte == b'\n').count();
        assert!(lines > 300, "only {lines} calls under seed {seed}");
        let differs = first
            .split(|byte| *byte == b'\n')
            .zip(second.split(|byte| *byte == b'\n'))
            .position(|(first, second)| first != second);
        assert!(
            first == second,
            "seed {seed} differs from call {differs:?} on, of {lines}"
        );
        traces.push(first);
    }
    traces.dedup();
    assert_eq!(traces.len(), 5, "other seeds make other calls");
}

#[test]
fn a_run_meets_every_kind_of_fault() {
    let mut injected = std::collections::BTreeMap::new();
    let (mut kills, mut redriven, mut overlaps) = (0, 0, 0);
    for seed in 0..20 {
        let report = Simulation::seeded(seed).run().unwrap();
        for (fault, count) in report.injected {
            *injected.entry(fault).or_insert(0) += count;
        }
        kills += report.kills;
        redriven += report.redriven;
        overlaps += report.overlaps;
    }
    println!("{kills} kills, {redriven} redriven, {overlaps} overlaps, {injected:?}");
    for fault in fanfare::fault::Fault::ALL {
        assert!(
            injected.contains_key(fault.name()),
            "no {} in twenty seeds",
            fault.name()
        );
    }
    assert!(kills > 20, "{kills} kills");
    assert!(
        redriven > 0 && overlaps > 0,
        "{redriven} redriven, {overlaps} overlaps"
    );
}

#[test]
fn nothing_is_redriven_or_killed_on_a_calm_day() {
    let report = Simulation::seeded(1).calm().run().unwrap();
    assert!(report.problems.is_empty(), "{report}");
    assert_eq!((report.kills, report.redriven), (0, 0), "{report}");
    assert!(report.injected.is_empty(), "{report}");
}

#[test]
fn functions_are_invoked_killed_and_cut_off_and_their_consumers_are_served_by_nobody_else() {
    let (mut invocations, mut kills) = (0, 0);
    let mut injected = std::collections::BTreeMap::new();
    for seed in 0..20 {
        let report = Simulation::seeded(seed).with_functions().run().unwrap();
        assert!(report.problems.is_empty(), "{report}");
        assert!(report.invocations > 0, "{report}");
        let traced = |of: &str| report.trace.iter().filter(|line| line.starts_with(of)).count();
        assert!(traced("lambda lambda.Invoke") > 0, "{report}");
        assert_eq!(
            traced("lambda sqs.ReceiveMessage"),
            0,
            "mappings receive, and functions don't"
        );
        for line in report
            .trace
            .iter()
            .filter(|line| line.starts_with("lambda lambda.Invoke"))
        {
            if let Some(fault) = line.split(' ').nth(3) {
                *injected.entry(fault.to_owned()).or_insert(0) += 1;
            }
        }
        invocations += report.invocations;
        kills += report.kills;
    }
    println!("{invocations} invocations, {kills} kills, {injected:?}");
    for fault in ["lose_request", "lose_reply", "delay_reply", "throttle", "kill"] {
        assert!(
            injected.contains_key(fault),
            "no {fault} to an invocation in twenty seeds: {injected:?}"
        );
    }
}

#[test]
fn functions_on_a_calm_day_do_all_without_a_retry() {
    let report = Simulation::seeded(1).with_functions().calm().run().unwrap();
    assert!(report.problems.is_empty(), "{report}");
    assert_eq!((report.kills, report.redriven), (0, 0), "{report}");
}

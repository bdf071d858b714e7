//! All consumers, one after the other, several times; the best round of each counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::Who;
use crate::consumed::Consumed;
use crate::server::{self, Server};

struct Round {
    consumed: Consumed,
    requests: u64,
}

pub async fn run(messages: u64, rounds: u32) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut best: BTreeMap<&str, Round> = BTreeMap::new();
    let mut peers = vec![
        ("worker", Who::Worker),
        ("plain loop", Who::Loop),
        ("ruststream", Who::Ruststream),
    ];
    if Path::new(SQS_CONSUMER).join("node_modules").is_dir() {
        peers.push(("sqs-consumer", Who::SqsConsumer));
    } else {
        println!("sqs-consumer is left out: run `npm ci` in tests/bench/sqs-consumer first");
    }
    for round in 1..=rounds {
        for (name, who) in &peers {
            let this = one(&server, *who, messages)
                .await
                .with_context(|| format!("{name}, round {round}"))?;
            let better = |best: &Round| this.consumed.cpu_seconds < best.consumed.cpu_seconds;
            if best.get(name).is_none_or(better) {
                best.insert(name, this);
            }
        }
    }
    let per = |round: &Round| round.consumed.cpu_seconds * 1e6 / round.consumed.messages as f64;
    let base = best.get("plain loop").map_or(1.0, per);
    println!(
        "{:14} {:>10} {:>12} {:>18} {:>14} {:>12}",
        "", "messages/s", "CPU us each", "per core, to loop", "requests each", "resident MB"
    );
    for (name, _) in &peers {
        let Some(round) = best.get(name) else { continue };
        println!(
            "{name:14} {:>10.0} {:>12.1} {:>17.0}% {:>14.3} {:>12.1}",
            round.consumed.messages as f64 / round.consumed.seconds,
            per(round),
            100.0 * base / per(round),
            round.requests as f64 / round.consumed.messages as f64,
            round.consumed.resident_mb,
        );
    }
    Ok(())
}

const SQS_CONSUMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sqs-consumer");

async fn one(server: &Server, who: Who, messages: u64) -> anyhow::Result<Round> {
    server.fill(messages)?;
    let before = server.requests();
    let mut command = match who {
        Who::SqsConsumer => {
            let mut node = Command::new("node");
            node.arg("consume.mjs").current_dir(SQS_CONSUMER);
            node.args([
                &server.endpoint,
                &server::queue_url(&server.endpoint),
                &messages.to_string(),
            ]);
            node
        }
        _ => {
            let mut own = Command::new(std::env::current_exe()?);
            let name = match who {
                Who::Worker => "worker",
                Who::Loop => "loop",
                _ => "ruststream",
            };
            own.args(["consume", name, "--endpoint", &server.endpoint]);
            own.args(["--messages", &messages.to_string()]);
            own
        }
    };
    let ended = command
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .output()
        .await?;
    ensure!(ended.status.success(), "it ended with {}", ended.status);
    let left = server.left()?;
    ensure!(left == 0, "{left} messages are left in the queue");
    Ok(Round {
        consumed: serde_json::from_slice(&ended.stdout).context("it said nothing of itself")?,
        requests: server.requests() - before,
    })
}

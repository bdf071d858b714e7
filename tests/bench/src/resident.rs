//! The worker's memory while it goes on and on.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;

use crate::server::Server;

/// How many messages lie in the queue at a time.
const PART: u64 = 20_000;

pub async fn run(messages: u64) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut own = Command::new(std::env::current_exe()?)
        .args(["consume", "worker", "--endpoint", &server.endpoint])
        .args(["--messages", &messages.to_string()])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let status = format!("/proc/{}/status", own.id().context("it ended at once")?);
    let mut sent = 0;
    let mut next = 0;
    while sent < messages {
        let part = PART.min(messages - sent);
        server.fill(part)?;
        sent += part;
        while server.left()? > 2_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if sent >= next {
            next += messages / 10;
            println!("{sent:>9} messages: {:.1} MB resident", resident(&status)?);
        }
    }
    own.wait().await?;
    Ok(())
}

fn resident(status: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(status).context("the worker has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.context("no VmRSS")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

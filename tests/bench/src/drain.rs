//! How long a worker takes to go when it is told to.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_types::SdkConfig;
use fanfare::{App, Delivery, Failure, Handled, Router};
use fanfare_worker::{Worker, shutdown_signal};
use tokio::process::Command;

use crate::order::OrderPlaced;
use crate::server::{QUEUE, Server};

const IN_FLIGHT: u64 = 64;

/// Handlers take 5 s: with 64 in hand, a drain waits for them and gives back what was not begun.
pub async fn run() -> anyhow::Result<()> {
    let server = Server::start().await?;
    server.fill(IN_FLIGHT)?;
    let mut slow = Command::new(std::env::current_exe()?)
        .args(["slow", "--endpoint", &server.endpoint])
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    while server.broker().counts(QUEUE)?.in_flight < IN_FLIGHT as usize {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = slow.id().context("it ended at once")?.to_string();
    let told = Instant::now();
    Command::new("kill").args(["-TERM", &id]).status().await?;
    let ended = slow.wait().await?;
    let took = told.elapsed();
    ensure!(ended.success(), "it ended with {ended}");
    let counts = server.broker().counts(QUEUE)?;
    println!(
        "SIGTERM with {IN_FLIGHT} in flight (5 s each): gone after {:.2} s; left in flight {}, to be received {}",
        took.as_secs_f64(),
        counts.in_flight,
        counts.visible
    );
    Ok(())
}

/// The worker that is told to go.
pub async fn slow(config: &SdkConfig) -> anyhow::Result<()> {
    async fn sleep(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(Handled::Applied)
    }
    let app = App::new("bench").consumer(Router::new("orders").on::<OrderPlaced>(sleep));
    let topology = app.topology()?;
    for service in app.services()? {
        let worker = Worker::connect(config, &topology, service).await?;
        worker.serve(shutdown_signal()).await?;
    }
    Ok(())
}

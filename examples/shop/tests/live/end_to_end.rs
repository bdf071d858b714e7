//! All of it, by the binary as people run it.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::crew::Running;
use crate::stage::{Stage, report, said};

const ORDERS: usize = 100;

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn dev_on_aws_ends_with_an_exact_audit_and_again_adds_nothing() -> anyhow::Result<()> {
    let stage = Stage::empty().await?;
    let file = stage.orders(0..ORDERS)?.display().to_string();
    let words = ["--orders", &file, "--stock", "192", "--json"];
    let dev = [&["dev", "--aws"], &words[..]].concat();
    for run in 1..=2 {
        let output = stage.run(&dev).await?;
        ensure!(output.status.success(), "run {run}: {}", said(&output));
        let report = report(&output)?;
        assert_eq!(
            (&report["orders"], &report["terminal"]),
            (&ORDERS.into(), &ORDERS.into())
        );
        assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()));
        assert_eq!(report["emails"]["sent"], ORDERS);
        let charged = report["consumers"]["payment"]["applied"].as_u64();
        ensure!(charged > Some(ORDERS as u64), "some were refunded: {report}");
    }
    // What it left is what the processes work on.
    let output = stage.run(&[&["audit"], &words[..]].concat()).await?;
    ensure!(output.status.success(), "{}", said(&output));
    assert_eq!(report(&output)?["orders"], ORDERS);
    Ok(())
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn an_order_over_http_is_shipped_by_separate_processes_and_sigterm_drains_them() -> anyhow::Result<()> {
    let stage = Stage::provisioned().await?;
    let worker = Running::start(&stage, &["worker", "--all", "--poll", "2"]).await?;
    let relay = Running::start(&stage, &["relay"]).await?;
    let mut api = Running::start(&stage, &["api", "--listen", "127.0.0.1:0"]).await?;
    let ready = api.line("ready").await?;
    let address = ready
        .split("listens=")
        .nth(1)
        .context("the address")?
        .trim()
        .to_owned();

    let body =
        r#"{"order_id":"by-http","customer_id":"1","placed_on":"1997-01-01","quantity":1,"total_cents":100}"#;
    let post = format!(
        "POST /orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&address, &post).await?;
    ensure!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let since = Instant::now();
    loop {
        let get = "GET /orders/by-http HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
        let answer = ask(&address, get).await?;
        if answer.contains(r#""status":"shipped""#) {
            break;
        }
        ensure!(since.elapsed() < Duration::from_secs(60), "not shipped: {answer}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let output = stage.run(&["audit"]).await?;
    ensure!(output.status.success(), "{}", said(&output));
    for process in [api, relay, worker] {
        let lines = process.stop().await?;
        ensure!(lines.iter().any(|line| line.contains("drained")), "{lines:?}");
        ensure!(
            !lines.iter().any(|line| line.contains("by-http")),
            "no payload: {lines:?}"
        );
    }
    Ok(())
}

async fn ask(address: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn orders_are_placed_once_however_often_they_are_placed() -> anyhow::Result<()> {
    let stage = Stage::provisioned().await?;
    let file = stage.orders(0..20)?.display().to_string();
    for (run, expected) in [
        "20 orders placed, 0 were there already",
        "0 orders placed, 20 were there already",
    ]
    .into_iter()
    .enumerate()
    {
        let output = stage.run(&["place", "--orders", &file]).await?;
        ensure!(output.status.success(), "run {run}: {}", said(&output));
        ensure!(said(&output).contains(expected), "run {run}: {}", said(&output));
    }
    Ok(())
}

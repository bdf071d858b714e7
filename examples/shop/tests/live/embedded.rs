//! The processes against `fanfare-local` inside the test's own process: what needs no local AWS beside it.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::crew::Running;
use crate::stage::{Stage, output, report, said, succeeded};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_placed_once_and_the_audit_fails_until_workers_have_handled_them() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let file = stage.orders(0..10)?.display().to_string();
    for expected in [
        "10 orders placed, 0 were there already, 0 rejected",
        "0 orders placed, 10 were there already, 0 rejected",
    ] {
        let output = stage.run(&["place", "--orders", &file]).await?;
        succeeded(&output)?;
        ensure!(said(&output).contains(expected), "{}", said(&output));
    }

    let audit = ["audit", "--orders", &file, "--stock", "192", "--json"];
    let early = stage.run(&[&audit[..], &["--now"]].concat()).await?;
    assert_eq!(early.status.code(), Some(1), "{}", said(&early));
    let lost = report(&early)?;
    assert_eq!(
        (&lost["orders"], &lost["terminal"], &lost["doubled"]),
        (&10.into(), &0.into(), &0.into())
    );
    ensure!(lost["lost"].as_u64() > Some(0), "{lost}");

    let worker = Running::start(&stage, &["worker", "--all", "--poll", "1", "--stock", "192"]).await?;
    let late = stage.run(&audit).await?;
    succeeded(&late)?;
    let exact = report(&late)?;
    assert_eq!(
        (&exact["terminal"], &exact["lost"], &exact["doubled"]),
        (&10.into(), &0.into(), &0.into())
    );
    assert_eq!(
        exact["consumers"]["payment"]["duplicates"],
        serde_json::Value::Null,
        "it can't know"
    );
    let lines = worker.stop().await?;
    let drained = lines.iter().filter(|line| line.contains("drained"));
    assert_eq!(drained.count(), shop::CONSUMERS.len(), "{lines:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_thousand_of_the_bundled_orders_are_placed_where_no_file_is_given() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let output = stage.run(&["place"]).await?;
    ensure!(
        said(&output).contains("1000 orders placed, 0 were"),
        "{}",
        said(&output)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_table_or_a_queue_a_worker_says_to_provision() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    let before = stage.run(&["worker", "payment"]).await?;
    assert_eq!(before.status.code(), Some(1));
    ensure!(
        said(&before).contains("shop-fanfare") && said(&before).contains("shop provision"),
        "{}",
        said(&before)
    );
    stage.provision().await?;
    let sqs = aws_sdk_sqs::Client::new(stage.aws.config());
    let url = sqs.get_queue_url().queue_name("shop-payment").send().await?;
    sqs.delete_queue().set_queue_url(url.queue_url).send().await?;
    let after = stage.run(&["worker", "shipping", "payment"]).await?;
    assert_eq!(after.status.code(), Some(1));
    ensure!(
        said(&after).contains("shop-payment") && said(&after).contains("shop provision"),
        "{}",
        said(&after)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_consumers_in_one_process_answer_health_checks_each() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let words = ["worker", "payment", "shipping", "--poll", "1", "--health", "0"];
    let mut worker = Running::start(&stage, &words).await?;
    for line in worker.some_lines("health checks address=0.0.0.0:", 2).await? {
        let (_, port) = line.rsplit_once(':').context("a port")?;
        let port = port.trim();
        let mut stream = TcpStream::connect(("127.0.0.1", port.parse::<u16>()?)).await?;
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    worker.stop().await?;
    Ok(())
}

#[tokio::test]
async fn where_nobody_answers_it_is_said_which_call_got_no_answer_and_where() -> anyhow::Result<()> {
    let stage = Stage::embedded().await?;
    // A port that was free just now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let endpoint = format!("http://127.0.0.1:{port}");
    for words in [
        &["dev", "--aws"][..],
        &["worker", "payment"],
        &["relay"],
        &["audit"],
    ] {
        let mut command = stage.shop(words);
        command.env("AWS_ENDPOINT_URL", &endpoint);
        let output = output(command).await?;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        ensure!(
            said.contains("sts:GetCallerIdentity") && said.contains(&endpoint),
            "{words:?}: {said}"
        );
    }
    let mut command = stage.shop(&["worker", "payment"]);
    command.env_remove("AWS_REGION");
    let said = said(&output(command).await?);
    said.contains("AWS_REGION").then_some(()).with_context(|| said)
}

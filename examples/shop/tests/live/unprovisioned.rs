//! What is said where the shop isn't.

use anyhow::ensure;

use crate::stage::{Stage, said};

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn a_process_in_an_empty_account_says_to_provision() -> anyhow::Result<()> {
    let stage = Stage::empty().await?;
    for words in [
        &["worker", "payment"][..],
        &["relay"],
        &["api", "--listen", "127.0.0.1:0"],
        &["place"],
        &["audit"],
    ] {
        let output = stage.run(words).await?;
        let said = said(&output);
        ensure!(output.status.code() == Some(1), "{words:?}: {said}");
        ensure!(said.contains("shop provision"), "{words:?}: {said}");
        ensure!(said.contains("shop-fanfare"), "{words:?}: {said}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs local AWS: localstack/up"]
async fn a_worker_whose_queue_is_not_there_names_it() -> anyhow::Result<()> {
    let stage = Stage::provisioned().await?;
    let sqs = aws_sdk_sqs::Client::new(stage.aws.config());
    let url = sqs.get_queue_url().queue_name("shop-payment").send().await?;
    sqs.delete_queue().set_queue_url(url.queue_url).send().await?;
    let output = stage.run(&["worker", "shipping", "payment"]).await?;
    let said = said(&output);
    ensure!(output.status.code() == Some(1), "{said}");
    ensure!(
        said.contains("shop provision") && said.contains("shop-payment"),
        "{said}"
    );
    Ok(())
}

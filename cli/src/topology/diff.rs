//! `topology diff`: what is deployed, against what the code says.

use std::io::Write;

use aws_config::SdkConfig;
use fanfare::Topology;
use fanfare::table::Table;

use crate::{CommandError, infra};

pub(crate) async fn diff(
    config: &SdkConfig,
    topology: &Topology,
    tables: &[Table],
    ignore: Vec<String>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let (caller, mut deployment) = infra::deployment(config, topology, tables).await?;
    for prefix in ignore {
        deployment = deployment.ignore(prefix);
    }
    writeln!(out, "{} in {}", caller.arn(), caller.account().region())?;
    let drift = deployment.diff().await?;
    writeln!(out, "{drift}")?;
    match drift.is_none() {
        true => Ok(()),
        false => Err(CommandError::Drift),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fanfare::table::Key;
    use fanfare::{App, Router};
    use fanfare_local::Local;

    use super::*;

    async fn run(local: &Local, ignore: &[&str]) -> (Result<(), CommandError>, String) {
        let topology = App::new("shop")
            .consumer(Router::new("payment"))
            .topology()
            .unwrap();
        let table = Table::new("shop-ledger", Key::text("order_id"));
        let mut out = Vec::new();
        let ignore = ignore.iter().map(|prefix| (*prefix).to_owned()).collect();
        let ended = diff(&local.sdk_config(), &topology, &[table], ignore, &mut out).await;
        (ended, String::from_utf8(out).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_differs_has_a_line_each_below_who_looks_and_where_and_is_an_error() {
        let local = Local::new().unwrap();
        let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
        for queue in ["shop-payment-dlq", "shop-old", "shop-admin-mails", "other"] {
            sqs.create_queue().queue_name(queue).send().await.unwrap();
        }
        let (ended, text) = run(&local, &["shop-admin-"]).await;
        let error = ended.unwrap_err();
        assert!(matches!(error, CommandError::Drift), "{error}");
        let arn = "arn:aws:sqs:us-east-1:000000000000:shop-payment";
        let policy = fanfare::topology::queue_policy(&format!("{arn}-dlq"), &[]);
        let expected = format!(
            "\
arn:aws:iam::000000000000:root in us-east-1
changed   queue shop-payment-dlq: MessageRetentionPeriod is 345600, should be 1209600
changed   queue shop-payment-dlq: Policy is not set, should be {policy}
changed   queue shop-payment-dlq: RedriveAllowPolicy is not set, should be \
{{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"{arn}\"]}}
added     queue shop-payment
added     table shop-ledger
removed   queue shop-old
2 added and not deployed, 1 removed and still deployed, 1 changed, 0 as the code says
"
        );
        assert_eq!(text, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_as_the_code_says_is_no_error() {
        let local = Local::new().unwrap();
        let config = local.sdk_config();
        let topology = App::new("shop")
            .consumer(Router::new("payment"))
            .topology()
            .unwrap();
        let table = Table::new("shop-ledger", Key::text("order_id"));
        let (_, deployment) = infra::deployment(&config, &topology, &[table]).await.unwrap();
        deployment.provision().await.unwrap();
        let (ended, text) = run(&local, &[]).await;
        ended.unwrap();
        assert!(
            text.ends_with(
                "\n0 added and not deployed, 0 removed and still deployed, 0 changed, 3 as the code says\n"
            ),
            "{text}"
        );
    }
}

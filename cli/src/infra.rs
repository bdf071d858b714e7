//! `provision` and `remove`.

use std::io::Write;

use aws_config::{BehaviorVersion, SdkConfig};
use fanfare::Topology;
use fanfare::table::Table;
use fanfare_infra::{Deployment, caller};

use crate::CommandError;

/// What is to be done in the account.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Provision { update: bool, dry_run: bool },
    Remove,
}

/// The AWS environment: variables, profiles, roles.
pub(crate) async fn config() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
}

pub(crate) async fn run(
    config: &SdkConfig,
    topology: &Topology,
    tables: &[Table],
    deed: Deed,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let caller = caller(config).await?;
    let mut deployment = Deployment::new(config, &caller, topology);
    for table in tables {
        deployment = deployment.table(table.clone());
    }
    let report = match deed {
        Deed::Provision {
            update,
            dry_run: true,
        } => deployment.update(update).plan().await?,
        Deed::Provision { update, .. } => deployment.update(update).provision().await?,
        Deed::Remove => deployment.remove().await?,
    };
    writeln!(out, "{} in {}", caller.arn(), caller.account().region())?;
    writeln!(out, "{report}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fanfare::table::Key;
    use fanfare::{App, Router};
    use fanfare_local::Local;

    use super::*;

    const PROVISION: Deed = Deed::Provision {
        update: false,
        dry_run: false,
    };
    const DRY_RUN: Deed = Deed::Provision {
        update: false,
        dry_run: true,
    };

    async fn run(local: &Local, deed: Deed) -> Result<String, CommandError> {
        let topology = App::new("shop").consumer(Router::new("payment")).topology()?;
        let tables = [Table::new("shop-ledger", Key::text("order_id"))];
        let mut out = Vec::new();
        super::run(&local.sdk_config(), &topology, &tables, deed, &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_thing_has_a_line_below_who_did_it_and_where() {
        let local = Local::new().unwrap();
        let planned = "\
arn:aws:iam::000000000000:root in us-east-1
to make   queue shop-payment-dlq
to make   queue shop-payment
to make   table shop-ledger
3 to make, 0 to change, 0 there already
";
        assert_eq!(run(&local, DRY_RUN).await.unwrap(), planned);
        assert!(local.broker().queues().is_empty());

        let made = planned.replace("to make  ", "made     ");
        let made = made.replace("3 to make, 0 to change,", "3 made, 0 changed,");
        assert_eq!(run(&local, PROVISION).await.unwrap(), made);
        let again = run(&local, PROVISION).await.unwrap();
        assert!(again.ends_with("0 made, 0 changed, 3 there already\n"), "{again}");

        let removed = "\
arn:aws:iam::000000000000:root in us-east-1
deleted   queue shop-payment
deleted   queue shop-payment-dlq
deleted   table shop-ledger
3 deleted, 0 not there
";
        assert_eq!(run(&local, Deed::Remove).await.unwrap(), removed);
        assert!(local.broker().queues().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_otherwise_is_an_error_that_names_all_of_it() {
        let local = Local::new().unwrap();
        run(&local, PROVISION).await.unwrap();
        let mut settings = local.broker().queue_settings("shop-payment").unwrap();
        settings.visibility_timeout = std::time::Duration::from_secs(60);
        settings.receive_wait = std::time::Duration::ZERO;
        local.broker().set_queue("shop-payment", settings).unwrap();
        let expected = "\
there with other settings, and nothing was done:
  queue shop-payment: ReceiveMessageWaitTimeSeconds is 0, should be 20
  queue shop-payment: VisibilityTimeout is 60, should be 30
An update (`provision --update`) sets what can be changed.";
        assert_eq!(run(&local, PROVISION).await.unwrap_err().to_string(), expected);
    }
}

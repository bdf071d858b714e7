//! `provision` and `remove`.

use std::io::Write;

use aws_config::{BehaviorVersion, SdkConfig};
use fanfare::Topology;
use fanfare::table::Table;
use fanfare_infra::{Caller, Deployment, Step, caller};

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

/// Who calls, and what is to be in the account.
pub(crate) async fn deployment(
    config: &SdkConfig,
    topology: &Topology,
    tables: &[Table],
) -> Result<(Caller, Deployment), CommandError> {
    let caller = caller(config).await?;
    let deployment = Deployment::new(config, &caller, topology);
    let deployment = tables.iter().cloned().fold(deployment, Deployment::table);
    Ok((caller, deployment))
}

pub(crate) async fn run(
    config: &SdkConfig,
    topology: &Topology,
    tables: &[Table],
    deed: Deed,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let (caller, deployment) = deployment(config, topology, tables).await?;
    writeln!(out, "{} in {}", caller.arn(), caller.account().region())?;
    // What was done is told also when it ends with an error; output that can't be written stops nothing.
    let mut written = Ok(());
    let tell = |step: &Step| {
        if written.is_ok() {
            written = writeln!(out, "{step}").and_then(|()| out.flush());
        }
    };
    let text = match deed {
        Deed::Provision {
            update,
            dry_run: true,
        } => deployment.update(update).plan().await?.to_string(),
        Deed::Provision { update, .. } => {
            let deployment = deployment.update(update);
            deployment.provision_telling(tell).await?.summary()
        }
        Deed::Remove => deployment.remove_telling(tell).await?.summary(),
    };
    written?;
    writeln!(out, "{text}")?;
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
        let mut out = Vec::new();
        run_to(&local.sdk_config(), ledger(), deed, &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn ledger() -> Table {
        Table::new("shop-ledger", Key::text("order_id"))
    }

    async fn run_to(
        config: &SdkConfig,
        table: Table,
        deed: Deed,
        out: &mut impl Write,
    ) -> Result<(), CommandError> {
        let topology = App::new("shop").consumer(Router::new("payment")).topology()?;
        super::run(config, &topology, &[table], deed, out).await
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
        let made = made.replace("made      table", "begun     table shop-ledger\nmade      table");
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

    #[tokio::test(start_paused = true)]
    async fn what_was_done_is_told_also_when_it_ends_with_an_error() {
        let local = Local::new().unwrap();
        let mut out = Vec::new();
        let nameless = ledger().expiry("");
        let result = run_to(&local.sdk_config(), nameless, PROVISION, &mut out).await;
        let error = result.unwrap_err().to_string();
        assert!(
            error.starts_with("dynamodb:UpdateTimeToLive on `shop-ledger`"),
            "{error}"
        );
        let told = "\
arn:aws:iam::000000000000:root in us-east-1
made      queue shop-payment-dlq
made      queue shop-payment
begun     table shop-ledger
";
        assert_eq!(String::from_utf8(out).unwrap(), told);
    }

    #[tokio::test(start_paused = true)]
    async fn a_removal_on_aws_says_that_it_waits() {
        let local = Local::new().unwrap();
        run(&local, PROVISION).await.unwrap();
        let config = local.sdk_config().into_builder();
        let config = config.endpoint_url("https://us-east-1.amazonaws.com").build();
        let mut out = Vec::new();
        run_to(&config, ledger(), Deed::Remove, &mut out).await.unwrap();
        let out = String::from_utf8(out).unwrap();
        let end = "\nwaiting   60 s until the queues' names are free\n3 deleted, 0 not there\n";
        assert!(out.ends_with(end), "{out}");
    }

    /// Takes one line and no more.
    struct Closed(bool);

    impl Write for Closed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            self.0 = bytes.ends_with(b"\n");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn output_that_can_t_be_written_is_an_error_and_stops_nothing() {
        let local = Local::new().unwrap();
        let config = local.sdk_config();
        let result = run_to(&config, ledger(), PROVISION, &mut Closed(false)).await;
        assert!(matches!(result, Err(CommandError::Output(_))), "{result:?}");
        let again = run(&local, PROVISION).await.unwrap();
        assert!(again.ends_with("0 made, 0 changed, 3 there already\n"), "{again}");
    }
}

//! What tables need besides: recovery, waiting, and DynamoDB's own refusals of what is done already.

use fanfare::App;
use fanfare::table::{Key, Stream, Table};
use fanfare_infra::{InfraError, Outcome};
use fanfare_local::Local;
use serde_json::json;

use crate::tap::{Deed, Tap};
use crate::world::{OrderPlaced, contents, differing, nothing, of, outcomes};

fn books() -> Table {
    Table::new("shop-books", Key::text("account")).point_in_time_recovery()
}

async fn deployment(config: &aws_types::SdkConfig, table: Table) -> fanfare_infra::Deployment {
    of(config, &App::new("shop").topology().unwrap(), &[table]).await
}

fn recovery(status: &str) -> Deed {
    let recovery = json!({"PointInTimeRecoveryStatus": status});
    let backups = json!({"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery});
    Deed::Answer(json!({"ContinuousBackupsDescription": backups}).to_string())
}

#[tokio::test(start_paused = true)]
async fn recovery_is_left_out_with_a_word_where_dynamodb_doesn_t_have_it() {
    let local = Local::new().unwrap();
    let deployment = deployment(&local.sdk_config(), books()).await;
    let report = deployment.provision().await.unwrap();
    assert_eq!(outcomes(&report, &Outcome::Made), ["table shop-books"]);
    let note = "Table shop-books is without point-in-time recovery: this DynamoDB doesn't have it.";
    assert_eq!(report.notes(), [note]);
    assert!(deployment.provision().await.unwrap().is_unchanged());
}

#[tokio::test(start_paused = true)]
async fn recovery_is_switched_on_where_dynamodb_has_it() {
    let local = Local::new().unwrap();
    let on = "dynamodb:UpdateContinuousBackups";
    let tap = Tap::default()
        .next("dynamodb:DescribeContinuousBackups", [recovery("DISABLED")])
        .always("dynamodb:DescribeContinuousBackups", recovery("ENABLED"))
        .always(on, recovery("ENABLED"));
    let deployment = deployment(&tap.on(local.sdk_config()), books()).await;
    let report = deployment.provision().await.unwrap();
    assert!(report.notes().is_empty(), "{report}");
    let switched = |tap: &Tap| tap.calls().iter().filter(|call| *call == on).count();
    assert_eq!(switched(&tap), 1);
    assert!(deployment.provision().await.unwrap().is_unchanged());
    assert_eq!(switched(&tap), 1);

    let tap = Tap::default().always("dynamodb:DescribeContinuousBackups", recovery("DISABLED"));
    let config = tap.on(local.sdk_config());
    let differences = differing(
        self::deployment(&config, books())
            .await
            .provision()
            .await
            .unwrap_err(),
    );
    let text = "table shop-books: PointInTimeRecovery is DISABLED, should be ENABLED";
    assert_eq!(differences[0].to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_was_lost_may_be_refused_at_its_repetition() {
    let table = || fanfare_store::table("shop-fanfare").stream(Stream::NewImage);
    let reference = Local::new().unwrap();
    deployment(&reference.sdk_config(), table())
        .await
        .provision()
        .await
        .unwrap();

    let lost = |call: &str| {
        // AWS refuses to switch on what is on; the table inside the process doesn't.
        Tap::default().next(call, [Deed::LoseReply, Deed::Refuse("ValidationException")])
    };
    let local = Local::new().unwrap();
    let config = lost("dynamodb:UpdateTimeToLive").on(local.sdk_config());
    deployment(&config, table()).await.provision().await.unwrap();
    assert_eq!(contents(&local).await, contents(&reference).await);

    let local = Local::new().unwrap();
    let config = local.sdk_config();
    let without = fanfare_store::table("shop-fanfare");
    deployment(&config, without).await.provision().await.unwrap();
    let config = lost("dynamodb:UpdateTable").on(config);
    deployment(&config, table())
        .await
        .update(true)
        .provision()
        .await
        .unwrap();
    assert_eq!(contents(&local).await, contents(&reference).await);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_changed_nothing_is_an_error() {
    let local = Local::new().unwrap();
    let refusal = Deed::Refuse("ValidationException");
    let tap = Tap::default().always("dynamodb:UpdateTimeToLive", refusal);
    let table = fanfare_store::table("shop-fanfare");
    let error = deployment(&tap.on(local.sdk_config()), table.clone())
        .await
        .provision()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("dynamodb:UpdateTimeToLive on `shop-fanfare`"),
        "{error}"
    );
    // The table waits to be finished, and the next run does so without being told to update.
    let report = deployment(&local.sdk_config(), table)
        .await
        .provision()
        .await
        .unwrap();
    assert_eq!(outcomes(&report, &Outcome::Made), ["table shop-fanfare"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_isn_t_ready_is_waited_for_and_given_up_at_last() {
    let local = Local::new().unwrap();
    let table = Table::new("shop-books", Key::text("account"));
    let key = json!([{"AttributeName": "account", "KeyType": "HASH"}]);
    let creating = json!({"Table": {"TableName": "shop-books", "TableStatus": "CREATING", "KeySchema": key}});
    let creating = Deed::Answer(creating.to_string());
    let describe = "dynamodb:DescribeTable";
    let tap = Tap::default().next(describe, vec![creating.clone(); 10]);
    let since = tokio::time::Instant::now();
    deployment(&tap.on(local.sdk_config()), table.clone())
        .await
        .provision()
        .await
        .unwrap();
    assert!(since.elapsed().as_secs() >= 20);

    let tap = Tap::default().always(describe, creating);
    let error = deployment(&tap.on(local.sdk_config()), table)
        .await
        .provision()
        .await
        .unwrap_err();
    assert!(matches!(error, InfraError::NotReady { .. }), "{error:?}");
    let text = "table shop-books is not ready after 300s: look at it, and run this again";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn what_aws_would_refuse_is_refused_before_anything_is_done() {
    let local = Local::new().unwrap();
    let config = local.sdk_config();
    let taking = |name: String| fanfare::Router::new(name).on::<OrderPlaced>(nothing);
    let app = App::new("a".repeat(35))
        .consumer(taking("b".repeat(33)))
        .consumer(taking("c".repeat(32)));
    let tables = [
        Table::new("tw", Key::text("id")),
        Table::new("with space", Key::text("id")),
        Table::new("shop.books", Key::text("id")),
        Table::new("shop.books", Key::text("id")),
    ];
    let error = of(&config, &app.topology().unwrap(), &tables)
        .await
        .provision()
        .await
        .unwrap_err();
    let InfraError::Limits { problems } = &error else {
        panic!("{error}");
    };
    // Behind the queue's name comes `-undelivered`.
    let long = format!(
        "queue {}-{}-undelivered: a name has 1 to 80",
        "a".repeat(35),
        "b".repeat(33)
    );
    assert!(problems[0].starts_with(&long), "{problems:?}");
    assert!(
        problems[1].starts_with("table tw: a name has 3 to 255"),
        "{problems:?}"
    );
    assert!(
        problems[2].starts_with("table with space: a name"),
        "{problems:?}"
    );
    assert_eq!(problems[3], "table shop.books: it is described twice");
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(local.broker().queues().is_empty());
}

#[tokio::test(start_paused = true)]
async fn consumers_whose_queues_would_have_one_name_are_refused() {
    let local = Local::new().unwrap();
    let app = App::new("shop")
        .consumer(fanfare::Router::new("payment").on::<OrderPlaced>(nothing))
        .consumer(fanfare::Router::new("payment-dlq"))
        .consumer(fanfare::Router::new("payment-undelivered"));
    let topology = app.topology().unwrap();
    let deployment = of(&local.sdk_config(), &topology, &[]).await;
    let error = deployment.provision().await.unwrap_err();
    let text = "out of AWS's limits, and nothing was done:
  queue shop-payment-dlq: it would be both the queue of dead letters of `payment` and the queue of consumer \
                `payment-dlq`; rename one of the consumers
  queue shop-payment-undelivered: it would be both the queue of what can't be delivered to `payment` and the queue \
                of consumer `payment-undelivered`; rename one of the consumers";
    assert_eq!(error.to_string(), text);
    assert!(local.broker().queues().is_empty());
}

//! Tables that are just being made or changed, by DynamoDB or by somebody else.

use std::time::Duration;

use fanfare::App;
use fanfare::table::{Key, Stream, Table};
use fanfare_infra::{Deployment, InfraError, Outcome};
use fanfare_local::Local;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::tap::{Deed, Tap};
use crate::world::{differing, of, outcomes};

const DESCRIBE: &str = "dynamodb:DescribeTable";
const RECOVERY: &str = "dynamodb:DescribeContinuousBackups";
const RECOVER: &str = "dynamodb:UpdateContinuousBackups";
const UNTAG: &str = "dynamodb:UntagResource";
const EXPIRE: &str = "dynamodb:UpdateTimeToLive";

fn store() -> Table {
    fanfare_store::table("shop-fanfare")
}

fn books() -> Table {
    Table::new("shop-books", Key::text("account")).point_in_time_recovery()
}

async fn deployment(local: &Local, tap: &Tap, table: Table) -> Deployment {
    let config = tap.on(local.sdk_config());
    of(&config, &App::new("shop").topology().unwrap(), &[table]).await
}

/// An account with the store's table.
async fn with_store() -> Local {
    let local = Local::new().unwrap();
    let deployment = deployment(&local, &Tap::default(), store()).await;
    deployment.provision().await.unwrap();
    local
}

fn recovery(status: &str) -> Deed {
    let recovery = json!({"PointInTimeRecoveryStatus": status});
    let backups = json!({"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery});
    Deed::Answer(json!({"ContinuousBackupsDescription": backups}).to_string())
}

#[tokio::test(start_paused = true)]
async fn the_backups_of_a_new_table_are_waited_for_and_the_tag_goes_when_they_are_on() {
    let unavailable = Deed::Refuse("ContinuousBackupsUnavailableException");
    let tap = Tap::default()
        .next(RECOVER, vec![unavailable; 20])
        .always(RECOVER, recovery("ENABLED"))
        .next(RECOVERY, vec![recovery("DISABLED"); 4])
        .always(RECOVERY, recovery("ENABLED"));
    let local = Local::new().unwrap();
    let since = Instant::now();
    let report = deployment(&local, &tap, books()).await.provision().await.unwrap();
    assert_eq!(outcomes(&report, &Outcome::Made), ["table shop-books"]);
    assert!(report.notes().is_empty(), "{report}");
    assert!(since.elapsed() >= Duration::from_secs(46));
    let calls = tap.calls();
    let asked = calls.iter().rposition(|call| call == RECOVER).unwrap();
    let seen: Vec<_> = calls[asked + 1..].iter().map(String::as_str).collect();
    assert_eq!(seen, [RECOVERY, RECOVERY, RECOVERY, RECOVERY, UNTAG]);
}

#[tokio::test(start_paused = true)]
async fn backups_that_never_come_are_given_up_and_the_table_stays_unfinished() {
    let unavailable = Deed::Refuse("ContinuousBackupsUnavailableException");
    let never_available = Tap::default()
        .always(RECOVER, unavailable)
        .always(RECOVERY, recovery("DISABLED"));
    let never_on = Tap::default()
        .always(RECOVER, recovery("ENABLED"))
        .always(RECOVERY, recovery("DISABLED"));
    for (tap, reason) in [
        (never_available, "ContinuousBackupsUnavailableException"),
        (
            never_on,
            "point-in-time recovery of table shop-books is not on after 300s",
        ),
    ] {
        let local = Local::new().unwrap();
        let since = Instant::now();
        let deployment = deployment(&local, &tap, books()).await;
        let error = deployment.provision().await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(since.elapsed() >= Duration::from_secs(300), "{reason}");
        assert_eq!(tap.count(UNTAG), 0, "{reason}");
    }
}

fn index_status(answer: &mut Value, status: &str) {
    answer["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] = status.into();
}

#[tokio::test(start_paused = true)]
async fn an_index_that_is_being_made_is_waited_for() {
    let local = with_store().await;
    let creating = Deed::Alter(|answer| index_status(answer, "CREATING"));
    let tap = Tap::default().next(DESCRIBE, vec![creating; 5]);
    let since = Instant::now();
    let report = deployment(&local, &tap, store()).await.provision().await.unwrap();
    assert!(report.is_unchanged(), "{report}");
    assert!(since.elapsed() >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_index_that_is_being_deleted_isn_t_there() {
    let local = with_store().await;
    let deleting = Deed::Alter(|answer| index_status(answer, "DELETING"));
    let tap = Tap::default().next(DESCRIBE, [deleting]);
    let error = deployment(&local, &tap, store())
        .await
        .provision()
        .await
        .unwrap_err();
    let difference = differing(error).remove(0).to_string();
    let text = "table shop-fanfare: index pending is not set, should be shard (S), due (N), keys alone";
    assert_eq!(difference, text);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_holds_some_attributes_doesn_t_hold_all() {
    let local = Local::new().unwrap();
    let mut wide = store();
    wide.indexes[0].keys_only = false;
    let made = deployment(&local, &Tap::default(), wide.clone()).await;
    made.provision().await.unwrap();
    assert!(made.provision().await.unwrap().is_unchanged());
    let some = Deed::Alter(|answer| {
        answer["Table"]["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"] = "INCLUDE".into();
    });
    let tap = Tap::default().always(DESCRIBE, some);
    let error = deployment(&local, &tap, wide)
        .await
        .provision()
        .await
        .unwrap_err();
    let difference = differing(error).remove(0).to_string();
    let text =
        "table shop-fanfare: index pending is shard (S), due (N), INCLUDE, should be shard (S), due (N); ";
    assert!(difference.starts_with(text), "{difference}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_somebody_makes_otherwise_meanwhile_gets_no_expiry() {
    let other_key = Table::new("shop-fanfare", Key::text("id")).expiry("expires_at");
    let other_expiry = store().expiry("gone_at");
    for (other, setting) in [(other_key, "KeySchema"), (other_expiry, "TimeToLive")] {
        let local = Local::new().unwrap();
        let theirs = deployment(&local, &Tap::default(), other).await;
        theirs.provision().await.unwrap();
        // It wasn't there yet when it was looked at.
        let tap = Tap::default().next(DESCRIBE, [Deed::Refuse("ResourceNotFoundException")]);
        let error = deployment(&local, &tap, store())
            .await
            .provision()
            .await
            .unwrap_err();
        let InfraError::Overtaken { differences } = &error else {
            panic!("{error}");
        };
        assert_eq!(differences[0].setting, setting);
        let text =
            "made with other settings by somebody else meanwhile, and left as it is:\n  table shop-fanfare: ";
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!((tap.count("dynamodb:CreateTable"), tap.count(EXPIRE)), (1, 0));
        assert_eq!(tap.count(UNTAG), 0);
        assert!(theirs.provision().await.unwrap().is_unchanged());
    }
}

#[tokio::test(start_paused = true)]
async fn the_tag_is_read_before_what_it_stands_for_and_on_every_page() {
    let local = with_store().await;
    let tap = Tap::default();
    deployment(&local, &tap, store()).await.provision().await.unwrap();
    let calls = tap.calls();
    let at = |name: &str| calls.iter().position(|call| call == name).unwrap();
    assert!(
        at("dynamodb:ListTagsOfResource") < at("dynamodb:DescribeTimeToLive"),
        "{calls:?}"
    );

    let off =
        Deed::Alter(|answer| *answer = json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}));
    let page = |page: Value| Deed::Answer(page.to_string());
    let first = page(json!({"Tags": [{"Key": "team", "Value": "shop"}], "NextToken": "more"}));
    let second = page(json!({"Tags": [{"Key": "fanfare:unfinished", "Value": "true"}]}));
    let tap = Tap::default()
        .next("dynamodb:DescribeTimeToLive", [off])
        .next("dynamodb:ListTagsOfResource", [first, second]);
    let report = deployment(&local, &tap, store()).await.provision().await.unwrap();
    assert_eq!(outcomes(&report, &Outcome::Made), ["table shop-fanfare"]);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_is_being_switched_off_is_named_with_when_to_come_again() {
    let local = with_store().await;
    let disabling =
        Deed::Alter(|answer| answer["TimeToLiveDescription"]["TimeToLiveStatus"] = "DISABLING".into());
    let tap = Tap::default().always("dynamodb:DescribeTimeToLive", disabling);
    let deployment = deployment(&local, &tap, store()).await.update(true);
    let difference = differing(deployment.provision().await.unwrap_err())
        .remove(0)
        .to_string();
    let text = "table shop-fanfare: TimeToLive is just being switched off, should be expires_at; this can't be \
                changed: run this again an hour later";
    assert_eq!(difference, text);
    assert_eq!(tap.count(EXPIRE), 0);
}

/// The store's table without a stream, and a deployment that gives it one.
async fn streaming(tap: &Tap) -> Deployment {
    let local = with_store().await;
    deployment(&local, tap, store().stream(Stream::NewImage))
        .await
        .update(true)
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_for_others_changes_to_end() {
    let in_use = Deed::Refuse("ResourceInUseException");
    let tap = Tap::default().next("dynamodb:UpdateTable", vec![in_use.clone(); 5]);
    let since = Instant::now();
    streaming(&tap).await.provision().await.unwrap();
    assert_eq!(tap.count("dynamodb:UpdateTable"), 6);
    assert!(since.elapsed() >= Duration::from_secs(10));

    let tap = Tap::default().always("dynamodb:UpdateTable", in_use);
    let error = streaming(&tap).await.provision().await.unwrap_err();
    assert!(
        error.to_string().contains("failed: ResourceInUseException: "),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_is_waited_for_until_it_is_to_be_seen() {
    let unseen = Deed::Alter(|answer| answer["Table"]["StreamSpecification"] = Value::Null);
    let deeds = [vec![Deed::Make; 2], vec![unseen; 5]].concat();
    let tap = Tap::default().next(DESCRIBE, deeds);
    let since = Instant::now();
    streaming(&tap).await.provision().await.unwrap();
    assert!(since.elapsed() >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_is_told_of_also_when_the_table_never_gets_ready() {
    let creating = Deed::Alter(|answer| answer["Table"]["TableStatus"] = "CREATING".into());
    let deeds = [vec![Deed::Make; 2], vec![creating; 1000]].concat();
    let refusal = Deed::Refuse("ValidationException");
    let tap = Tap::default()
        .next(DESCRIBE, deeds)
        .always("dynamodb:UpdateTable", refusal);
    let error = streaming(&tap).await.provision().await.unwrap_err();
    let text = "dynamodb:UpdateTable on `shop-fanfare`";
    assert!(error.to_string().starts_with(text), "{error}");
}

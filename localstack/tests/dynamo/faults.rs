use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use fanfare::fault::{Fault, FaultPlan, Life};
use fanfare_local::Dynamo;
use tokio::time::{Instant, timeout};

use crate::{Item, create_table, get, item, key, memory, put, put_any, text, with_table};

/// Nothing but this fault, always.
fn only(fault: Fault) -> FaultPlan {
    FaultPlan::seeded(1).rates(0.0).rate(fault, 1.0)
}

/// The tables, a client without faults, and one under the plan whose errors aren't retried.
async fn under(plan: FaultPlan) -> (Dynamo, Client, Client) {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    let faulty = dynamo.clone().with_faults(plan);
    let faulty = Client::from_conf(
        faulty
            .config(&Life::default())
            .retry_config(RetryConfig::disabled())
            .build(),
    );
    (dynamo, client, faulty)
}

/// Polls it once.
async fn is_pending(call: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *call).poll(context).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_has_no_effect_and_looks_like_no_answer() {
    let (_, client, faulty) = under(only(Fault::LoseRequest)).await;
    let error = faulty
        .put_item()
        .table_name("things")
        .set_item(Some(key("a", "1")))
        .send()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()),
        "{error:?}"
    );
    assert_eq!(get(&client, "a", "1").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_has_its_effect_and_looks_the_same() {
    let (_, client, faulty) = under(only(Fault::LoseReply)).await;
    let error = faulty
        .put_item()
        .table_name("things")
        .set_item(Some(key("a", "1")))
        .send()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()),
        "{error:?}"
    );
    assert!(get(&client, "a", "1").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_sdk_tries_again_after_a_lost_reply_and_the_token_makes_that_harmless() {
    let dynamo = memory();
    create_table(&dynamo.client(&Life::default())).await;
    let plan = only(Fault::LoseReply);
    let faulty = dynamo.clone().with_faults(plan.clone()).client(&Life::default());
    let write = faulty
        .transact_write_items()
        .transact_items(crate::put_new(item("a", "1", &[])));
    tokio::spawn(async move {
        while plan.injected().get("lose_reply") != Some(&2) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        plan.stop();
    });
    // Made anew, the condition would fail.
    write.send().await.unwrap();
    assert_eq!(dynamo.calls()["TransactWriteItems"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_reply_comes_late() {
    let (_, client, faulty) = under(only(Fault::DelayReply)).await;
    let start = Instant::now();
    for sk in ["1", "2", "3"] {
        put(&faulty, item("a", sk, &[])).await;
    }
    assert!(
        start.elapsed() > Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    assert!(get(&client, "a", "3").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_has_no_effect_and_the_code_of_one_of_dynamodbs_throttles() {
    let (dynamo, client, faulty) = under(only(Fault::Throttle)).await;
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let error = faulty
            .put_item()
            .table_name("things")
            .set_item(Some(key("a", "1")))
            .send()
            .await
            .unwrap_err();
        codes.insert(error.into_service_error().code().unwrap().to_owned());
        let error = faulty
            .transact_write_items()
            .transact_items(put_any(key("a", "1")))
            .transact_items(put_any(key("a", "2")))
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        if let TransactWriteItemsError::TransactionCanceledException(cancelled) = &error {
            let reasons = cancelled.cancellation_reasons().iter();
            codes.extend(reasons.map(|reason| format!("reason {}", reason.code().unwrap())));
        }
        codes.insert(error.code().unwrap().to_owned());
    }
    assert_eq!(
        codes.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "ThrottlingException",
            "TransactionCanceledException",
            "reason None",
            "reason ThrottlingError",
        ]
    );
    assert_eq!(get(&client, "a", "1").await, None);
    assert_eq!(dynamo.calls().get("PutItem"), None);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_retried_by_the_sdk() {
    let dynamo = memory();
    create_table(&dynamo.client(&Life::default())).await;
    let plan = only(Fault::Throttle);
    let faulty = dynamo.with_faults(plan.clone()).client(&Life::default());
    let error = faulty
        .put_item()
        .table_name("things")
        .set_item(Some(key("a", "1")))
        .send()
        .await;
    assert!(error.is_err());
    assert_eq!(plan.injected()["throttle"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_cancels_a_transaction_for_one_of_its_entries() {
    let (_, client, faulty) = under(only(Fault::Conflict)).await;
    let mut hit = [0; 3];
    for _ in 0..30 {
        let error = faulty
            .transact_write_items()
            .transact_items(put_any(key("a", "1")))
            .transact_items(put_any(key("a", "2")))
            .transact_items(put_any(key("a", "3")))
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
            panic!("{error:?}")
        };
        let codes: Vec<_> = cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap())
            .collect();
        let at = codes
            .iter()
            .position(|code| *code == "TransactionConflict")
            .unwrap();
        assert_eq!(
            codes.iter().filter(|code| **code == "None").count(),
            2,
            "{codes:?}"
        );
        hit[at] += 1;
    }
    assert!(hit.iter().all(|times| *times > 0), "{hit:?}");
    assert_eq!(get(&client, "a", "1").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_refuses_a_single_write() {
    let (_, client, faulty) = under(only(Fault::Conflict)).await;
    let error = faulty
        .put_item()
        .table_name("things")
        .set_item(Some(key("a", "1")))
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_transaction_conflict_exception());
    let error = faulty
        .delete_item()
        .table_name("things")
        .set_key(Some(key("a", "1")))
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_transaction_conflict_exception());
    assert_eq!(get(&client, "a", "1").await, None);
    assert_eq!(get(&faulty, "a", "1").await, None);
}

async fn mine(client: &Client) -> Vec<Item> {
    let query = client
        .query()
        .table_name("things")
        .index_name("by_owner")
        .key_condition_expression("#owner = :me")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":me", text("me"));
    let answer = query.send().await.unwrap();
    assert_eq!(answer.count as usize, answer.items().len());
    answer.items.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stale_index_lacks_what_was_written() {
    let (_, client, faulty) = under(only(Fault::StaleRead)).await;
    for n in 0..10 {
        put(&client, item("a", &n.to_string(), &[("owner", text("me"))])).await;
    }
    let seen = mine(&faulty).await.len();
    assert!(seen < 10, "{seen}");
    assert_eq!(mine(&client).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_stale_index_holds_what_was_deleted() {
    let plan = FaultPlan::seeded(1).rates(0.0);
    let (_, client, faulty) = under(plan.clone()).await;
    put(&client, item("a", "1", &[("owner", text("me"))])).await;
    assert_eq!(mine(&faulty).await.len(), 1);
    client
        .delete_item()
        .table_name("things")
        .set_key(Some(key("a", "1")))
        .send()
        .await
        .unwrap();
    let _ = plan.clone().rate(Fault::StaleRead, 1.0);
    assert_eq!(mine(&faulty).await.len(), 1);
    plan.stop();
    assert_eq!(mine(&faulty).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_table_itself_is_never_stale() {
    let (_, client, faulty) = under(only(Fault::StaleRead)).await;
    put(&client, item("a", "1", &[])).await;
    let query = faulty
        .query()
        .table_name("things")
        .key_condition_expression("pk = :a");
    let query = query
        .expression_attribute_values(":a", text("a"))
        .send()
        .await
        .unwrap();
    assert_eq!(query.count, 1);
}

#[tokio::test(start_paused = true)]
async fn part_of_a_batch_of_writes_is_left_to_do_and_said_so() {
    let (_, client, faulty) = under(only(Fault::PartialBatch)).await;
    let writes: Vec<_> = (0..10)
        .map(|n| {
            let put = PutRequest::builder()
                .set_item(Some(key("a", &n.to_string())))
                .build()
                .unwrap();
            WriteRequest::builder().put_request(put).build()
        })
        .collect();
    let mut rounds = 0;
    let mut left = Some([("things".to_owned(), writes)].into());
    while let Some(requests) = left.filter(|requests: &std::collections::HashMap<_, _>| !requests.is_empty())
    {
        rounds += 1;
        let sent: usize = requests.values().map(Vec::len).sum();
        let answer = faulty
            .batch_write_item()
            .set_request_items(Some(requests))
            .send()
            .await
            .unwrap();
        let unprocessed: usize = answer
            .unprocessed_items()
            .map(|tables| tables.values().map(Vec::len).sum())
            .unwrap();
        assert!(unprocessed < sent, "a batch of which nothing is done is refused");
        left = answer.unprocessed_items;
    }
    assert!(rounds > 1, "{rounds}");
    for n in 0..10 {
        assert!(get(&client, "a", &n.to_string()).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn part_of_a_batch_of_reads_is_left_to_do_and_said_so() {
    let (_, client, faulty) = under(only(Fault::PartialBatch)).await;
    for n in 0..10 {
        put(&client, key("a", &n.to_string())).await;
    }
    let keys = (0..10).map(|n| key("a", &n.to_string())).collect();
    let wanted = KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .consistent_read(true)
        .build()
        .unwrap();
    let answer = faulty
        .batch_get_item()
        .request_items("things", wanted)
        .send()
        .await
        .unwrap();
    let got = &answer.responses.unwrap()["things"];
    let left = &answer.unprocessed_keys.unwrap()["things"];
    assert_eq!(got.len() + left.keys().len(), 10);
    assert!(!got.is_empty() && !left.keys().is_empty());
    assert_eq!(left.consistent_read(), Some(true));
    assert!(got.iter().all(|item| !left.keys().contains(item)));
}

#[tokio::test(start_paused = true)]
async fn a_killed_hosts_call_never_returns() {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    let (mut done, mut undone) = (0, 0);
    for n in 0..20 {
        let life = Life::new("host");
        let plan = FaultPlan::seeded(n).rates(0.0).rate(Fault::Kill, 1.0);
        let faulty = dynamo.clone().with_faults(plan).client(&life);
        let sk = n.to_string();
        let call = faulty
            .put_item()
            .table_name("things")
            .set_item(Some(key("a", &sk)))
            .send();
        assert!(timeout(Duration::from_secs(3_600), call).await.is_err());
        assert!(life.is_over());
        match get(&client, "a", &sk).await {
            Some(_) => done += 1,
            None => undone += 1,
        }
    }
    assert!(
        done > 0 && undone > 0,
        "killed {done} times after the effect, {undone} times before"
    );
}

#[tokio::test(start_paused = true)]
async fn after_its_life_a_host_changes_nothing_and_hears_nothing_not_even_a_timeout() {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    let life = Life::new("host");
    let host = dynamo.client(&life);
    // Polled, and then killed in mid-call.
    let mut call = Box::pin(
        host.put_item()
            .table_name("things")
            .set_item(Some(key("a", "1")))
            .send(),
    );
    assert!(is_pending(&mut call).await);
    life.kill();
    assert!(timeout(Duration::from_secs(3_600), call).await.is_err());
    // And begun after its end.
    let call = host
        .put_item()
        .table_name("things")
        .set_item(Some(key("a", "2")))
        .send();
    assert!(timeout(Duration::from_secs(3_600), call).await.is_err());
    assert_eq!(
        (get(&client, "a", "1").await, get(&client, "a", "2").await),
        (None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_two_tries_outlives_no_kill() {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    let life = Life::new("host");
    let plan = only(Fault::LoseRequest);
    let host = dynamo.clone().with_faults(plan.clone()).client(&life);
    let mut call = Box::pin(
        host.put_item()
            .table_name("things")
            .set_item(Some(key("a", "1")))
            .send(),
    );
    while plan.injected().is_empty() {
        assert!(is_pending(&mut call).await);
        tokio::task::yield_now().await;
    }
    plan.stop();
    life.kill();
    assert!(timeout(Duration::from_secs(3_600), call).await.is_err());
    assert_eq!(get(&client, "a", "1").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_life_has_its_own_quota_of_retries() {
    let dynamo = memory();
    let lost = |dynamo: Dynamo| async move {
        let plan = only(Fault::LoseRequest);
        let client = dynamo.with_faults(plan.clone()).client(&Life::default());
        for _ in 0..100 {
            client.list_tables().send().await.unwrap_err();
        }
        plan.injected()["lose_request"]
    };
    let first = lost(dynamo.clone()).await;
    assert!(
        first < 300,
        "the SDK makes {first} attempts, and never runs out of its quota"
    );
    assert_eq!(lost(dynamo).await, first);
}

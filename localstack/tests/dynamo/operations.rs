use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, KeysAndAttributes, PutRequest, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, WriteRequest,
};

use crate::{get, item, key, memory, number, put, put_any, put_new, text, with_table};

#[tokio::test(start_paused = true)]
async fn what_is_put_is_got() {
    let client = with_table(&memory()).await;
    let everything = item(
        "a",
        "1",
        &[
            ("text", text("päck \"quoted\" \u{1F4E6}")),
            ("number", number("-12345678901234567890.5")),
            ("bytes", AttributeValue::B(vec![0, 1, 255].into())),
            ("yes", AttributeValue::Bool(true)),
            ("null", AttributeValue::Null(true)),
            ("list", AttributeValue::L(vec![text("x"), number(1)])),
            ("map", AttributeValue::M([("in".to_owned(), text("side"))].into())),
            ("texts", AttributeValue::Ss(vec!["p".into(), "q".into()])),
        ],
    );
    put(&client, everything.clone()).await;
    assert_eq!(get(&client, "a", "1").await, Some(everything));
    assert_eq!(get(&client, "a", "2").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_conditional_update_applies_once() {
    let client = with_table(&memory()).await;
    put(&client, item("a", "1", &[("state", text("open"))])).await;
    let close = || {
        client
            .update_item()
            .table_name("things")
            .set_key(Some(key("a", "1")))
            .update_expression("SET #state = :closed ADD times :one")
            .condition_expression("#state = :open")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":closed", text("closed"))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    let closed = item("a", "1", &[("state", text("closed")), ("times", number(1))]);
    assert_eq!(close().await.unwrap().attributes, Some(closed.clone()));

    let error = close().await.unwrap_err().into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    let aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(failed) =
        error
    else {
        unreachable!()
    };
    assert_eq!(failed.item, Some(closed));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_transaction_tells_each_reason_in_order_and_writes_nothing() {
    let client = with_table(&memory()).await;
    put(&client, item("a", "1", &[("by", text("first"))])).await;
    let missing = ConditionCheck::builder()
        .table_name("things")
        .set_key(Some(key("c", "3")))
        .condition_expression("attribute_exists(pk)")
        .build()
        .unwrap();
    let error = client
        .transact_write_items()
        .transact_items(put_any(item("b", "2", &[])))
        .transact_items(put_new(item("a", "1", &[])))
        .transact_items(TransactWriteItem::builder().condition_check(missing).build())
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = error
    else {
        panic!("{error:?}")
    };
    let codes: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]
    );
    let old: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.item.clone())
        .collect();
    assert_eq!(old, [None, Some(item("a", "1", &[("by", text("first"))])), None]);
    assert_eq!(get(&client, "b", "2").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_puts_updates_deletes_and_checks() {
    let client = with_table(&memory()).await;
    put(&client, item("old", "1", &[])).await;
    put(&client, item("count", "1", &[("n", number(1))])).await;
    let update = Update::builder()
        .table_name("things")
        .set_key(Some(key("count", "1")))
        .update_expression("SET n = n + :one")
        .expression_attribute_values(":one", number(1))
        .build()
        .unwrap();
    let delete = aws_sdk_dynamodb::types::Delete::builder()
        .table_name("things")
        .set_key(Some(key("old", "1")))
        .build()
        .unwrap();
    client
        .transact_write_items()
        .transact_items(put_new(item("new", "1", &[])))
        .transact_items(TransactWriteItem::builder().update(update).build())
        .transact_items(TransactWriteItem::builder().delete(delete).build())
        .send()
        .await
        .unwrap();
    assert!(get(&client, "new", "1").await.is_some());
    assert!(get(&client, "old", "1").await.is_none());
    assert_eq!(get(&client, "count", "1").await.unwrap()["n"], number(2));
}

#[tokio::test(start_paused = true)]
async fn a_query_over_a_megabyte_comes_in_pages() {
    let client = with_table(&memory()).await;
    for n in 0..30 {
        put(
            &client,
            item("a", &format!("{n:02}"), &[("fill", text("x".repeat(100_000)))]),
        )
        .await;
    }
    let query = client
        .query()
        .table_name("things")
        .key_condition_expression("pk = :a")
        .expression_attribute_values(":a", text("a"));
    let first = query.clone().send().await.unwrap();
    assert!(
        first.count < 12 && first.last_evaluated_key.is_some(),
        "{}",
        first.count
    );
    let all: Vec<_> = query
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .unwrap();
    let order: Vec<_> = all
        .iter()
        .map(|item| item["sk"].as_s().unwrap().clone())
        .collect();
    assert_eq!(order, (0..30).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_sparse_index_holds_the_items_that_have_its_key() {
    let client = with_table(&memory()).await;
    put(&client, item("a", "1", &[("owner", text("me"))])).await;
    put(&client, item("b", "2", &[])).await;
    let mine = || async {
        client
            .query()
            .table_name("things")
            .index_name("by_owner")
            .key_condition_expression("#owner = :me")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":me", text("me"))
            .send()
            .await
            .unwrap()
            .items
            .unwrap()
    };
    assert_eq!(mine().await, [item("a", "1", &[("owner", text("me"))])]);
    put(&client, item("a", "1", &[])).await;
    assert_eq!(mine().await, [] as [crate::Item; 0]);
}

#[tokio::test(start_paused = true)]
async fn batches_write_and_get() {
    let client = with_table(&memory()).await;
    let writes: Vec<_> = (0..25)
        .map(|n| {
            let put = PutRequest::builder()
                .set_item(Some(item("a", &n.to_string(), &[])))
                .build()
                .unwrap();
            WriteRequest::builder().put_request(put).build()
        })
        .collect();
    let written = client
        .batch_write_item()
        .request_items("things", writes)
        .send()
        .await
        .unwrap();
    assert!(written.unprocessed_items.unwrap_or_default().is_empty());
    let keys = (0..25).map(|n| key("a", &n.to_string())).collect();
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
    let got = client
        .batch_get_item()
        .request_items("things", wanted)
        .send()
        .await
        .unwrap();
    assert_eq!(got.responses.unwrap()["things"].len(), 25);
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_type_and_message_of_dynamodb() {
    let client = with_table(&memory()).await;
    let missing = client
        .get_item()
        .table_name("nowhere")
        .set_key(Some(key("a", "1")))
        .send()
        .await
        .unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());

    let invalid = client
        .put_item()
        .table_name("things")
        .item("pk", text("a"))
        .send()
        .await
        .unwrap_err();
    let invalid = invalid.into_service_error();
    assert_eq!(invalid.code(), Some("ValidationException"));
    assert_eq!(
        invalid.message(),
        Some("One or more parameter values were invalid: Missing the key sk in the item")
    );

    let number = client
        .put_item()
        .table_name("things")
        .set_item(Some(item("a", "1", &[("n", number("x"))])));
    let number = number.send().await.unwrap_err().into_service_error();
    assert_eq!(number.code(), Some("ValidationException"), "{number:?}");
    let long = "t".repeat(37);
    let long = client
        .transact_write_items()
        .client_request_token(long)
        .transact_items(put_any(item("a", "1", &[])));
    let long = long.send().await.unwrap_err().into_service_error();
    assert_eq!(long.code(), Some("ValidationException"));
    assert!(
        long.message()
            .unwrap()
            .contains("length less than or equal to 36"),
        "{long:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_not_there_is_named_with_those_that_are() {
    let client = memory().client(&fanfare::fault::Life::default());
    let error = client
        .list_backups()
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(error.code(), Some("UnknownOperationException"));
    let message = error.message().unwrap();
    assert!(
        message.contains("\"ListBackups\"") && message.contains("TransactWriteItems"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn partiql_works_too() {
    let client = with_table(&memory()).await;
    put(&client, item("a", "1", &[("owner", text("me"))])).await;
    let found = client
        .execute_statement()
        .statement("SELECT owner FROM things WHERE pk = ? AND sk = ?")
        .parameters(text("a"))
        .parameters(text("1"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        found.items.unwrap(),
        [HashMap::from([("owner".to_owned(), text("me"))])]
    );
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted() {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    put(&client, item("a", "1", &[])).await;
    put(&client, item("a", "2", &[])).await;
    get(&client, "a", "1").await;
    let calls = dynamo.calls();
    assert_eq!(
        (calls["PutItem"], calls["GetItem"], calls.get("Query")),
        (2, 1, None)
    );
}

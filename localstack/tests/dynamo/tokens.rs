use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, Update};

use crate::{get, item, key, memory, number, put_new, with_table};

fn count_up(by: u32) -> TransactWriteItem {
    let update = Update::builder()
        .table_name("things")
        .set_key(Some(key("count", "1")))
        .update_expression("ADD n :by")
        .expression_attribute_values(":by", number(by))
        .build()
        .unwrap();
    TransactWriteItem::builder().update(update).build()
}

async fn count(client: &Client) -> u32 {
    get(client, "count", "1").await.unwrap()["n"]
        .as_n()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_transaction_under_the_same_token_is_made_once() {
    let client = with_table(&memory()).await;
    for _ in 0..3 {
        client
            .transact_write_items()
            .client_request_token("t")
            .transact_items(count_up(1))
            .send()
            .await
            .unwrap();
    }
    // What it reports is not part of what is compared.
    client
        .transact_write_items()
        .client_request_token("t")
        .transact_items(count_up(1))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .unwrap();
    assert_eq!(count(&client).await, 1);
    client
        .transact_write_items()
        .client_request_token("u")
        .transact_items(count_up(1))
        .send()
        .await
        .unwrap();
    assert_eq!(count(&client).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_gets_the_first_answer() {
    let client = with_table(&memory()).await;
    let reported = || {
        client
            .transact_write_items()
            .client_request_token("t")
            .transact_items(count_up(1))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
    };
    let first = reported().await.unwrap().consumed_capacity;
    assert!(first.is_some());
    assert_eq!(reported().await.unwrap().consumed_capacity, first);
}

#[tokio::test(start_paused = true)]
async fn another_transaction_under_the_same_token_is_refused() {
    let client = with_table(&memory()).await;
    client
        .transact_write_items()
        .client_request_token("t")
        .transact_items(count_up(1))
        .send()
        .await
        .unwrap();
    let other = client
        .transact_write_items()
        .client_request_token("t")
        .transact_items(count_up(2))
        .send()
        .await;
    assert!(
        other
            .unwrap_err()
            .into_service_error()
            .is_idempotent_parameter_mismatch_exception()
    );
    assert_eq!(count(&client).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_forgotten_ten_minutes_after_it_was_used_first() {
    let client = with_table(&memory()).await;
    let again = || {
        client
            .transact_write_items()
            .client_request_token("t")
            .transact_items(count_up(1))
            .send()
    };
    again().await.unwrap();
    tokio::time::advance(Duration::from_secs(599)).await;
    again().await.unwrap();
    assert_eq!(count(&client).await, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    again().await.unwrap();
    assert_eq!(count(&client).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_transaction_can_be_tried_again_under_its_token() {
    let client = with_table(&memory()).await;
    client
        .put_item()
        .table_name("things")
        .set_item(Some(item("a", "1", &[])))
        .send()
        .await
        .unwrap();
    let write = || {
        client
            .transact_write_items()
            .client_request_token("t")
            .transact_items(put_new(item("a", "1", &[])))
            .send()
    };
    assert!(
        write()
            .await
            .unwrap_err()
            .into_service_error()
            .is_transaction_canceled_exception()
    );
    client
        .delete_item()
        .table_name("things")
        .set_key(Some(key("a", "1")))
        .send()
        .await
        .unwrap();
    write().await.unwrap();
    assert!(get(&client, "a", "1").await.is_some());
    // And now it is remembered.
    write().await.unwrap();
}

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry,
};

use crate::messages::attribute;
use crate::world::{World, code, refusal, world};

pub(crate) fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder().id(id).message_body(body);
    entry.build().unwrap()
}

fn entries(count: usize) -> Vec<SendMessageBatchRequestEntry> {
    (0..count)
        .map(|n| entry(&format!("id-{n}"), &format!("body {n}")))
        .collect()
}

async fn refused(world: &World, url: &str, entries: Vec<SendMessageBatchRequestEntry>) -> (String, String) {
    let send = world.sqs.send_message_batch().queue_url(url);
    refusal(send.set_entries(Some(entries)).send().await)
}

#[tokio::test(start_paused = true)]
async fn ten_messages_go_in_one_call_each_with_its_result() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let mut all = entries(10);
    all[3].message_attributes = Some([("n".to_owned(), attribute("Number", "3"))].into());
    let send = world
        .sqs
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(all));
    let sent = send.send().await.unwrap();
    assert!(sent.failed().is_empty());
    let ids: Vec<_> = sent.successful().iter().map(|one| one.id()).collect();
    assert_eq!(ids, (0..10).map(|n| format!("id-{n}")).collect::<Vec<_>>());
    let received = world.receive(&url).await;
    let digests: BTreeMap<_, _> = received
        .iter()
        .map(|message| {
            (
                message.message_id(),
                (message.md5_of_body(), message.md5_of_message_attributes()),
            )
        })
        .collect();
    for one in sent.successful() {
        let (body, attributes) = digests[&Some(one.message_id())];
        assert_eq!(body, Some(one.md5_of_message_body()));
        assert_eq!(attributes, one.md5_of_message_attributes());
        assert_eq!(attributes.is_some(), one.id() == "id-3");
    }
}

#[tokio::test(start_paused = true)]
async fn one_entry_can_fail_alone() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let mut all = entries(3);
    all[0].message_body = "\u{0}".into();
    all[2].message_attributes = Some([("n".to_owned(), attribute("Number", "three"))].into());
    let send = world
        .sqs
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(all));
    let sent = send.send().await.unwrap();
    assert_eq!(sent.successful().len(), 1);
    let failed: Vec<_> = sent
        .failed()
        .iter()
        .map(|one| (one.id(), one.code(), one.sender_fault()))
        .collect();
    let expected = [
        ("id-0", "InvalidMessageContents", true),
        ("id-2", "InvalidParameterValue", true),
    ];
    assert_eq!(failed, expected);
    assert_eq!(world.bodies(&url).await, ["body 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_rules_of_a_batch_are_sqss() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let prefix = "AWS.SimpleQueueService.";
    for (batch, expected) in [
        (vec![], "EmptyBatchRequest"),
        (entries(11), "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "x"), entry("a", "y")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "x")], "InvalidBatchEntryId"),
        (vec![entry("", "x")], "InvalidBatchEntryId"),
        (vec![entry(&"x".repeat(81), "x")], "InvalidBatchEntryId"),
    ] {
        assert_eq!(
            refused(&world, &url, batch).await.0,
            format!("{prefix}{expected}")
        );
    }
    assert!(world.receive(&url).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_at_most_one_mebibyte_in_all() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let half = "x".repeat(512 * 1024);
    let fits = vec![entry("a", &half), entry("b", &half)];
    let send = world
        .sqs
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(fits));
    assert_eq!(send.send().await.unwrap().successful().len(), 2);
    let larger = vec![entry("a", &half), entry("b", &half), entry("c", "x")];
    let (code, message) = refused(&world, &url, larger).await;
    assert_eq!(code, "AWS.SimpleQueueService.BatchRequestTooLong");
    assert!(message.contains("You have sent 1048577 bytes"), "{message}");
    let one = vec![entry("a", &"x".repeat(1024 * 1024 + 1))];
    let (code, message) = refused(&world, &url, one).await;
    assert_eq!(code, "AWS.SimpleQueueService.BatchRequestTooLong");
    assert!(message.contains("You have sent 1048577 bytes"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn deletes_go_in_batches_with_a_result_each() {
    let world = world();
    let url = world.queue("q", &[]).await;
    for body in ["a", "b"] {
        world.send(&url, body).await;
    }
    let received = world.receive(&url).await;
    let mut batch: Vec<_> = received
        .iter()
        .map(|message| message.receipt_handle().unwrap().to_owned())
        .collect();
    batch.push("nonsense".into());
    let batch = batch.iter().enumerate().map(|(n, handle)| {
        let entry = DeleteMessageBatchRequestEntry::builder()
            .id(n.to_string())
            .receipt_handle(handle);
        entry.build().unwrap()
    });
    let delete = world
        .sqs
        .delete_message_batch()
        .queue_url(&url)
        .set_entries(Some(batch.collect()));
    let deleted = delete.send().await.unwrap();
    let done: Vec<_> = deleted.successful().iter().map(|one| one.id()).collect();
    assert_eq!(done, ["0", "1"]);
    let failed = &deleted.failed()[0];
    assert_eq!(
        (failed.id(), failed.code(), failed.sender_fault()),
        ("2", "ReceiptHandleIsInvalid", true)
    );
    let empty = world
        .sqs
        .delete_message_batch()
        .queue_url(&url)
        .set_entries(Some(vec![]))
        .send()
        .await;
    assert_eq!(code(empty), "AWS.SimpleQueueService.EmptyBatchRequest");
}

#[tokio::test(start_paused = true)]
async fn visibility_changes_go_in_batches_with_a_result_each() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "10")]).await;
    for body in ["a", "b", "c"] {
        world.send(&url, body).await;
    }
    let received = world.receive(&url).await;
    let delete = world.sqs.delete_message().queue_url(&url);
    delete
        .set_receipt_handle(received[2].receipt_handle.clone())
        .send()
        .await
        .unwrap();
    let change = |n: usize, seconds: i32| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(n.to_string())
            .receipt_handle(received[n].receipt_handle().unwrap())
            .visibility_timeout(seconds)
            .build()
            .unwrap()
    };
    let batch = world.sqs.change_message_visibility_batch().queue_url(&url);
    let batch = batch
        .entries(change(0, 0))
        .entries(change(1, 50_000))
        .entries(change(2, 5));
    let changed = batch.send().await.unwrap();
    assert_eq!(changed.successful().len(), 1);
    let failed: Vec<_> = changed
        .failed()
        .iter()
        .map(|one| (one.id(), one.code()))
        .collect();
    assert_eq!(
        failed,
        [("1", "InvalidParameterValue"), ("2", "InvalidParameterValue")]
    );
    assert_eq!(world.bodies(&url).await, ["a"]);

    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    let late = world
        .sqs
        .change_message_visibility_batch()
        .queue_url(&url)
        .entries(change(1, 5));
    let late = late.send().await.unwrap();
    assert_eq!(
        late.failed()[0].code(),
        "AWS.SimpleQueueService.MessageNotInflight"
    );
}

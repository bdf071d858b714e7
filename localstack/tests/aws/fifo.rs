use std::time::Duration;

use aws_sdk_sqs::types::Message;

use crate::world::{World, code, refusal, system, world};

async fn send(world: &World, url: &str, group: &str, body: &str) -> (String, String) {
    let send = world
        .sqs
        .send_message()
        .queue_url(url)
        .message_body(body)
        .message_group_id(group);
    let sent = send.send().await.unwrap();
    (sent.message_id.unwrap(), sent.sequence_number.unwrap())
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_comes_in_order_and_waits_for_its_head() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    for body in ["a1", "a2", "a3"] {
        send(&world, &url, "a", body).await;
    }
    send(&world, &url, "b", "b1").await;
    let receive = world
        .sqs
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(2);
    let head = receive.clone().send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&head), ["a1", "a2"]);
    let other = receive.clone().send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&other), ["b1"], "nothing of a group that is in flight");
    for message in head {
        let delete = world.sqs.delete_message().queue_url(&url);
        delete
            .set_receipt_handle(message.receipt_handle)
            .send()
            .await
            .unwrap();
    }
    let rest = receive.send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&rest), ["a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_twice_within_five_minutes_is_one() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    let first = send(&world, &url, "a", "x").await;
    assert_eq!(
        send(&world, &url, "b", "x").await,
        first,
        "by the content, in any group"
    );
    tokio::time::advance(Duration::from_secs(300)).await;
    let later = send(&world, &url, "a", "x").await;
    assert_ne!(later, first);
    assert!(later.1 > first.1 && later.1.len() == 20, "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn content_is_deduplicated_by_its_sha_256() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    send(&world, &url, "a", "abc").await;
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let message = world.receive(&url).await.remove(0);
    assert_eq!(
        system(&message, "MessageDeduplicationId").as_deref(),
        Some(digest)
    );
    let same = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_group_id("a")
        .message_body("other");
    let same = same.message_deduplication_id(digest).send().await.unwrap();
    assert_eq!(same.message_id, message.message_id);
    assert!(system(&message, "SequenceNumber").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_group_and_a_deduplication_id_are_needed() {
    let world = world();
    let url = world.queue("q.fifo", &[("FifoQueue", "true")]).await;
    let send = || world.sqs.send_message().queue_url(&url).message_body("x");
    assert_eq!(
        code(send().message_deduplication_id("1").send().await),
        "MissingParameter"
    );
    let (kind, message) = refusal(send().message_group_id("a").send().await);
    assert_eq!(kind, "InvalidParameterValue");
    assert!(message.contains("ContentBasedDeduplication"), "{message}");
    let both = || send().message_group_id("a").message_deduplication_id("1");
    assert_eq!(
        code(both().delay_seconds(5).send().await),
        "InvalidParameterValue",
        "no delay of its own"
    );
    assert_eq!(
        code(both().message_group_id("a b").send().await),
        "InvalidParameterValue"
    );
    both().send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn deduplication_can_count_within_a_group() {
    let world = world();
    let by_group = [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "true"),
        ("DeduplicationScope", "messageGroup"),
    ];
    let url = world.queue("q.fifo", &by_group).await;
    assert_ne!(
        send(&world, &url, "a", "x").await,
        send(&world, &url, "b", "x").await
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_receipt_is_refused() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    send(&world, &url, "a", "x").await;
    let message = world.receive(&url).await.remove(0);
    tokio::time::advance(Duration::from_secs(30)).await;
    let delete = world.sqs.delete_message().queue_url(&url);
    let (kind, text) = refusal(delete.set_receipt_handle(message.receipt_handle).send().await);
    assert_eq!(kind, "InvalidParameterValue");
    assert!(text.contains("The receipt handle has expired"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_receive_is_repeated_by_its_attempt_id() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    for body in ["1", "2"] {
        send(&world, &url, "a", body).await;
    }
    let receive = || {
        world
            .sqs
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
    };
    let attempt = || {
        receive()
            .receive_request_attempt_id("attempt-1")
            .visibility_timeout(10)
    };
    let first = attempt().send().await.unwrap();
    tokio::time::advance(Duration::from_secs(8)).await;
    let again = attempt().send().await.unwrap();
    assert_eq!(first.messages, again.messages);
    assert_eq!(again.messages().len(), 2);
    tokio::time::advance(Duration::from_secs(8)).await;
    assert!(receive().send().await.unwrap().messages.is_none(), "hidden anew");
    let other = receive()
        .receive_request_attempt_id("attempt-2")
        .send()
        .await
        .unwrap();
    assert!(other.messages.is_none());

    let change = world
        .sqs
        .change_message_visibility()
        .queue_url(&url)
        .visibility_timeout(100);
    let handle = first.messages()[0].receipt_handle.clone();
    change.set_receipt_handle(handle).send().await.unwrap();
    assert!(
        attempt().send().await.unwrap().messages.is_none(),
        "something was done with them"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_forgotten_after_five_minutes() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    send(&world, &url, "a", "x").await;
    let attempt = || {
        let receive = world
            .sqs
            .receive_message()
            .queue_url(&url)
            .visibility_timeout(1_000);
        receive.receive_request_attempt_id("attempt-1").send()
    };
    assert_eq!(attempt().await.unwrap().messages().len(), 1);
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(attempt().await.unwrap().messages().len(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(attempt().await.unwrap().messages.is_none());
}

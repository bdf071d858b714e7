use std::time::Duration;

use tokio::time::Instant;

use crate::world::{code, refusal, world};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_for_the_first_message_and_takes_what_is_there_then() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let poll = world
        .sqs
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(10);
    let start = Instant::now();
    let poll = tokio::spawn(poll.wait_time_seconds(20).send());
    tokio::time::sleep(7 * SECOND).await;
    world.send(&url, "one").await;
    let received = poll.await.unwrap().unwrap();
    assert_eq!(received.messages().len(), 1);
    assert!(start.elapsed() < 8 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_empty_after_its_wait_and_holds_up_nobody() {
    let world = world();
    let url = world.queue("q", &[("ReceiveMessageWaitTimeSeconds", "5")]).await;
    let other = world.queue("other", &[]).await;
    let start = Instant::now();
    let poll = world.sqs.receive_message().queue_url(&url);
    let waiting = tokio::spawn(poll.clone().send());
    tokio::task::yield_now().await;
    world.send(&other, "x").await;
    assert_eq!(world.bodies(&other).await, ["x"]);
    assert!(start.elapsed() < SECOND, "the others go on");
    assert!(waiting.await.unwrap().unwrap().messages.is_none());
    assert_eq!(start.elapsed().as_secs(), 5, "the queue's wait");
    poll.wait_time_seconds(0).send().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5, "the call's own wait comes first");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_dropped_leaves_what_it_would_have_taken() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let poll = world.sqs.receive_message().queue_url(&url).wait_time_seconds(20);
    assert!(tokio::time::timeout(3 * SECOND, poll.send()).await.is_err());
    world.send(&url, "x").await;
    assert_eq!(world.bodies(&url).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_received_message_is_hidden_for_its_timeout() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "10")]).await;
    world.send(&url, "x").await;
    assert_eq!(world.bodies(&url).await, ["x"]);
    tokio::time::advance(9 * SECOND).await;
    assert!(world.bodies(&url).await.is_empty());
    tokio::time::advance(SECOND).await;
    let receive = world.sqs.receive_message().queue_url(&url).visibility_timeout(60);
    assert_eq!(receive.send().await.unwrap().messages().len(), 1);
    tokio::time::advance(59 * SECOND).await;
    assert!(world.bodies(&url).await.is_empty());
    tokio::time::advance(SECOND).await;
    assert_eq!(world.bodies(&url).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_receives_parameters_have_limits() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let receive = || world.sqs.receive_message().queue_url(&url);
    for refused in [
        receive().max_number_of_messages(0),
        receive().max_number_of_messages(11),
        receive().wait_time_seconds(21),
        receive().wait_time_seconds(-1),
        receive().visibility_timeout(43_201),
        receive().receive_request_attempt_id("only-fifo"),
    ] {
        assert_eq!(code(refused.send().await), "InvalidParameterValue");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_hides_a_message_at_first() {
    let world = world();
    let url = world.queue("q", &[("DelaySeconds", "5")]).await;
    world.send(&url, "queue's").await;
    let own = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("own")
        .delay_seconds(0);
    own.send().await.unwrap();
    assert_eq!(world.bodies(&url).await, ["own"]);
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(world.bodies(&url).await, ["queue's"]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_deletes_until_the_next_receive_and_a_second_time_in_vain() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "1")]).await;
    world.send(&url, "x").await;
    let first = world.receive(&url).await.remove(0);
    tokio::time::advance(SECOND).await;
    let second = world.receive(&url).await.remove(0);
    assert_ne!(first.receipt_handle, second.receipt_handle);
    let delete = |handle: &Option<String>| {
        let delete = world.sqs.delete_message().queue_url(&url);
        delete.set_receipt_handle(handle.clone()).send()
    };
    delete(&first.receipt_handle).await.expect("SQS says yes");
    tokio::time::advance(SECOND).await;
    let third = world.receive(&url).await.remove(0);
    delete(&third.receipt_handle).await.unwrap();
    delete(&third.receipt_handle).await.unwrap();
    tokio::time::advance(SECOND).await;
    assert!(world.receive(&url).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_none_or_another_queues_is_refused() {
    let world = world();
    let (url, other) = (world.queue("q", &[]).await, world.queue("other", &[]).await);
    world.send(&other, "x").await;
    let foreign = world.receive(&other).await.remove(0).receipt_handle.unwrap();
    for handle in ["x", "", &foreign, &"é".repeat(40)] {
        let delete = world.sqs.delete_message().queue_url(&url).receipt_handle(handle);
        let error = delete.send().await.unwrap_err().into_service_error();
        assert!(error.is_receipt_handle_is_invalid(), "{handle} {error:?}");
        let change = world.sqs.change_message_visibility().queue_url(&url);
        let error = change.receipt_handle(handle).visibility_timeout(1).send().await;
        assert!(
            error
                .unwrap_err()
                .into_service_error()
                .is_receipt_handle_is_invalid()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_is_changed_counted_from_now() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "10")]).await;
    world.send(&url, "x").await;
    let message = world.receive(&url).await.remove(0);
    let change = |seconds: i32| {
        let change = world.sqs.change_message_visibility().queue_url(&url);
        let change = change.set_receipt_handle(message.receipt_handle.clone());
        change.visibility_timeout(seconds).send()
    };
    tokio::time::advance(9 * SECOND).await;
    change(10).await.unwrap();
    tokio::time::advance(9 * SECOND).await;
    assert!(world.receive(&url).await.is_empty());
    change(0).await.unwrap();
    let error = change(10).await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error:?}");
    let again = world.receive(&url).await.remove(0);
    let (kind, text) = refusal(change(10).await);
    assert_eq!(kind, "InvalidParameterValue", "received again since");
    assert!(
        text.contains("not available for visibility timeout change"),
        "{text}"
    );
    let delete = world.sqs.delete_message().queue_url(&url);
    delete
        .set_receipt_handle(again.receipt_handle.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(code(change(10).await), "InvalidParameterValue", "gone");
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_for_twelve_hours_in_all() {
    let world = world();
    let url = world.queue("q", &[]).await;
    world.send(&url, "x").await;
    let message = world.receive(&url).await.remove(0);
    let change = |seconds: i32| {
        let change = world.sqs.change_message_visibility().queue_url(&url);
        let change = change.set_receipt_handle(message.receipt_handle.clone());
        change.visibility_timeout(seconds).send()
    };
    change(43_200).await.unwrap();
    tokio::time::advance(10 * SECOND).await;
    let (kind, text) = refusal(change(43_200).await);
    assert_eq!(kind, "InvalidParameterValue");
    assert!(text.contains("Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"));
    change(43_190).await.unwrap();
    assert_eq!(code(change(43_201).await), "InvalidParameterValue");
    assert_eq!(code(change(-1).await), "InvalidParameterValue");
}

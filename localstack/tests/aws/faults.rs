use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use fanfare::fault::{Fault, FaultPlan, Life};
use tokio::time::{Instant, timeout};

use crate::batches::entry;
use crate::world::{World, code, local, under, world};

const HOUR: Duration = Duration::from_secs(3_600);

/// Nothing but this fault, always.
pub(crate) fn only(fault: Fault) -> FaultPlan {
    FaultPlan::seeded(1).rates(0.0).rate(fault, 1.0)
}

/// The same services without faults, and under the plan; a queue, and a topic that it is subscribed
/// to.
async fn worlds(plan: FaultPlan) -> (World, World, String, String) {
    let world = world();
    let queue = world.queue("q", &[]).await;
    let topic = world.topic("orders", &[]).await;
    world
        .subscribe(&topic, "q", &[("RawMessageDelivery", "true")])
        .await;
    let faulty = under(world.local.clone().with_faults(plan), &Life::default());
    (world, faulty, queue, topic)
}

fn is_unanswered<T, E: std::fmt::Debug, R: std::fmt::Debug>(result: &Result<T, SdkError<E, R>>) -> bool {
    matches!(result, Err(SdkError::DispatchFailure(failure)) if failure.is_timeout())
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_has_no_effect_and_looks_like_no_answer() {
    let (world, faulty, queue, topic) = worlds(only(Fault::LoseRequest)).await;
    let sent = faulty
        .sqs
        .send_message()
        .queue_url(&queue)
        .message_body("x")
        .send()
        .await;
    assert!(is_unanswered(&sent), "{sent:?}");
    let published = faulty.sns.publish().topic_arn(&topic).message("x").send().await;
    assert!(is_unanswered(&published), "{published:?}");
    assert!(world.receive(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_has_its_effect_and_looks_the_same() {
    let (world, faulty, queue, topic) = worlds(only(Fault::LoseReply)).await;
    let sent = faulty
        .sqs
        .send_message()
        .queue_url(&queue)
        .message_body("sent")
        .send()
        .await;
    assert!(is_unanswered(&sent), "{sent:?}");
    let published = faulty
        .sns
        .publish()
        .topic_arn(&topic)
        .message("published")
        .send()
        .await;
    assert!(is_unanswered(&published), "{published:?}");
    let received = faulty.sqs.receive_message().queue_url(&queue).send().await;
    assert!(is_unanswered(&received), "{received:?}");
    // One is in flight, for somebody who never heard of it.
    assert_eq!(world.bodies(&queue).await, ["published"]);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(world.receive(&queue).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_reply_comes_late() {
    let (world, faulty, queue, topic) = worlds(only(Fault::DelayReply)).await;
    let start = Instant::now();
    for _ in 0..3 {
        faulty.send(&queue, "x").await;
        faulty
            .sns
            .publish()
            .topic_arn(&topic)
            .message("x")
            .send()
            .await
            .unwrap();
    }
    assert!(
        start.elapsed() > Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(world.receive(&queue).await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_has_no_effect_and_the_services_own_code() {
    let (world, faulty, queue, topic) = worlds(only(Fault::Throttle)).await;
    let mut codes = BTreeSet::new();
    for _ in 0..20 {
        let sent = faulty
            .sqs
            .send_message()
            .queue_url(&queue)
            .message_body("x")
            .send()
            .await;
        codes.insert(code(sent));
        let published = faulty.sns.publish().topic_arn(&topic).message("x").send().await;
        codes.insert(code(published));
    }
    let codes: Vec<_> = codes.iter().map(String::as_str).collect();
    assert_eq!(codes, ["RequestThrottled", "Throttling", "ThrottlingException"]);
    assert!(world.receive(&queue).await.is_empty());
    let calls = world.local.calls();
    assert_eq!(
        (calls.get("sqs.SendMessage"), calls.get("sns.Publish")),
        (None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_retried_by_the_sdk() {
    let plan = only(Fault::Throttle);
    let local = local().with_faults(plan.clone());
    let config = aws_sdk_sqs::config::Builder::from(&local.sdk_config());
    let partition = aws_sdk_sqs::config::retry::RetryPartition::custom("own").build();
    let sqs = aws_sdk_sqs::Client::from_conf(config.retry_partition(partition).build());
    assert!(sqs.list_queues().send().await.is_err());
    assert_eq!(plan.injected()["throttle"], 3);
    let config = aws_sdk_sns::config::Builder::from(&local.sdk_config());
    let partition = aws_sdk_sns::config::retry::RetryPartition::custom("own").build();
    let sns = aws_sdk_sns::Client::from_conf(config.retry_partition(partition).build());
    assert!(sns.list_topics().send().await.is_err());
    assert_eq!(plan.injected()["throttle"], 6);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_sends_is_answered_in_part() {
    let (world, faulty, queue, _) = worlds(only(Fault::PartialBatch)).await;
    let (mut missing, mut silent) = (0, 0);
    for _ in 0..50 {
        let batch = (0..10).map(|n| entry(&format!("id-{n}"), &format!("id-{n}")));
        let send = faulty.sqs.send_message_batch().queue_url(&queue);
        let sent = send.set_entries(Some(batch.collect())).send().await.unwrap();
        assert!(!sent.successful().is_empty());
        assert!(sent.successful().len() < 10);
        assert!(
            sent.failed()
                .iter()
                .all(|one| !one.sender_fault() && one.code() == "InternalError")
        );
        let done: BTreeSet<_> = sent.successful().iter().map(|one| one.id().to_owned()).collect();
        let failed: BTreeSet<_> = sent.failed().iter().map(|one| one.id().to_owned()).collect();
        let there: BTreeSet<_> = world.bodies(&queue).await.into_iter().collect();
        assert!(done.is_subset(&there), "answered for, and done");
        assert!(failed.is_disjoint(&there), "failed, and not done");
        missing += 10 - done.len() - failed.len();
        silent += there.difference(&done).count();
        for message in world.local.broker().queues() {
            assert_eq!(message, "q");
        }
    }
    assert!(silent > 0, "some are done and not spoken of");
    assert!(missing > silent, "some are neither");
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_publishes_is_answered_in_part() {
    let (world, faulty, queue, topic) = worlds(only(Fault::PartialBatch)).await;
    let batch = (0..10).map(|n| {
        let entry = PublishBatchRequestEntry::builder()
            .id(format!("id-{n}"))
            .message(format!("id-{n}"));
        entry.build().unwrap()
    });
    let publish = faulty.sns.publish_batch().topic_arn(&topic);
    let publish = publish.set_publish_batch_request_entries(Some(batch.collect()));
    let sent = publish.send().await.unwrap();
    assert!(!sent.successful().is_empty() && !sent.failed().is_empty());
    assert!(
        sent.failed()
            .iter()
            .all(|one| !one.sender_fault() && one.code() == "InternalError")
    );
    let there = world.bodies(&queue).await;
    assert!(
        sent.successful()
            .iter()
            .all(|one| there.contains(&one.id().unwrap().to_owned()))
    );
    assert!(
        !sent
            .failed()
            .iter()
            .any(|one| there.contains(&one.id().to_owned()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_deletes_is_answered_in_part() {
    let (world, faulty, queue, _) = worlds(only(Fault::PartialBatch)).await;
    for n in 0..10 {
        world.send(&queue, &format!("id-{n}")).await;
    }
    let received = world.receive(&queue).await;
    let batch = received.iter().map(|message| {
        let delete = DeleteMessageBatchRequestEntry::builder().id(message.body().unwrap());
        delete
            .receipt_handle(message.receipt_handle().unwrap())
            .build()
            .unwrap()
    });
    let delete = faulty.sqs.delete_message_batch().queue_url(&queue);
    let deleted = delete.set_entries(Some(batch.collect())).send().await.unwrap();
    assert!(!deleted.successful().is_empty() && !deleted.failed().is_empty());
    tokio::time::advance(Duration::from_secs(30)).await;
    let there = world.bodies(&queue).await;
    assert!(
        !deleted
            .successful()
            .iter()
            .any(|one| there.contains(&one.id().to_owned()))
    );
    assert!(
        deleted
            .failed()
            .iter()
            .all(|one| there.contains(&one.id().to_owned()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_refused_under_any_plan() {
    let (_, faulty, queue, _) = worlds(only(Fault::PartialBatch)).await;
    let send = faulty
        .sqs
        .send_message_batch()
        .queue_url(&queue)
        .set_entries(Some(vec![]));
    let error = send.send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.EmptyBatchRequest"));
}

#[tokio::test(start_paused = true)]
async fn a_host_is_killed_before_or_after_the_effect_and_hears_nothing() {
    let (world, _, queue, topic) = worlds(FaultPlan::none()).await;
    let (mut done, mut undone) = (0, 0);
    for seed in 0..20 {
        let life = Life::new("host");
        let plan = FaultPlan::seeded(seed).rates(0.0).rate(Fault::Kill, 1.0);
        let faulty = under(world.local.clone().with_faults(plan), &life);
        let publish = faulty.sns.publish().topic_arn(&topic).message("x").send();
        assert!(timeout(HOUR, publish).await.is_err());
        assert!(life.is_over());
        match world.receive(&queue).await.len() {
            0 => undone += 1,
            _ => done += 1,
        }
        world.local.broker().purge("q").unwrap();
    }
    assert!(done > 0 && undone > 0, "{done} {undone}");
}

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::world::{START, World, code, redrive, world};

async fn attributes(world: &World, url: &str, names: &[&str]) -> BTreeMap<String, String> {
    let mut get = world.sqs.get_queue_attributes().queue_url(url);
    for name in names {
        get = get.attribute_names(QueueAttributeName::from(*name));
    }
    let attributes = get.send().await.unwrap().attributes.unwrap_or_default();
    let named = attributes.into_iter();
    named
        .map(|(name, value)| (name.as_str().to_owned(), value))
        .collect()
}

async fn set(world: &World, url: &str, name: &str, value: &str) -> Result<(), String> {
    let set = world.sqs.set_queue_attributes().queue_url(url);
    match set.attributes(QueueAttributeName::from(name), value).send().await {
        Ok(_) => Ok(()),
        error => Err(code(error)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_queue_has_sqss_defaults() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let all = attributes(&world, &url, &["All"]).await;
    let expected = [
        ("ApproximateNumberOfMessages", "0".to_owned()),
        ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
        ("ApproximateNumberOfMessagesNotVisible", "0".to_owned()),
        ("CreatedTimestamp", START.to_string()),
        ("DelaySeconds", "0".to_owned()),
        ("LastModifiedTimestamp", START.to_string()),
        ("MaximumMessageSize", "1048576".to_owned()),
        ("MessageRetentionPeriod", "345600".to_owned()),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:q".to_owned()),
        ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ("SqsManagedSseEnabled", "true".to_owned()),
        ("VisibilityTimeout", "30".to_owned()),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value)).into();
    assert_eq!(all, expected);
    assert!(
        attributes(&world, &url, &[]).await.is_empty(),
        "none were asked for"
    );
    let one = attributes(&world, &url, &["DelaySeconds"]).await;
    assert_eq!(
        one.into_iter().collect::<Vec<_>>(),
        [("DelaySeconds".into(), "0".into())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_shows_what_only_it_has() {
    let world = world();
    let url = world.fifo("q.fifo").await;
    let all = attributes(&world, &url, &["All"]).await;
    assert_eq!(all["FifoQueue"], "true");
    assert_eq!(all["ContentBasedDeduplication"], "true");
    assert_eq!(all["DeduplicationScope"], "queue");
    assert_eq!(all["FifoThroughputLimit"], "perQueue");
    set(&world, &url, "DeduplicationScope", "messageGroup")
        .await
        .unwrap();
    set(&world, &url, "FifoThroughputLimit", "perMessageGroupId")
        .await
        .unwrap();
    let all = attributes(&world, &url, &["All"]).await;
    assert_eq!(all["DeduplicationScope"], "messageGroup");
    assert_eq!(all["FifoThroughputLimit"], "perMessageGroupId");
}

#[tokio::test(start_paused = true)]
async fn settings_are_changed_and_shown() {
    let world = world();
    world.queue("dead", &[]).await;
    let url = world.queue("q", &[]).await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let policy = redrive("dead", 3);
    let values = [
        ("VisibilityTimeout", "43200"),
        ("MaximumMessageSize", "1024"),
        ("MessageRetentionPeriod", "1209600"),
        ("DelaySeconds", "900"),
        ("ReceiveMessageWaitTimeSeconds", "20"),
        ("RedrivePolicy", &*policy),
        ("Policy", r#"{"Version":"2012-10-17"}"#),
        ("KmsMasterKeyId", "alias/key"),
    ];
    for (name, value) in values {
        set(&world, &url, name, value).await.unwrap();
    }
    let all = attributes(&world, &url, &["All"]).await;
    for (name, value) in values {
        assert_eq!(all[name], value);
    }
    assert_eq!(all["CreatedTimestamp"], START.to_string());
    assert_eq!(all["LastModifiedTimestamp"], (START + 5).to_string());
    set(&world, &url, "RedrivePolicy", "").await.unwrap();
    set(&world, &url, "Policy", "").await.unwrap();
    let all = attributes(&world, &url, &["All"]).await;
    assert!(!all.contains_key("RedrivePolicy") && !all.contains_key("Policy"));
}

#[tokio::test(start_paused = true)]
async fn values_out_of_range_and_unknown_names_are_refused() {
    let world = world();
    let url = world.queue("q", &[]).await;
    for (name, value) in [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "-1"),
        ("VisibilityTimeout", "x"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("DelaySeconds", "901"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
    ] {
        let refused = set(&world, &url, name, value).await;
        assert_eq!(refused, Err("InvalidAttributeValue".into()), "{name} {value}");
    }
    for name in ["Nonsense", "QueueArn", "ContentBasedDeduplication", "FifoQueue"] {
        let refused = set(&world, &url, name, "true").await;
        assert_eq!(refused, Err("InvalidAttributeName".into()), "{name}");
    }
    let get = world.sqs.get_queue_attributes().queue_url(&url);
    let get = get.attribute_names(QueueAttributeName::from("Nonsense"));
    assert_eq!(code(get.send().await), "InvalidAttributeName");
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_by_their_state() {
    let world = world();
    let url = world.queue("q", &[]).await;
    for body in ["a", "b", "c"] {
        world.send(&url, body).await;
    }
    let late = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("d")
        .delay_seconds(60);
    late.send().await.unwrap();
    world.sqs.receive_message().queue_url(&url).send().await.unwrap();
    let all = attributes(&world, &url, &["All"]).await;
    let count = |state: &str| all[&format!("ApproximateNumberOfMessages{state}")].clone();
    assert_eq!(
        (&*count(""), &*count("NotVisible"), &*count("Delayed")),
        ("2", "1", "1")
    );
}

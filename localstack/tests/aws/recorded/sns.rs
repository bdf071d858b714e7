//! What SNS refuses.

use aws_sdk_sns::types::PublishBatchRequestEntry;

use super::Refusals;
use crate::world::{refusal, world};

#[tokio::test(start_paused = true)]
async fn sns_refuses_in_its_own_words() {
    let world = world();
    let topic = world.topic("orders", &[("DisplayName", "Value1")]).await;
    let fifo = world.topic("orders.fifo", &[("FifoTopic", "true")]).await;
    world.queue("q", &[]).await;
    let mut refused = Refusals::default();
    let mut add = |case, refusal| refused.add(case, refusal);

    let entry = |id: &str, message: &str| {
        let entry = PublishBatchRequestEntry::builder().id(id).message(message);
        entry.build().unwrap()
    };
    let batch = |topic: &str, entries: Vec<PublishBatchRequestEntry>| {
        let publish = world.sns.publish_batch().topic_arn(topic);
        publish.set_publish_batch_request_entries(Some(entries)).send()
    };
    let with_group = |mut entry: PublishBatchRequestEntry| {
        entry.message_group_id = Some("g".into());
        vec![entry]
    };
    add("no group", refusal(batch(&fifo, vec![entry("1", "x")]).await));
    add(
        "no deduplication",
        refusal(batch(&fifo, with_group(entry("1", "x"))).await),
    );
    let eleven = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    add("eleven", refusal(batch(&topic, eleven).await));
    add(
        "an id twice",
        refusal(batch(&topic, vec![entry("1", "x"), entry("1", "y")]).await),
    );
    let mut structured = entry("1", r#"{"sqs":"x"}"#);
    structured.message_structure = Some("json".into());
    add("no default", refusal(batch(&topic, vec![structured]).await));
    let half = "x".repeat(128 * 1024);
    let long = vec![entry("1", &half), entry("2", &half), entry("3", "x")];
    add("a batch too long", refusal(batch(&topic, long).await));
    add(
        "an id with a dot",
        refusal(batch(&topic, vec![entry("message.id", "x")]).await),
    );
    let missing = format!("{topic}x");
    add(
        "no such topic",
        refusal(batch(&missing, vec![entry("1", "x")]).await),
    );

    let publish = || world.sns.publish().topic_arn(&topic);
    add("nothing", refusal(publish().message("").send().await));
    add(
        "too long",
        refusal(publish().message(format!("{half}{half}x")).send().await),
    );
    add(
        "an empty subject",
        refusal(publish().message("x").subject("").send().await),
    );
    let create = |name: &str, attribute: &str, value: &str| {
        let create = world.sns.create_topic().name(name);
        create.attributes(attribute, value).send()
    };
    add(
        "other attributes",
        refusal(create("orders", "DisplayName", "Value2").await),
    );
    add(
        "a name with a dot",
        refusal(create("a.b", "DisplayName", "x").await),
    );
    let subscribe = |attribute: &str, value: &str| {
        let subscribe = world.sns.subscribe().topic_arn(&topic).protocol("sqs");
        let subscribe = subscribe.endpoint(crate::world::arn("q"));
        subscribe.attributes(attribute, value).send()
    };
    add(
        "neither raw nor not",
        refusal(subscribe("RawMessageDelivery", "wrongvalue").await),
    );
    subscribe("RawMessageDelivery", "true").await.unwrap();
    add(
        "subscribed otherwise",
        refusal(subscribe("RawMessageDelivery", "false").await),
    );
    let subscribed = world.sns.subscribe().topic_arn(&topic).protocol("sqs");
    add(
        "a queue's URL",
        refusal(subscribed.endpoint("http://localhost/q").send().await),
    );
    let gone = world.sns.get_subscription_attributes();
    let gone = gone.subscription_arn(format!("{topic}:00000000-0000-0000-0000-000000000000"));
    add("no such subscription", refusal(gone.send().await));

    let of_the_topic = "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or \
                        MessageDeduplicationId provided explicitly";
    refused.check(&[
        (
            "no group",
            "InvalidParameter",
            "Invalid parameter: The MessageGroupId parameter is required for FIFO topics",
        ),
        ("no deduplication", "InvalidParameter", of_the_topic),
        (
            "eleven",
            "TooManyEntriesInBatchRequest",
            "The batch request contains more entries than permissible.",
        ),
        (
            "an id twice",
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        ),
        (
            "no default",
            "InvalidParameter",
            "Invalid parameter: Message Structure - No default entry in JSON message body",
        ),
        (
            "a batch too long",
            "BatchRequestTooLong",
            "The length of all the messages put together is more than the limit.",
        ),
        (
            "an id with a dot",
            "InvalidBatchEntryId",
            "The Id of a batch entry in the batch request contains an impermissible character: message.id",
        ),
        ("no such topic", "NotFound", "Topic does not exist"),
        ("nothing", "InvalidParameter", "Invalid parameter: Empty message"),
        ("too long", "InvalidParameter", "Invalid parameter: Message too long"),
        ("an empty subject", "InvalidParameter", "Invalid parameter: Subject"),
        (
            "other attributes",
            "InvalidParameter",
            "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
        ),
        ("a name with a dot", "InvalidParameter", "Invalid parameter: Topic Name"),
        (
            "neither raw nor not",
            "InvalidParameter",
            "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or \
             false.",
        ),
        (
            "subscribed otherwise",
            "InvalidParameter",
            "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
        ),
        ("a queue's URL", "InvalidParameter", "Invalid parameter: SQS endpoint ARN"),
        ("no such subscription", "NotFound", "Subscription does not exist"),
    ]);
}

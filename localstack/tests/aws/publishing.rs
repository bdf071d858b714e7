use aws_sdk_sns::primitives::Blob;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use serde_json::{Value, json};

use crate::world::{World, arn, code, refusal, system, world};

const RAW: [(&str, &str); 1] = [("RawMessageDelivery", "true")];

fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    let value = MessageAttributeValue::builder()
        .data_type(data_type)
        .string_value(value);
    value.build().unwrap()
}

fn binary(value: &[u8]) -> MessageAttributeValue {
    let value = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(Blob::new(value));
    value.build().unwrap()
}

fn entry(id: &str, message: &str) -> PublishBatchRequestEntry {
    let entry = PublishBatchRequestEntry::builder().id(id).message(message);
    entry.build().unwrap()
}

/// The topic `orders`, with the queue `q` subscribed: the topic's ARN and the queue's URL.
async fn subscribed(world: &World, attributes: &[(&str, &str)]) -> (String, String) {
    let topic = world.topic("orders", &[]).await;
    let queue = world.queue("q", &[]).await;
    world.subscribe(&topic, "q", attributes).await;
    (topic, queue)
}

#[tokio::test(start_paused = true)]
async fn raw_delivery_brings_body_and_attributes_as_they_were() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    let body = "né \u{1F600} <&> \"\\ +%";
    let sent = world
        .sns
        .publish()
        .topic_arn(&topic)
        .message(body)
        .subject("dropped")
        .message_group_id("tenant-1")
        .message_attributes("type", attribute("String", "a & b"))
        .message_attributes("raw", binary(&[0, 254, 255]))
        .send()
        .await
        .unwrap();
    let message = world.receive(&queue).await.remove(0);
    assert_eq!(message.body(), Some(body));
    assert_ne!(message.message_id(), sent.message_id());
    let attributes = message.message_attributes.as_ref().unwrap();
    assert_eq!(attributes["type"].string_value(), Some("a & b"));
    assert_eq!(attributes["raw"].binary_value().unwrap().as_ref(), [0, 254, 255]);
    assert_eq!(system(&message, "MessageGroupId").as_deref(), Some("tenant-1"));
}

#[tokio::test(start_paused = true)]
async fn without_raw_delivery_comes_snss_notification() {
    let world = world();
    let (topic, queue) = subscribed(&world, &[]).await;
    let publish = world
        .sns
        .publish()
        .topic_arn(&topic)
        .message(r#"{"x":1}"#)
        .subject("hello");
    let publish = publish.message_attributes("n", attribute("Number", "1"));
    let sent = publish.send().await.unwrap();
    let message = world.receive(&queue).await.remove(0);
    assert!(message.message_attributes.is_none());
    let mut body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
    let body = body.as_object_mut().unwrap();
    for written in ["Signature", "SigningCertURL", "UnsubscribeURL"] {
        assert!(body.remove(written).is_some(), "{written}");
    }
    let expected = json!({
        "Type": "Notification",
        "MessageId": sent.message_id(),
        "TopicArn": topic,
        "Subject": "hello",
        "Message": r#"{"x":1}"#,
        "Timestamp": "2023-11-14T22:13:20.000Z",
        "SignatureVersion": "1",
        "MessageAttributes": {"n": {"Type": "Number", "Value": "1"}},
    });
    assert_eq!(Value::Object(body.clone()), expected);
}

#[tokio::test(start_paused = true)]
async fn filters_by_attributes_or_body_choose_what_comes() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    let by_type = world.queue("by-type", &[]).await;
    let by_body = world.queue("by-body", &[]).await;
    let filter = r#"{"type":["a",{"prefix":"b."}]}"#;
    world
        .subscribe(&topic, "by-type", &[RAW[0], ("FilterPolicy", filter)])
        .await;
    let filter = [
        RAW[0],
        ("FilterPolicy", r#"{"order":{"cents":[{"numeric":[">",100]}]}}"#),
        ("FilterPolicyScope", "MessageBody"),
    ];
    world.subscribe(&topic, "by-body", &filter).await;
    for (kind, cents) in [("a", 100), ("b.c", 101), ("c", 102)] {
        let body = format!(r#"{{"order":{{"cents":{cents}}}}}"#);
        let publish = world.sns.publish().topic_arn(&topic).message(body);
        publish
            .message_attributes("type", attribute("String", kind))
            .send()
            .await
            .unwrap();
    }
    let cents = |bodies: Vec<String>| -> Vec<i64> {
        let bodies = bodies
            .iter()
            .map(|body| serde_json::from_str::<Value>(body).unwrap());
        bodies
            .map(|body| body["order"]["cents"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(cents(world.bodies(&by_type).await), [100, 101]);
    assert_eq!(cents(world.bodies(&by_body).await), [101, 102]);
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_attributes_with_raw_delivery_are_discarded_or_go_to_the_dead_letter_queue() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    let mut urls = Vec::new();
    for queue in ["lost", "kept", "dead", "wrapped"] {
        urls.push(world.queue(queue, &[]).await);
    }
    let dead = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, arn("dead"));
    world.subscribe(&topic, "lost", &RAW).await;
    world
        .subscribe(&topic, "kept", &[RAW[0], ("RedrivePolicy", &dead)])
        .await;
    world.subscribe(&topic, "wrapped", &[]).await;
    let attributes = (0..11)
        .map(|n| (format!("a{n}"), attribute("String", "x")))
        .collect();
    let publish = world.sns.publish().topic_arn(&topic).message("x");
    publish
        .set_message_attributes(Some(attributes))
        .send()
        .await
        .expect("SNS says nothing of it");
    let mut counts = Vec::new();
    for url in &urls {
        counts.push(world.receive(url).await.len());
    }
    assert_eq!(counts, [0, 0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_requests_trace_header_reaches_the_queue() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    let publish = world.sns.publish().topic_arn(&topic).message("x").customize();
    let publish = publish.mutate_request(move |request| {
        request.headers_mut().insert("X-Amzn-Trace-Id", trace);
    });
    publish.send().await.unwrap();
    let message = world.receive(&queue).await.remove(0);
    assert_eq!(system(&message, "AWSTraceHeader").as_deref(), Some(trace));
}

#[tokio::test(start_paused = true)]
async fn ten_messages_go_in_one_call_each_with_its_result() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    let mut batch: Vec<_> = (0..10)
        .map(|n| entry(&format!("id-{n}"), &format!("body {n}")))
        .collect();
    batch[1].message_attributes = Some([("n".to_owned(), attribute("Number", "1"))].into());
    batch[4].message_attributes = Some([("n".to_owned(), attribute("Number", "x"))].into());
    batch[5].message = "\u{1}".into();
    let publish = world.sns.publish_batch().topic_arn(&topic);
    let sent = publish
        .set_publish_batch_request_entries(Some(batch))
        .send()
        .await
        .unwrap();
    let done: Vec<_> = sent.successful().iter().map(|one| one.id().unwrap()).collect();
    assert_eq!(
        done,
        ["id-0", "id-1", "id-2", "id-3", "id-6", "id-7", "id-8", "id-9"]
    );
    assert!(sent.successful().iter().all(|one| one.message_id().is_some()));
    let failed: Vec<_> = sent
        .failed()
        .iter()
        .map(|one| (one.id(), one.code(), one.sender_fault()))
        .collect();
    assert_eq!(
        failed,
        [
            ("id-4", "InvalidParameter", true),
            ("id-5", "InvalidParameter", true)
        ]
    );
    let messages = world.receive(&queue).await;
    assert_eq!(messages.len(), 8);
    assert!(messages[1].message_attributes.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_rules_of_a_batch_are_snss() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    let half = "x".repeat(128 * 1024);
    for (batch, expected) in [
        (vec![], "EmptyBatchRequest"),
        (
            (0..11).map(|n| entry(&n.to_string(), "x")).collect(),
            "TooManyEntriesInBatchRequest",
        ),
        (vec![entry("a", "x"), entry("a", "y")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "x")], "InvalidBatchEntryId"),
        (
            vec![entry("a", &half), entry("b", &half), entry("c", "x")],
            "BatchRequestTooLong",
        ),
        (vec![entry("a", &format!("{half}{half}x"))], "BatchRequestTooLong"),
    ] {
        let publish = world.sns.publish_batch().topic_arn(&topic);
        let publish = publish.set_publish_batch_request_entries(Some(batch));
        assert_eq!(code(publish.send().await), expected);
    }
    assert!(world.receive(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_topic_takes_256_kib_unless_it_says_otherwise() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    let publish = |size: usize| {
        world
            .sns
            .publish()
            .topic_arn(&topic)
            .message("x".repeat(size))
            .send()
    };
    publish(256 * 1024).await.unwrap();
    let (kind, message) = refusal(publish(256 * 1024 + 1).await);
    assert_eq!(
        (&*kind, &*message),
        ("InvalidParameter", "Invalid parameter: Message too long")
    );
    let set = world.sns.set_topic_attributes().topic_arn(&topic);
    set.attribute_name("MaximumMessageSize")
        .attribute_value("1048576")
        .send()
        .await
        .unwrap();
    publish(1024 * 1024).await.unwrap();
    assert_eq!(world.receive(&queue).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_sns_refuses_is_refused() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    let publish = || world.sns.publish().topic_arn(&topic);
    for refused in [
        publish().message(""),
        publish().message("x").subject("two\nlines"),
        publish().message("x").subject("x".repeat(101)),
        publish().message("x").message_structure("xml"),
        publish().message(r#"{"sqs":"x"}"#).message_structure("json"),
        publish().message("x").message_structure("json"),
        publish().message("x").message_deduplication_id("1"),
        world.sns.publish().message("x"),
        world.sns.publish().phone_number("+1555").message("x"),
    ] {
        assert_eq!(code(refused.send().await), "InvalidParameter");
    }
    let data_type = publish()
        .message("x")
        .message_attributes("a", attribute("Text", "x"));
    assert_eq!(code(data_type.send().await), "ParameterValueInvalid");
    let none = world
        .sns
        .publish()
        .topic_arn(format!("{topic}x"))
        .message("x")
        .send()
        .await;
    assert!(none.unwrap_err().into_service_error().is_not_found_exception());
    assert!(world.receive(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_can_have_a_text_for_queues_and_be_sent_to_a_target() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    for message in [r#"{"default":"all","sqs":"queues"}"#, r#"{"default":"all"}"#] {
        let publish = world.sns.publish().target_arn(&topic).message(message);
        publish.message_structure("json").send().await.unwrap();
    }
    assert_eq!(world.bodies(&queue).await, ["queues", "all"]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_keeps_order_and_deduplicates() {
    let world = world();
    let topic = world.topic("orders.fifo", &[("FifoTopic", "true")]).await;
    let queue = world.fifo("q.fifo").await;
    world.subscribe(&topic, "q.fifo", &RAW).await;
    let publish = |id: &str| {
        let publish = world
            .sns
            .publish()
            .topic_arn(&topic)
            .message("x")
            .message_group_id("a");
        publish.message_deduplication_id(id).send()
    };
    let first = publish("1").await.unwrap();
    let again = publish("1").await.unwrap();
    assert_eq!(
        (first.message_id(), first.sequence_number()),
        (again.message_id(), again.sequence_number())
    );
    assert_eq!(first.sequence_number().unwrap().len(), 20);
    publish("2").await.unwrap();
    let received = world.receive(&queue).await;
    let ids: Vec<_> = received
        .iter()
        .map(|message| system(message, "MessageDeduplicationId").unwrap())
        .collect();
    assert_eq!(ids, ["1", "2"]);
    let publish = || world.sns.publish().topic_arn(&topic).message("x");
    assert_eq!(
        code(publish().message_deduplication_id("3").send().await),
        "InvalidParameter"
    );
    assert_eq!(
        code(publish().message_group_id("a").send().await),
        "InvalidParameter"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_service_and_operation() {
    let world = world();
    let (topic, queue) = subscribed(&world, &RAW).await;
    world
        .sns
        .publish()
        .topic_arn(&topic)
        .message("x")
        .send()
        .await
        .unwrap();
    world.receive(&queue).await;
    world.receive(&queue).await;
    let dynamo = aws_sdk_dynamodb::Client::new(&world.local.sdk_config());
    dynamo.list_tables().send().await.unwrap();
    let calls: Vec<_> = world.local.calls().into_iter().collect();
    let expected = [
        ("dynamodb.ListTables", 1),
        ("sns.CreateTopic", 1),
        ("sns.Publish", 1),
        ("sns.Subscribe", 1),
        ("sqs.CreateQueue", 1),
        ("sqs.ReceiveMessage", 2),
    ];
    assert_eq!(calls, expected.map(|(name, calls)| (name.to_owned(), calls)));
}

//! What an event of a queue has.

use std::future::ready;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
};
use fanfare::memory::Entry;
use fanfare_local::mapping::QueueMapping;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{Seen, failures, local, seconds, send, until_quiet};

#[tokio::test(start_paused = true)]
async fn an_event_has_what_awss_has() {
    let local = local(&["q"]);
    let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    let url = sqs
        .get_queue_url()
        .queue_name("q")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    let text = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("order.placed");
    let bytes = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(Blob::new([0, 255]));
    let trace = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value("Root=1-2-3");
    let trace = trace.build().unwrap();
    let sent = sqs
        .send_message()
        .queue_url(url)
        .message_body("hello world")
        .message_attributes("type", text.build().unwrap())
        .message_attributes("raw", bytes.build().unwrap())
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace)
        .message_group_id("tenant-1")
        .send()
        .await
        .unwrap();
    let seen = Seen::default();
    sleep(seconds(2)).await;
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        seen.note(event);
        ready(Ok(Value::Null))
    })
    .await;
    let events = seen.all();
    let handle = events[0]["Records"][0]["receiptHandle"].as_str().unwrap();
    assert_eq!(handle.len(), 40);
    assert_eq!(
        events,
        [json!({ "Records": [{
            "messageId": sent.message_id.unwrap(),
            "receiptHandle": handle,
            "body": "hello world",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1700000000000",
                "SenderId": "000000000000",
                "ApproximateFirstReceiveTimestamp": "1700000002000",
                "MessageGroupId": "tenant-1",
                "AWSTraceHeader": "Root=1-2-3",
            },
            "messageAttributes": {
                "type": {
                    "stringValue": "order.placed",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "String",
                },
                "raw": {
                    "binaryValue": "AP8=",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "Binary",
                },
            },
            "md5OfMessageAttributes": sent.md5_of_message_attributes.unwrap(),
            "md5OfBody": "5eb63bbbe01eeed093cb22bb8f5acdc3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
            "awsRegion": "us-east-1",
        }] })]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fifo_event_tells_group_place_and_deduplication_id() {
    let local = local(&["q.fifo"]);
    let entry = Entry {
        group: Some("account-1".to_owned()),
        deduplication_id: Some("17".to_owned()),
        ..Entry::new("{}")
    };
    let sent = local.broker().send("q.fifo", entry).unwrap();
    until_quiet(&local, "q.fifo", QueueMapping::new(&local, "q.fifo"), |event| {
        let attributes = &event["Records"][0]["attributes"];
        assert_eq!(attributes["MessageGroupId"], "account-1");
        assert_eq!(attributes["MessageDeduplicationId"], "17");
        assert_eq!(
            attributes["SequenceNumber"],
            format!("{:020}", sent.sequence_number.unwrap())
        );
        ready(Ok(Value::Null))
    })
    .await;
}

/// The receipt in an event is one that SQS takes.
#[tokio::test(start_paused = true)]
async fn a_function_can_change_when_a_failed_message_comes_again() {
    let local = local(&["q"]);
    send(&local, "q", ["order 17"]);
    let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    let url = sqs
        .get_queue_url()
        .queue_name("q")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    let seen = Seen::default();
    until_quiet(&local, "q", QueueMapping::new(&local, "q"), |event| {
        seen.note(Instant::now());
        let (sqs, url, tries) = (&sqs, &url, seen.all().len());
        async move {
            if tries == 2 {
                return Ok(Value::Null);
            }
            let record = &event["Records"][0];
            let change = sqs
                .change_message_visibility()
                .queue_url(url)
                .visibility_timeout(3);
            change
                .receipt_handle(record["receiptHandle"].as_str().unwrap())
                .send()
                .await
                .unwrap();
            Ok(failures([record["messageId"].clone()]))
        }
    })
    .await;
    let seen = seen.all();
    assert_eq!(seen[1] - seen[0], seconds(3));
}

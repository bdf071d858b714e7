use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
};

use crate::world::{code, refusal, system, world};

pub(crate) fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
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

#[tokio::test(start_paused = true)]
async fn a_message_comes_as_it_was_sent_with_aws_digests() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let sent = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("né \u{1F600} \"\\ \t")
        .message_attributes("type", attribute("String", "order.placed"))
        .message_attributes("version", attribute("Number.int", "2"))
        .message_attributes("raw", binary(&[0, 254, 255]))
        .send()
        .await
        .unwrap();
    // By `python3 -c` with hashlib, following "Calculating the MD5 message digest for message
    // attributes" of the developer guide.
    assert_eq!(
        sent.md5_of_message_body(),
        Some("dc58ccb767c8bf42fa2d0d102e0f3544")
    );
    assert_eq!(
        sent.md5_of_message_attributes(),
        Some("ce4fa63b57615e520532f7915ab4e60e")
    );
    assert_eq!(sent.md5_of_message_system_attributes(), None);
    assert_eq!(sent.sequence_number(), None);
    let received = &world.receive(&url).await[0];
    assert_eq!(received.body(), Some("né \u{1F600} \"\\ \t"));
    assert_eq!(received.message_id(), sent.message_id());
    assert_eq!(received.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(
        received.md5_of_message_attributes(),
        sent.md5_of_message_attributes()
    );
    let attributes = received.message_attributes.as_ref().unwrap();
    assert_eq!(attributes["type"], attribute("String", "order.placed"));
    assert_eq!(attributes["version"], attribute("Number.int", "2"));
    assert_eq!(attributes["raw"], binary(&[0, 254, 255]));
}

#[tokio::test(start_paused = true)]
async fn only_the_attributes_asked_for_come_and_are_digested() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "0")]).await;
    let send = world.sqs.send_message().queue_url(&url).message_body("x");
    let send = send.message_attributes("order.id", attribute("String", "17"));
    send.message_attributes("other", attribute("String", "x"))
        .send()
        .await
        .unwrap();
    for (names, expected, digest) in [
        (&[][..], &[][..], None),
        (
            &["order.id"],
            &["order.id"],
            Some("d99121c5ed4cc71e8ecda1558e0e91c0"),
        ),
        (
            &["order.*"],
            &["order.id"],
            Some("d99121c5ed4cc71e8ecda1558e0e91c0"),
        ),
        (
            &["other", "none"],
            &["other"],
            Some("0a9fba5661968c02763ab739b38d2163"),
        ),
        (
            &[".*"],
            &["order.id", "other"],
            Some("5963cefe714c44fb1ad3797e3598c104"),
        ),
        (
            &["All"],
            &["order.id", "other"],
            Some("5963cefe714c44fb1ad3797e3598c104"),
        ),
    ] {
        let receive = world.sqs.receive_message().queue_url(&url);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let received = receive
            .set_message_attribute_names(Some(names))
            .send()
            .await
            .unwrap();
        let message = &received.messages()[0];
        let mut got: Vec<_> = message
            .message_attributes
            .iter()
            .flatten()
            .map(|(name, _)| name)
            .collect();
        got.sort();
        assert_eq!(got, expected);
        assert_eq!(message.md5_of_message_attributes(), digest);
        assert_eq!(message.attributes, None, "no system attributes were asked for");
    }
}

#[tokio::test(start_paused = true)]
async fn system_attributes_come_when_asked_for() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "1")]).await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let header = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace);
    let send = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("x")
        .message_group_id("tenant-1");
    let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
    let sent = send
        .message_system_attributes(name, header.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(
        sent.md5_of_message_system_attributes(),
        Some("62a56dd927315f2b2e12832b84617ea5")
    );
    assert_eq!(sent.md5_of_message_attributes(), None);

    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    world.receive(&url).await;
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let message = &world.receive(&url).await[0];
    let value = |name| system(message, name);
    assert_eq!(value("AWSTraceHeader").as_deref(), Some(trace));
    assert_eq!(
        value("MessageGroupId").as_deref(),
        Some("tenant-1"),
        "the tenant of a fair queue"
    );
    assert_eq!(value("ApproximateReceiveCount").as_deref(), Some("2"));
    assert_eq!(value("SentTimestamp").as_deref(), Some("1700000000000"));
    assert_eq!(
        value("ApproximateFirstReceiveTimestamp").as_deref(),
        Some("1700000003000")
    );
    assert_eq!(value("SenderId").as_deref(), Some("000000000000"));
    assert_eq!(value("SequenceNumber"), None);
    assert!(
        message.message_attributes.is_none(),
        "the trace header is none of the ten"
    );

    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let receive = world.sqs.receive_message().queue_url(&url);
    let receive = receive.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
    let message = &receive.send().await.unwrap().messages.unwrap()[0];
    assert_eq!(message.attributes.as_ref().unwrap().len(), 1);

    let receive = world.sqs.receive_message().queue_url(&url);
    let receive = receive.message_system_attribute_names(MessageSystemAttributeName::from("Nonsense"));
    assert_eq!(code(receive.send().await), "InvalidAttributeName");
}

#[tokio::test(start_paused = true)]
async fn a_message_is_at_most_one_mebibyte_with_its_attributes() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let send = |body: usize, value: usize| {
        let send = world
            .sqs
            .send_message()
            .queue_url(&url)
            .message_body("x".repeat(body));
        send.message_attributes("n", attribute("String", &"v".repeat(value)))
            .send()
    };
    // 1 byte of name and 6 of type.
    send(1024 * 1024 - 107, 100).await.unwrap();
    let (code, message) = refusal(send(1024 * 1024 - 106, 100).await);
    assert_eq!(code, "InvalidParameterValue");
    assert!(
        message.contains("Message must be shorter than 1048576 bytes"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_size_of_a_queue_is_its_own() {
    let world = world();
    let url = world.queue("q", &[("MaximumMessageSize", "1024")]).await;
    world.send(&url, &"x".repeat(1024)).await;
    let send = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("x".repeat(1025));
    assert_eq!(code(send.send().await), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn characters_that_xml_has_not_are_refused() {
    let world = world();
    let url = world.queue("q", &[]).await;
    for body in ["\u{0}", "a\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        let send = world
            .sqs
            .send_message()
            .queue_url(&url)
            .message_body(body)
            .send()
            .await;
        let error = send.unwrap_err().into_service_error();
        assert!(error.is_invalid_message_contents(), "{body:?} {error:?}");
    }
    world
        .send(&url, "\t\n\r \u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}")
        .await;
}

#[tokio::test(start_paused = true)]
async fn attributes_are_at_most_ten_and_well_formed() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let many = |count: usize| {
        let attributes = (0..count).map(|n| (format!("a{n}"), attribute("String", "x")));
        let send = world.sqs.send_message().queue_url(&url).message_body("x");
        send.set_message_attributes(Some(attributes.collect())).send()
    };
    many(10).await.unwrap();
    let (kind, message) = refusal(many(11).await);
    assert_eq!(kind, "InvalidParameterValue");
    assert!(
        message.contains("[11] exceeds the allowed maximum [10]"),
        "{message}"
    );
    for (name, data_type, value) in [
        ("AWS.x", "String", "x"),
        ("a..b", "String", "x"),
        ("a b", "String", "x"),
        ("a", "Text", "x"),
        ("a", "Number", "x"),
        ("a", "String", ""),
        ("a", "Binary", "x"),
    ] {
        let send = world.sqs.send_message().queue_url(&url).message_body("x");
        let send = send
            .message_attributes(name, attribute(data_type, value))
            .send()
            .await;
        assert_eq!(code(send), "InvalidParameterValue", "{name} {data_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_and_a_delay_out_of_range_are_refused() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let send = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("")
        .send()
        .await;
    assert_eq!(code(send), "MissingParameter");
    for delay in [-1, 901] {
        let send = world
            .sqs
            .send_message()
            .queue_url(&url)
            .message_body("x")
            .delay_seconds(delay);
        assert_eq!(code(send.send().await), "InvalidParameterValue");
    }
    let send = world
        .sqs
        .send_message()
        .queue_url(&url)
        .message_body("x")
        .message_deduplication_id("1");
    assert_eq!(
        code(send.send().await),
        "InvalidParameterValue",
        "only FIFO has it"
    );
}

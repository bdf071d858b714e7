//! Bytes: what fits into a call, and what fits nowhere.

use std::time::Duration;

use fanfare::Outgoing;
use fanfare::port::{Publish, PublishError};

use crate::aws::{Aws, One, Reply};
use crate::world::{many, one, pay, placed, publisher};

const TOPIC: usize = 256 * 1024;
const QUEUE: usize = 1024 * 1024;

/// An event whose entry has exactly this many bytes.
fn of_size(make: impl Fn(String) -> Outgoing, size: usize) -> Outgoing {
    // The time's digits aren't always as many.
    let mut made = std::iter::repeat_with(|| {
        let empty = make(String::new()).batch_entry(false).size();
        make("x".repeat(size - empty))
    });
    made.find(|outgoing| outgoing.batch_entry(false).size() == size)
        .unwrap()
}

fn topic_of(size: usize) -> Reply {
    Reply::Attributes(vec![
        ("TopicArn", "a".into()),
        ("MaximumMessageSize", size.to_string()),
    ])
}

/// Answers what the topic takes with `limit`, and refuses what is more, as SNS was recorded to do it
/// (`localstack/tests/data/README.md`).
fn topic(limit: usize) -> Aws {
    Aws::new(move |call| match call.operation.as_str() {
        "GetTopicAttributes" => topic_of(limit),
        "SendMessageBatch" => Reply::Taken,
        _ if call.size() > limit => Reply::Error(400, "BatchRequestTooLong"),
        _ => Reply::Taken,
    })
}

/// "Batch size computed in characters".
#[tokio::test(start_paused = true)]
async fn batch_size_computed_in_characters() {
    // Ten messages of four-byte characters: in characters they would fit into one call with room to
    // spare, in bytes only six do.
    let aws = topic(TOPIC);
    let outgoing: Vec<_> = (0..10).map(|_| placed("🎺".repeat(10_000))).collect();
    let results = publisher(&aws).publish(outgoing).await;
    assert!(results.iter().all(Result::is_ok));
    let calls: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.operation == "PublishBatch")
        .collect();
    assert_eq!(
        calls.iter().map(|call| call.entries.len()).collect::<Vec<_>>(),
        [6, 4]
    );
    assert!(calls.iter().all(|call| call.size() <= TOPIC));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_exactly_the_limit_goes_and_one_byte_more_does_not() {
    let aws = topic(TOPIC);
    let publisher = publisher(&aws);
    one(&publisher, of_size(placed, TOPIC)).await.unwrap();
    match one(&publisher, of_size(placed, TOPIC + 1)).await {
        Err(PublishError::TooLarge {
            destination,
            size,
            limit,
        }) => {
            assert_eq!(
                (destination.as_str(), size, limit),
                ("topic orders", TOPIC + 1, TOPIC)
            );
        }
        other => panic!("{other:?}"),
    }
    one(&publisher, of_size(pay, QUEUE)).await.unwrap();
    match one(&publisher, of_size(pay, QUEUE + 1)).await {
        Err(PublishError::TooLarge { size, limit, .. }) => assert_eq!((size, limit), (QUEUE + 1, QUEUE)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_oversize_entry_fails_and_never_its_batch() {
    let aws = topic(TOPIC);
    let mut outgoing = many(9);
    outgoing.insert(3, of_size(placed, TOPIC + 1));
    let results = publisher(&aws).publish(outgoing).await;
    for (place, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), place != 3, "{place}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_takes_more_is_asked_once_and_used() {
    let aws = topic(QUEUE);
    let publisher = publisher(&aws);
    let outgoing = (0..3).map(|_| of_size(placed, QUEUE / 3)).collect();
    assert!(publisher.publish(outgoing).await.iter().all(Result::is_ok));
    one(&publisher, of_size(placed, QUEUE)).await.unwrap();
    let operations: Vec<_> = aws
        .calls()
        .into_iter()
        .map(|call| (call.operation, call.entries.len()))
        .collect();
    let operations: Vec<_> = operations
        .iter()
        .map(|(name, entries)| (name.as_str(), *entries))
        .collect();
    assert_eq!(
        operations,
        [
            ("GetTopicAttributes", 0),
            ("PublishBatch", 3),
            ("PublishBatch", 1)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_not_asked_while_all_messages_are_small() {
    let aws = topic(TOPIC);
    assert!(publisher(&aws).publish(many(30)).await.iter().all(Result::is_ok));
    assert!(aws.calls().iter().all(|call| call.operation == "PublishBatch"));
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_to_ask_the_default_holds() {
    let aws = Aws::new(|call| match call.operation.as_str() {
        "GetTopicAttributes" => Reply::Error(403, "AuthorizationError"),
        _ => Reply::Taken,
    });
    let publisher = publisher(&aws);
    one(&publisher, of_size(placed, TOPIC)).await.unwrap();
    assert!(matches!(
        one(&publisher, of_size(placed, TOPIC + 1)).await,
        Err(PublishError::TooLarge { limit: TOPIC, .. })
    ));
    let asked = aws
        .calls()
        .iter()
        .filter(|call| call.operation == "GetTopicAttributes")
        .count();
    assert_eq!(asked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_permission_to_ask_that_comes_later_is_found_within_a_minute() {
    let aws = Aws::new(|call| match call.operation.as_str() {
        "GetTopicAttributes" if call.at < Duration::from_secs(30) => Reply::Error(403, "AuthorizationError"),
        "GetTopicAttributes" => topic_of(QUEUE),
        _ => Reply::Taken,
    });
    let publisher = publisher(&aws);
    let large = || of_size(placed, TOPIC + 1);
    assert!(one(&publisher, large()).await.is_err());
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(one(&publisher, large()).await.is_err(), "not asked again yet");
    tokio::time::sleep(Duration::from_secs(2)).await;
    one(&publisher, large()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_the_limit_cannot_be_read_only_what_needs_it_waits() {
    let aws = Aws::new(|call| match call.operation.as_str() {
        "GetTopicAttributes" if call.at < Duration::from_secs(2) => Reply::Error(503, "ServiceUnavailable"),
        "GetTopicAttributes" => topic_of(QUEUE),
        _ => Reply::Taken,
    });
    let publisher = publisher(&aws);
    let start = tokio::time::Instant::now();
    one(&publisher, of_size(placed, TOPIC)).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(100));
    one(&publisher, of_size(placed, TOPIC + 1)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_takes_less_than_the_default_gets_smaller_batches() {
    let aws = topic(4_096);
    let results = publisher(&aws)
        .publish((0..10).map(|_| placed("x".repeat(600))).collect())
        .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(aws.taken().len(), 10, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_destination_finds_too_long_fails_alone() {
    let aws = topic(4_096);
    let mut outgoing = many(4);
    outgoing.insert(2, placed("x".repeat(5_000)));
    let publisher = publisher(&aws);
    let results = publisher.publish(outgoing).await;
    for (place, result) in results.iter().enumerate() {
        match result {
            Err(PublishError::TooLarge { size, limit, .. }) if place == 2 => {
                assert!(*size > 5_000 && *limit == 4_096, "{size} and {limit}");
            }
            result => assert!(result.is_ok() && place != 2, "{place}: {result:?}"),
        }
    }
    // From now on it is known, and not tried.
    let calls = aws.calls().len();
    let again = one(&publisher, placed("x".repeat(5_000))).await;
    assert!(
        matches!(again, Err(PublishError::TooLarge { limit: 4_096, .. })),
        "{again:?}"
    );
    assert_eq!(aws.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_a_limit_that_may_not_be_read_is_refused_with_the_reason() {
    let aws = Aws::new(|call| match call.operation.as_str() {
        "GetTopicAttributes" => Reply::Error(403, "AuthorizationError"),
        _ => Reply::Error(400, "BatchRequestTooLong"),
    });
    match one(&publisher(&aws), placed("x".repeat(5_000))).await {
        Err(PublishError::Rejected { reason, .. }) => {
            assert!(reason.contains("BatchRequestTooLong"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

/// "Trace injection breaks the send" by exceeding the size: the body is as large as may be, and in a
/// trace context.
#[tokio::test(start_paused = true)]
async fn trace_injection_breaks_the_send() {
    let aws = Aws::new(|call| {
        let limit = if call.operation == "PublishBatch" {
            TOPIC
        } else {
            QUEUE
        };
        match call.operation.as_str() {
            "GetTopicAttributes" => topic_of(TOPIC),
            _ if call.size() > limit || call.entries.iter().any(|entry| entry.attributes.len() > 10) => {
                Reply::Each(vec![One::Failed("InvalidParameter", true)])
            }
            _ => Reply::Taken,
        }
    });
    let mut publisher = publisher(&aws);
    let mut own = 0;
    for number in 0..5 {
        let (name, value) = (format!("own-{number}"), "v");
        own += name.len() + "String".len() + value.len();
        publisher = publisher
            .attribute(name, fanfare::Attribute::string(value))
            .unwrap();
    }
    let traced = |outgoing: Outgoing| Outgoing {
        envelope: outgoing
            .envelope
            .with_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
        ..outgoing
    };
    for (make, limit) in [(placed as fn(String) -> Outgoing, TOPIC), (pay, QUEUE)] {
        // The trace context is in the envelope and so in its size; the header must add nothing to it.
        let outgoing = of_size(|text| traced(make(text)), limit - 1 - own);
        one(&publisher, outgoing).await.unwrap();
    }
    let sizes: Vec<_> = aws.taken().iter().map(|entry| entry.size()).collect();
    assert_eq!(sizes, [TOPIC - 1, QUEUE - 1]);
    assert!(aws.calls().iter().any(|call| call.trace.is_some()));
    assert!(aws.taken()[1].trace.is_some());
}

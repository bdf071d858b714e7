//! Topics and subscriptions of the in-process broker behave as SNS's do.

use std::time::{Duration, UNIX_EPOCH};

use fanfare::fault::FaultPlan;
use fanfare::memory::{
    Broker, BrokerError, Entry, FilterPolicy, QueueSettings, Receive, ReceivedMessage, Scope,
    SubscriptionSettings, TopicSettings,
};
use fanfare::{Attribute, Attributes, Clock};
use serde_json::{Value, json};

fn broker(queues: &[&str]) -> Broker {
    let broker = Broker::new(
        Clock::tokio(UNIX_EPOCH + Duration::from_millis(1_700_000_000_045)),
        FaultPlan::none(),
    );
    broker.create_topic("t", TopicSettings::default()).unwrap();
    for queue in queues {
        broker.create_queue(queue, QueueSettings::default()).unwrap();
    }
    broker
}

async fn receive(broker: &Broker, queue: &str) -> Vec<ReceivedMessage> {
    broker
        .receive(
            queue,
            Receive {
                max: 10,
                ..Receive::default()
            },
        )
        .await
        .unwrap()
}

fn typed(ty: &str) -> Entry {
    Entry {
        attributes: Attributes::from([("type".to_owned(), Attribute::string(ty))]),
        ..Entry::new(ty)
    }
}

fn many(count: usize) -> Entry {
    let attributes = (0..count)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    Entry {
        attributes,
        ..Entry::new("x")
    }
}

fn only(policy: Value, scope: Scope) -> SubscriptionSettings {
    SubscriptionSettings {
        filter: Some(FilterPolicy::parse(&policy, scope).unwrap()),
        ..SubscriptionSettings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn each_subscription_gets_what_its_policy_takes() {
    let broker = broker(&["all", "placed", "body"]);
    broker
        .subscribe("t", "all", SubscriptionSettings::default())
        .unwrap();
    let placed = only(json!({"type": ["order.placed"]}), Scope::MessageAttributes);
    broker.subscribe("t", "placed", placed).unwrap();
    broker
        .subscribe(
            "t",
            "body",
            only(json!({"cents": [{"numeric": [">", 100]}]}), Scope::MessageBody),
        )
        .unwrap();
    broker
        .publish_batch("t", vec![typed("order.placed"), typed("order.shipped")])
        .unwrap();
    broker.publish("t", Entry::new(r#"{"cents": 101}"#)).unwrap();
    assert_eq!(receive(&broker, "all").await.len(), 3);
    let placed = receive(&broker, "placed").await;
    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].body, "order.placed");
    assert_eq!(
        placed[0].attributes,
        typed("order.placed").attributes,
        "raw: as published"
    );
    assert_eq!(receive(&broker, "body").await[0].body, r#"{"cents": 101}"#);
}

#[tokio::test(start_paused = true)]
async fn each_delivery_has_a_message_id_of_its_own() {
    let broker = broker(&["one", "two"]);
    broker
        .subscribe("t", "one", SubscriptionSettings::default())
        .unwrap();
    broker
        .subscribe("t", "two", SubscriptionSettings::default())
        .unwrap();
    let sent = broker.publish("t", Entry::new("x")).unwrap();
    let (one, two) = (receive(&broker, "one").await, receive(&broker, "two").await);
    assert_ne!(one[0].id, two[0].id);
    assert_ne!(one[0].id, sent.message_id);
}

#[tokio::test(start_paused = true)]
async fn without_raw_delivery_the_message_comes_in_snss_notification() {
    let broker = broker(&["q"]);
    broker
        .subscribe(
            "t",
            "q",
            SubscriptionSettings {
                raw: false,
                ..SubscriptionSettings::default()
            },
        )
        .unwrap();
    let attributes = Attributes::from([
        ("type".to_owned(), Attribute::string("a.b")),
        ("raw".to_owned(), Attribute::Binary { value: vec![0, 255] }),
    ]);
    let entry = Entry {
        attributes,
        subject: Some("hello".into()),
        ..Entry::new(r#"{"x":1}"#)
    };
    let sent = broker.publish("t", entry).unwrap();
    let received = receive(&broker, "q").await;
    assert!(received[0].attributes.is_empty());
    let mut body: Value = serde_json::from_str(&received[0].body).unwrap();
    assert!(body.as_object_mut().unwrap().remove("UnsubscribeURL").is_some());
    assert_eq!(
        body,
        json!({
            "Type": "Notification",
            "MessageId": sent.message_id,
            "TopicArn": "arn:aws:sns:us-east-1:000000000000:t",
            "Subject": "hello",
            "Message": r#"{"x":1}"#,
            "Timestamp": "2023-11-14T22:13:20.045Z",
            "SignatureVersion": "1",
            "Signature": "bm90IHNpZ25lZA==",
            "SigningCertURL": "urn:fanfare:not-signed",
            "MessageAttributes": {
                "type": {"Type": "String", "Value": "a.b"},
                "raw": {"Type": "Binary", "Value": "AP8="}
            }
        })
    );
}

#[tokio::test(start_paused = true)]
async fn over_10_attributes_with_raw_delivery_are_dropped_and_counted_or_go_to_the_dead_letter_queue() {
    let broker = broker(&["q", "dead", "kept", "wrapped"]);
    broker
        .subscribe("t", "q", SubscriptionSettings::default())
        .unwrap();
    let kept = SubscriptionSettings {
        dead_letter_queue: Some("dead".into()),
        ..SubscriptionSettings::default()
    };
    broker.subscribe("t", "kept", kept).unwrap();
    let wrapped = SubscriptionSettings {
        raw: false,
        ..SubscriptionSettings::default()
    };
    broker.subscribe("t", "wrapped", wrapped).unwrap();
    broker.publish("t", many(11)).expect("the topic takes it");
    assert!(receive(&broker, "q").await.is_empty());
    assert!(receive(&broker, "kept").await.is_empty());
    assert_eq!(receive(&broker, "dead").await[0].attributes.len(), 11);
    assert_eq!(receive(&broker, "wrapped").await.len(), 1);
    let dropped: Vec<_> = broker
        .subscriptions()
        .iter()
        .map(|subscription| subscription.dropped)
        .collect();
    assert_eq!(dropped, [1, 0, 0]);
    broker.publish("t", many(10)).unwrap();
    assert_eq!(receive(&broker, "q").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_does_not_take_stops_no_other_queue() {
    let broker = broker(&["gone", "small", "q"]);
    broker
        .set_queue(
            "small",
            QueueSettings {
                maximum_size: 1024,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    for queue in ["gone", "small", "q"] {
        broker
            .subscribe("t", queue, SubscriptionSettings::default())
            .unwrap();
    }
    broker.delete_queue("gone");
    broker.publish("t", Entry::new("x".repeat(2000))).unwrap();
    assert_eq!(receive(&broker, "q").await.len(), 1);
    let dropped: Vec<_> = broker
        .subscriptions()
        .iter()
        .map(|subscription| subscription.dropped)
        .collect();
    assert_eq!(dropped, [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_takes_256_kib_unless_it_is_set_to_more() {
    let broker = broker(&[]);
    let of = |size: usize| Entry::new("x".repeat(size));
    broker.publish("t", of(256 * 1024)).unwrap();
    let error = broker.publish("t", of(256 * 1024 + 1)).unwrap_err();
    assert_eq!(
        error,
        BrokerError::TooLarge {
            destination: "t".into(),
            size: 262_145,
            limit: 262_144
        }
    );
    let error = broker
        .publish_batch("t", vec![of(200_000), of(100_000)])
        .unwrap_err();
    assert!(
        matches!(
            error,
            BrokerError::BatchTooLarge {
                size: 300_000,
                limit: 262_144,
                ..
            }
        ),
        "{error}"
    );
    broker
        .set_topic(
            "t",
            TopicSettings {
                maximum_size: 1024 * 1024,
                ..TopicSettings::default()
            },
        )
        .unwrap();
    broker.publish_batch("t", vec![of(200_000), of(100_000)]).unwrap();
}

#[test]
fn subscriptions_are_made_once_changed_and_removed() {
    let broker = Broker::default();
    broker.create_topic("t", TopicSettings::default()).unwrap();
    broker.create_topic("t", TopicSettings::default()).unwrap();
    let other = TopicSettings {
        maximum_size: 2048,
        ..TopicSettings::default()
    };
    assert!(matches!(
        broker.create_topic("t", other),
        Err(BrokerError::Exists(_))
    ));
    broker.create_queue("q", QueueSettings::default()).unwrap();
    let settings = SubscriptionSettings::default;
    assert_eq!(
        broker.subscribe("none", "q", settings()),
        Err(BrokerError::NoTopic("none".into()))
    );
    assert_eq!(
        broker.subscribe("t", "none", settings()),
        Err(BrokerError::NoQueue("none".into()))
    );
    let id = broker.subscribe("t", "q", settings()).unwrap();
    assert_eq!(broker.subscribe("t", "q", settings()).unwrap(), id);
    let wrapped = || SubscriptionSettings {
        raw: false,
        ..SubscriptionSettings::default()
    };
    assert!(matches!(
        broker.subscribe("t", "q", wrapped()),
        Err(BrokerError::Exists(_))
    ));
    broker.set_subscription(&id, wrapped()).unwrap();
    assert!(!broker.subscriptions()[0].settings.raw);
    broker.unsubscribe(&id);
    assert!(broker.subscriptions().is_empty());
    assert_eq!(
        broker.set_subscription(&id, settings()),
        Err(BrokerError::NoSubscription(id))
    );
    broker.delete_topic("t");
    assert!(broker.topics().is_empty());
}

#[test]
fn a_topic_has_at_most_200_filter_policies() {
    let broker = Broker::default();
    broker.create_topic("t", TopicSettings::default()).unwrap();
    let policy = || only(json!({"type": ["x"]}), Scope::MessageAttributes);
    for number in 0..=200 {
        let queue = format!("q{number}");
        broker.create_queue(&queue, QueueSettings::default()).unwrap();
        let result = broker.subscribe("t", &queue, policy());
        assert_eq!(result.is_ok(), number < 200, "{result:?}");
    }
    broker
        .subscribe("t", "q200", SubscriptionSettings::default())
        .unwrap();
}

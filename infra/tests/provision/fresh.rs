//! A fresh account gets everything, and messages go through it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::memory::{Redrive, RedriveAllow};
use fanfare::port::Publish;
use fanfare::{App, Clock, Delivery, Draft, Event, Failure, Handled, Router};
use fanfare_infra::Outcome;
use fanfare_local::Local;
use fanfare_publisher::Publisher;
use fanfare_worker::Worker;
use serde_json::{Value, json};

use crate::world::*;

const EVERYTHING: [&str; 16] = [
    "topic shop-ledger.fifo",
    "topic shop-orders",
    "topic shop-payments",
    "queue shop-payment-dlq",
    "queue shop-payment-undelivered",
    "queue shop-payment",
    "queue shop-books-dlq.fifo",
    "queue shop-books-undelivered.fifo",
    "queue shop-books.fifo",
    "queue shop-mail-dlq",
    "queue shop-mail",
    "table shop-ledger",
    "table shop-fanfare",
    "subscription shop-orders to shop-payment",
    "subscription shop-payments to shop-payment",
    "subscription shop-ledger.fifo to shop-books.fifo",
];

#[tokio::test(start_paused = true)]
async fn everything_is_made_and_told_of() {
    let local = Local::new().unwrap();
    let deployment = deployment(&local.sdk_config()).await;
    let planned = deployment.plan().await.unwrap();
    assert!(local.broker().queues().is_empty() && local.broker().topics().is_empty());
    let report = deployment.provision().await.unwrap();

    assert_eq!(outcomes(&report, &Outcome::Made), EVERYTHING);
    assert_eq!(report.entries(), planned.entries());
    assert!(
        planned
            .to_string()
            .contains("16 to make, 0 to change, 0 there already"),
        "{planned}"
    );
    assert!(
        report.to_string().contains("16 made, 0 changed, 0 there already"),
        "{report}"
    );
    assert!(report.notes()[0].contains("15 minutes"), "{report}");
    assert_eq!(local.calls()["sns.Subscribe"], 3);
    assert_eq!(local.calls().get("sns.SetSubscriptionAttributes"), None);
}

#[tokio::test(start_paused = true)]
async fn queues_have_the_consumers_settings_and_the_topology_s_wiring() {
    let local = provisioned().await;
    let broker = local.broker();
    let queue = broker.queue_settings("shop-payment").unwrap();
    assert_eq!(queue.visibility_timeout, Duration::from_secs(30));
    assert_eq!(queue.retention, Duration::from_secs(4 * 24 * 60 * 60));
    assert_eq!(queue.receive_wait, Duration::from_secs(20));
    let redrive = Redrive {
        dead_letter_queue: "shop-payment-dlq".into(),
        max_receive_count: 5,
    };
    assert_eq!(queue.redrive, Some(redrive));

    let two_weeks = Duration::from_secs(14 * 24 * 60 * 60);
    let dead = broker.queue_settings("shop-payment-dlq").unwrap();
    assert_eq!((dead.retention, dead.redrive), (two_weeks, None));
    assert_eq!(
        dead.redrive_allow,
        RedriveAllow::Queues(vec!["shop-payment".into()])
    );
    let undelivered = broker.queue_settings("shop-books-undelivered.fifo").unwrap();
    assert_eq!(undelivered.retention, two_weeks);
    let config = local.sdk_config();
    for queue in broker.queues() {
        let attributes = attributes(&config, &queue).await;
        assert_eq!(attributes["SqsManagedSseEnabled"], "true", "{queue}");
        let fifo = attributes.get("FifoQueue").map(String::as_str);
        assert_eq!(fifo, queue.ends_with(".fifo").then_some("true"), "{queue}");
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_the_subscribed_topics_may_send_to_a_queue() {
    let local = provisioned().await;
    let config = local.sdk_config();
    for (queue, topics) in [
        ("shop-payment", &["shop-orders", "shop-payments"][..]),
        ("shop-payment-undelivered", &["shop-orders", "shop-payments"]),
        ("shop-books.fifo", &["shop-ledger.fifo"]),
        ("shop-books-undelivered.fifo", &["shop-ledger.fifo"]),
    ] {
        let topics: Vec<_> = topics.iter().map(|topic| topic_arn(topic)).collect();
        let policy: Value = serde_json::from_str(&attributes(&config, queue).await["Policy"]).unwrap();
        let statement = json!([{
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
        }, encrypted("sqs:*", queue_arn(queue))]);
        assert_eq!(policy["Statement"], statement, "{queue}");
    }
    for queue in ["shop-payment-dlq", "shop-mail", "shop-mail-dlq"] {
        let policy: Value = serde_json::from_str(&attributes(&config, queue).await["Policy"]).unwrap();
        let statement = json!([encrypted("sqs:*", queue_arn(queue))]);
        assert_eq!(policy["Statement"], statement, "{queue}");
    }
}

/// Nobody may do this without TLS.
fn encrypted(action: &str, resource: String) -> Value {
    json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

#[tokio::test(start_paused = true)]
async fn topics_take_nothing_that_isn_t_encrypted_on_its_way() {
    let local = provisioned().await;
    let sns = aws_sdk_sns::Client::new(&local.sdk_config());
    for topic in ["shop-orders", "shop-ledger.fifo"] {
        let answer = sns
            .get_topic_attributes()
            .topic_arn(topic_arn(topic))
            .send()
            .await;
        let policy = answer.unwrap().attributes.unwrap()["Policy"].clone();
        let policy: Value = serde_json::from_str(&policy).unwrap();
        let statement = json!([encrypted("sns:Publish", topic_arn(topic))]);
        assert_eq!(policy["Statement"], statement, "{topic}");
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_raw_and_filtered_and_have_a_queue_for_what_isn_t_delivered() {
    let local = provisioned().await;
    let subscriptions = local.broker().subscriptions();
    let of = |topic: &str| {
        let found = subscriptions
            .iter()
            .find(|subscription| subscription.topic == topic);
        found.unwrap().settings.clone()
    };
    let orders = of("shop-orders");
    assert!(orders.raw);
    let types = json!({"type": ["order.cancelled", "order.placed"]});
    assert_eq!(orders.filter.unwrap().json(), &types);
    assert_eq!(
        orders.dead_letter_queue.as_deref(),
        Some("shop-payment-undelivered")
    );
    let ledger = of("shop-ledger.fifo");
    assert_eq!(
        ledger.dead_letter_queue.as_deref(),
        Some("shop-books-undelivered.fifo")
    );
}

#[tokio::test(start_paused = true)]
async fn tables_are_as_described_and_expire() {
    let local = provisioned().await;
    let dynamo = aws_sdk_dynamodb::Client::new(&local.sdk_config());
    let table = dynamo
        .describe_table()
        .table_name("shop-fanfare")
        .send()
        .await
        .unwrap();
    let table = table.table.unwrap();
    let stream = table.stream_specification().unwrap();
    assert_eq!(stream.stream_view_type().unwrap().as_str(), "NEW_IMAGE");
    assert_eq!(table.global_secondary_indexes()[0].index_name(), Some("pending"));
    let billing = table.billing_mode_summary().unwrap().billing_mode().unwrap();
    assert_eq!(billing.as_str(), "PAY_PER_REQUEST");
    let expiry = dynamo
        .describe_time_to_live()
        .table_name("shop-fanfare")
        .send()
        .await
        .unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name(), Some("expires_at"));
    let tags = dynamo
        .list_tags_of_resource()
        .resource_arn(table.table_arn().unwrap());
    assert!(tags.send().await.unwrap().tags().is_empty());
}

/// A consumer that keeps the keys of what it gets.
fn keeping<E: Event>(name: &str, kept: &Arc<Mutex<Vec<String>>>, key: fn(&E) -> &str) -> Router {
    let kept = kept.clone();
    Router::new(name).on::<E>(move |delivery: Delivery<E>| {
        let kept = kept.clone();
        async move {
            kept.lock().unwrap().push(key(&delivery).to_owned());
            Ok::<_, Failure>(Handled::Applied)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_published_reaches_workers_over_what_was_made() {
    let local = Local::new().unwrap();
    let config = local.sdk_config();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let app = App::new("shop")
        .producer(checkout())
        .consumer(keeping::<OrderPlaced>("payment", &kept, |placed| &placed.key))
        .consumer(keeping::<LedgerPosted>("books", &kept, |posted| &posted.key))
        .consumer(
            Router::new("mail")
                .on_command::<SendMail>(|_: Delivery<SendMail>| async { Ok::<_, Failure>(Handled::Applied) }),
        );
    let topology = app.topology().unwrap();
    of(&config, &topology, &[]).await.provision().await.unwrap();

    let publisher = Publisher::new(&config, &local.account(), &topology);
    let key = |key: &str| key.to_owned();
    let drafts = [
        Draft::event(&OrderPlaced { key: key("17") }),
        // Nobody takes it, and the filter policy keeps it out.
        Draft::event(&OrderCancelled { key: key("18") }),
        Draft::event(&LedgerPosted { key: key("19") }),
    ];
    let clock = Clock::system();
    let envelopes = drafts
        .into_iter()
        .map(|draft| draft.unwrap().first("/checkout", &clock));
    for result in publisher.publish(envelopes.collect()).await {
        result.unwrap();
    }
    assert_eq!(local.broker().counts("shop-payment").unwrap().visible, 1);
    for service in app.services().unwrap() {
        let worker = Worker::connect(&config, &topology, service).await.unwrap();
        worker
            .serve(tokio::time::sleep(Duration::from_secs(30)))
            .await
            .unwrap();
    }
    assert_eq!(*kept.lock().unwrap(), ["17", "19"]);
}

#[tokio::test(start_paused = true)]
async fn what_can_t_be_delivered_is_kept_apart() {
    let local = provisioned().await;
    local.broker().delete_queue("shop-payment");
    let publisher = Publisher::new(&local.sdk_config(), &local.account(), &topology());
    let draft = Draft::event(&OrderPlaced { key: "17".into() }).unwrap();
    let envelope = draft.first("/checkout", &Clock::system());
    for result in publisher.publish(vec![envelope]).await {
        result.unwrap();
    }
    let counts = local.broker().counts("shop-payment-undelivered").unwrap();
    assert_eq!(counts.visible, 1);
}

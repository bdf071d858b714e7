//! What is there with other settings is named, and set only by an update.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use fanfare::memory::{FilterPolicy, QueueSettings, RedriveAllow, Scope, SubscriptionSettings};
use fanfare::table::{Index, Key, Stream, Table};
use fanfare_infra::{Difference, Outcome};
use fanfare_local::Local;
use serde_json::json;

use crate::world::*;

fn texts(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

/// Provisions without and with an update: the differences are these, nothing is overwritten without,
/// and all is as it should be with.
async fn named_then_set(local: &Local, expected: &[&str]) {
    let config = local.sdk_config();
    let reference = contents(&provisioned().await).await;
    let before = contents(local).await;
    assert_ne!(before, reference);
    let deployment = deployment(&config).await;
    for error in [deployment.provision().await, deployment.plan().await] {
        assert_eq!(texts(&differing(error.unwrap_err())), expected);
    }
    assert_eq!(contents(local).await, before, "it was overwritten");

    let report = deployment.clone().update(true).provision().await.unwrap();
    let changed = report.entries().iter().filter_map(|entry| match &entry.outcome {
        Outcome::Changed(differences) => Some(differences.clone()),
        _ => None,
    });
    assert_eq!(texts(&changed.flatten().collect::<Vec<_>>()), expected);
    assert_eq!(contents(local).await, reference);
    assert!(deployment.provision().await.unwrap().is_unchanged());
}

fn change_queue(local: &Local, queue: &str, change: impl FnOnce(&mut QueueSettings)) {
    let mut settings = local.broker().queue_settings(queue).unwrap();
    change(&mut settings);
    local.broker().set_queue(queue, settings).unwrap();
}

async fn set_queue(local: &Local, queue: &str, attribute: &str, value: &str) {
    let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    let set = sqs.set_queue_attributes().queue_url(url(queue));
    set.attributes(attribute.into(), value).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_queues() {
    let local = provisioned().await;
    change_queue(&local, "shop-payment", |settings| {
        settings.visibility_timeout = Duration::from_secs(60);
        settings.retention = Duration::from_secs(3600);
        settings.receive_wait = Duration::ZERO;
        settings.redrive.as_mut().unwrap().max_receive_count = 9;
    });
    change_queue(&local, "shop-mail", |settings| settings.redrive = None);
    change_queue(&local, "shop-books-dlq.fifo", |settings| {
        settings.retention = Duration::from_secs(3600);
        settings.redrive_allow = RedriveAllow::All;
    });
    set_queue(
        &local,
        "shop-payment-undelivered",
        "SqsManagedSseEnabled",
        "false",
    )
    .await;
    let dead = queue_arn("shop-payment-dlq");
    let mail = queue_arn("shop-mail-dlq");
    let books = queue_arn("shop-books.fifo");
    named_then_set(
        &local,
        &[
            "queue shop-payment-undelivered: SqsManagedSseEnabled is false, should be true",
            "queue shop-payment: MessageRetentionPeriod is 3600, should be 345600",
            "queue shop-payment: ReceiveMessageWaitTimeSeconds is 0, should be 20",
            &format!(
                "queue shop-payment: RedrivePolicy is {{\"deadLetterTargetArn\":\"{dead}\",\"maxReceiveCount\":9}}, should \
                 be {{\"deadLetterTargetArn\":\"{dead}\",\"maxReceiveCount\":5}}"
            ),
            "queue shop-payment: VisibilityTimeout is 60, should be 30",
            "queue shop-books-dlq.fifo: MessageRetentionPeriod is 3600, should be 1209600",
            &format!(
                "queue shop-books-dlq.fifo: RedriveAllowPolicy is not set, should be \
                 {{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"{books}\"]}}"
            ),
            &format!(
                "queue shop-mail: RedrivePolicy is not set, should be \
                 {{\"deadLetterTargetArn\":\"{mail}\",\"maxReceiveCount\":5}}"
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_a_queue_s_policy() {
    let local = provisioned().await;
    let whole = attributes(&local.sdk_config(), "shop-payment").await["Policy"].clone();
    let partial = whole.replace(&format!(",\"{}\"", topic_arn("shop-payments")), "");
    assert_ne!(whole, partial);
    set_queue(&local, "shop-payment", "Policy", &partial).await;
    set_queue(&local, "shop-books.fifo", "Policy", "").await;
    let books = whole
        .replace("shop-payment\"", "shop-books.fifo\"")
        .replace(&format!(",\"{}\"", topic_arn("shop-payments")), "")
        .replace("shop-orders", "shop-ledger.fifo");
    named_then_set(
        &local,
        &[
            &format!("queue shop-payment: Policy is {partial}, should be {whole}"),
            &format!("queue shop-books.fifo: Policy is not set, should be {books}"),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_the_key_by_which_sns_can_t_deliver() {
    let local = provisioned().await;
    // Where SNS sends nothing it is no less than any other.
    for queue in [
        "shop-payment",
        "shop-payment-undelivered",
        "shop-payment-dlq",
        "shop-mail",
    ] {
        set_queue(&local, queue, "KmsMasterKeyId", "alias/aws/sqs").await;
        set_queue(&local, queue, "SqsManagedSseEnabled", "false").await;
    }
    let deployment = deployment(&local.sdk_config()).await;
    let differences = differing(deployment.provision().await.unwrap_err());
    let expected = [
        "queue shop-payment-undelivered: SqsManagedSseEnabled is false, should be true",
        "queue shop-payment-undelivered: KmsMasterKeyId is alias/aws/sqs, should be not set",
        "queue shop-payment: SqsManagedSseEnabled is false, should be true",
        "queue shop-payment: KmsMasterKeyId is alias/aws/sqs, should be not set",
    ];
    assert_eq!(texts(&differences), expected);
    let report = deployment.clone().update(true).provision().await.unwrap();
    let line = "queue shop-payment: SqsManagedSseEnabled from false to true, KmsMasterKeyId from alias/aws/sqs to \
                nothing\n";
    assert!(report.to_string().contains(line), "{report}");
    assert!(deployment.provision().await.unwrap().is_unchanged());
    let set = attributes(&local.sdk_config(), "shop-payment").await;
    assert_eq!(set.get("KmsMasterKeyId"), None);
    assert_eq!(set["SqsManagedSseEnabled"], "true");
}

#[tokio::test(start_paused = true)]
async fn of_the_key_that_the_application_says() {
    let local = provisioned().await;
    let config = local.sdk_config();
    let own = app().encryption_key("alias/shop").topology().unwrap();
    let deployment = of(&config, &own, &tables()).await;
    let differences = differing(deployment.provision().await.unwrap_err());
    // Three topics, and of the consumers two queues each and one for what can't be delivered to two.
    assert_eq!(differences.len(), 3 + 3 * 2 + 2);
    let of_key = |difference: &&Difference| difference.setting == "KmsMasterKeyId";
    assert_eq!(differences.iter().filter(of_key).count(), differences.len());
    deployment.clone().update(true).provision().await.unwrap();
    assert!(deployment.provision().await.unwrap().is_unchanged());
    assert_eq!(
        attributes(&config, "shop-payment").await["KmsMasterKeyId"],
        "alias/shop"
    );

    // Anew it is made so.
    let local = Local::new().unwrap();
    let deployment = of(&local.sdk_config(), &own, &tables()).await;
    deployment.provision().await.unwrap();
    assert!(deployment.provision().await.unwrap().is_unchanged());
}

#[tokio::test(start_paused = true)]
async fn policies_that_are_written_otherwise_and_mean_the_same_are_none() {
    let local = provisioned().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny",
            "Resource": [queue_arn("shop-payment")],
            "Action": ["sqs:*"],
            "Principal": ["*"],
            "Condition": {"Bool": {"aws:SecureTransport": ["false"]}},
        }, {
            "Effect": "Allow",
            "Resource": [queue_arn("shop-payment")],
            "Action": ["sqs:SendMessage"],
            "Principal": {"Service": ["sns.amazonaws.com"]},
            "Condition": {"ArnEquals": {"aws:SourceArn": [topic_arn("shop-payments"), topic_arn("shop-orders")]}},
        }],
    });
    set_queue(&local, "shop-payment", "Policy", &format!("{policy:#}")).await;
    let dead = queue_arn("shop-payment-dlq");
    let redrive = format!("{{ \"maxReceiveCount\": \"5\", \"deadLetterTargetArn\": \"{dead}\" }}");
    set_queue(&local, "shop-payment", "RedrivePolicy", &redrive).await;
    let report = deployment(&local.sdk_config()).await.provision().await.unwrap();
    assert!(report.is_unchanged(), "{report}");
}

fn change_subscription(local: &Local, topic: &str, change: impl FnOnce(&mut SubscriptionSettings)) {
    let all = local.broker().subscriptions();
    let found = all
        .into_iter()
        .find(|subscription| subscription.topic == topic)
        .unwrap();
    let mut settings = found.settings;
    change(&mut settings);
    local.broker().set_subscription(&found.id, settings).unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_subscriptions() {
    let local = provisioned().await;
    let filter = |policy, scope| Some(FilterPolicy::parse(&policy, scope).unwrap());
    change_subscription(&local, "shop-orders", |settings| {
        settings.filter = filter(json!({"type": ["order.placed"]}), Scope::MessageAttributes);
        settings.raw = false;
    });
    change_subscription(&local, "shop-payments", |settings| {
        settings.filter = filter(json!({"type": ["payment.charged"]}), Scope::MessageBody);
        settings.dead_letter_queue = Some("shop-payment-dlq".into());
    });
    change_subscription(&local, "shop-ledger.fifo", |settings| {
        settings.dead_letter_queue = None
    });
    let redrive = |queue: &str| format!("{{\"deadLetterTargetArn\":\"{}\"}}", queue_arn(queue));
    named_then_set(
        &local,
        &[
            "subscription shop-orders to shop-payment: FilterPolicy is {\"type\":[\"order.placed\"]}, should be \
             {\"type\":[\"order.cancelled\",\"order.placed\"]}",
            "subscription shop-orders to shop-payment: RawMessageDelivery is false, should be true",
            "subscription shop-payments to shop-payment: FilterPolicyScope is MessageBody, should be MessageAttributes",
            &format!(
                "subscription shop-payments to shop-payment: RedrivePolicy is {}, should be {}",
                redrive("shop-payment-dlq"),
                redrive("shop-payment-undelivered")
            ),
            &format!(
                "subscription shop-ledger.fifo to shop-books.fifo: RedrivePolicy is not set, should be {}",
                redrive("shop-books-undelivered.fifo")
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_policy_that_was_taken_away_is_set_again_and_said_to_spread() {
    let local = provisioned().await;
    change_subscription(&local, "shop-payments", |settings| settings.filter = None);
    let deployment = deployment(&local.sdk_config()).await;
    differing(deployment.provision().await.unwrap_err());
    let report = deployment.update(true).provision().await.unwrap();
    assert!(report.notes()[0].contains("15 minutes"), "{report}");
    assert_eq!(contents(&local).await, contents(&provisioned().await).await);
}

fn dynamo(local: &Local) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&local.sdk_config())
}

/// A table of one text as its key, by hand.
async fn by_hand(local: &Local, name: &str, key: &str, billing: BillingMode) {
    let attribute = AttributeDefinition::builder()
        .attribute_name(key)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    let element = KeySchemaElement::builder()
        .attribute_name(key)
        .key_type(KeyType::Hash)
        .build();
    let mut create = dynamo(local)
        .create_table()
        .table_name(name)
        .attribute_definitions(attribute)
        .key_schema(element.unwrap())
        .billing_mode(billing.clone());
    if billing == BillingMode::Provisioned {
        let throughput = aws_sdk_dynamodb::types::ProvisionedThroughput::builder();
        let throughput = throughput.read_capacity_units(1).write_capacity_units(1).build();
        create = create.provisioned_throughput(throughput.unwrap());
    }
    create.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_tables_that_can_be_changed() {
    let local = Local::new().unwrap();
    let config = local.sdk_config();
    by_hand(&local, "points", "customer", BillingMode::Provisioned).await;
    let points = Table::new("points", Key::text("customer"))
        .expiry("gone_at")
        .stream(Stream::Both)
        .index(Index::new("by-day", Key::number("day")).sort(Key::text("customer")))
        .index(Index::new("by-shop", Key::text("shop")).keys_only());
    let topology = fanfare::App::new("shop").topology().unwrap();
    let deployment = of(&config, &topology, &[points]).await;
    let before = contents(&local).await;
    let differences = differing(deployment.provision().await.unwrap_err());
    assert_eq!(
        texts(&differences),
        [
            "table points: BillingMode is PROVISIONED, should be PAY_PER_REQUEST",
            "table points: index by-day is not set, should be day (N), customer (S)",
            "table points: index by-shop is not set, should be shop (S), keys alone",
            "table points: StreamViewType is not set, should be NEW_AND_OLD_IMAGES",
            "table points: TimeToLive is not set, should be gone_at",
        ]
    );
    assert_eq!(contents(&local).await, before);
    let report = deployment.clone().update(true).provision().await.unwrap();
    assert_eq!(report.entries()[0].outcome, Outcome::Changed(differences));
    assert!(deployment.provision().await.unwrap().is_unchanged());
}

#[tokio::test(start_paused = true)]
async fn what_can_t_be_changed_is_named_with_what_to_do_also_by_an_update() {
    let local = provisioned().await;
    let dynamo = dynamo(&local);
    dynamo
        .delete_table()
        .table_name("shop-ledger")
        .send()
        .await
        .unwrap();
    by_hand(&local, "shop-ledger", "entry", BillingMode::PayPerRequest).await;
    dynamo
        .delete_table()
        .table_name("shop-fanfare")
        .send()
        .await
        .unwrap();
    let other = fanfare_store::table("shop-fanfare");
    let mut other = other.expiry("other").stream(Stream::Keys);
    other.indexes[0].keys_only = false;
    fanfare_store::create_table(&dynamo, &other).await.unwrap();
    change_queue(&local, "shop-payment", |settings| {
        settings.visibility_timeout = Duration::ZERO
    });

    let deployment = deployment(&local.sdk_config()).await;
    let before = contents(&local).await;
    let error = deployment.provision().await.unwrap_err();
    let advice =
        "\nUntil what can't be changed is dealt with, an update (`provision --update`) changes nothing.";
    assert!(error.to_string().ends_with(advice), "{error}");
    let all = differing(error);
    assert_eq!(all.len(), 5);
    let error = deployment.clone().update(true).provision().await.unwrap_err();
    let advice = "\nUntil that is dealt with, nothing is changed.";
    assert!(error.to_string().ends_with(advice), "{error}");
    let hindered = differing(error);
    assert_eq!(hindered, all[1..]);
    assert_eq!(
        texts(&hindered),
        [
            "table shop-ledger: KeySchema is entry (S), should be order_id (S), entry (S); this can't be changed: keys \
             are for ever; give the application's table another name, or move this one's items elsewhere, delete it, \
             and run this again",
            "table shop-fanfare: index pending is shard (S), due (N), should be shard (S), due (N), keys alone; this \
             can't be changed: an index is for ever; delete it by hand, and run this again",
            "table shop-fanfare: StreamViewType is KEYS_ONLY, should be NEW_IMAGE; this can't be changed: a stream \
             shows one thing for ever; when its readers are done, switch it off by hand, and run this again",
            "table shop-fanfare: TimeToLive is other, should be expires_at; this can't be changed: switch it off by \
             hand, and run this again an hour later",
        ]
    );
    assert_eq!(contents(&local).await, before, "it was overwritten");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_a_table_made_by_hand_lacks_is_named_and_not_switched_on_silently() {
    let local = Local::new().unwrap();
    let table = Table::new("shop-fanfare", Key::text("pk"));
    fanfare_store::create_table(&dynamo(&local), &table)
        .await
        .unwrap();
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build();
    let update = dynamo(&local).update_table().table_name("shop-fanfare");
    update.stream_specification(stream.unwrap()).send().await.unwrap();
    let wanted = Table::new("shop-fanfare", Key::text("pk")).expiry("expires_at");
    let topology = fanfare::App::new("shop").topology().unwrap();
    let deployment = of(&local.sdk_config(), &topology, &[wanted]).await;
    let differences = differing(deployment.provision().await.unwrap_err());
    assert_eq!(
        texts(&differences),
        ["table shop-fanfare: TimeToLive is not set, should be expires_at"]
    );
    deployment.clone().update(true).provision().await.unwrap();
    // The stream that nobody asked for is still there.
    let there = dynamo(&local)
        .describe_table()
        .table_name("shop-fanfare")
        .send()
        .await
        .unwrap();
    assert!(there.table.unwrap().stream_specification.is_some());
}

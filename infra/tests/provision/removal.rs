//! Removing leaves an empty account, and what others have.

use fanfare::memory::{QueueSettings, Redrive, RedriveAllow, SubscriptionSettings, TopicSettings};
use fanfare::table::{Key, Table};
use fanfare_infra::{InfraError, Outcome};
use fanfare_local::Local;

use crate::tap::{Deed, Tap};
use crate::world::*;

#[tokio::test(start_paused = true)]
async fn everything_goes_and_a_second_removal_finds_nothing() {
    let local = provisioned().await;
    let deployment = deployment(&local.sdk_config()).await;
    let report = deployment.remove().await.unwrap();
    assert_eq!(outcomes(&report, &Outcome::Deleted).len(), 16);
    assert!(
        report.to_string().ends_with("16 deleted, 0 not there"),
        "{report}"
    );
    assert!(contents(&local).await.is_empty());

    let report = deployment.remove().await.unwrap();
    assert!(report.is_unchanged());
    assert_eq!(outcomes(&report, &Outcome::Absent).len(), 16);
    deployment.provision().await.unwrap();
    assert_eq!(contents(&local).await, contents(&provisioned().await).await);
}

#[tokio::test(start_paused = true)]
async fn what_others_have_stays() {
    let local = Local::new().unwrap();
    let broker = local.broker();
    broker
        .create_topic("shop-orders-archive", TopicSettings::default())
        .unwrap();
    for queue in ["shop", "shop-payment-2", "shopping-payment"] {
        broker.create_queue(queue, QueueSettings::default()).unwrap();
    }
    broker
        .subscribe("shop-orders-archive", "shop", SubscriptionSettings::default())
        .unwrap();
    let dynamo = aws_sdk_dynamodb::Client::new(&local.sdk_config());
    let table = Table::new("shop-ledger-2025", Key::text("order_id"));
    fanfare_store::create_table(&dynamo, &table).await.unwrap();
    let before = contents(&local).await;

    let deployment = deployment(&local.sdk_config()).await;
    deployment.provision().await.unwrap();
    deployment.remove().await.unwrap();
    assert_eq!(contents(&local).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_others_keeps_the_topic_and_everything_else() {
    let local = provisioned().await;
    local
        .broker()
        .create_queue("audit", QueueSettings::default())
        .unwrap();
    let id = local
        .broker()
        .subscribe("shop-orders", "audit", SubscriptionSettings::default())
        .unwrap();
    let before = contents(&local).await;
    let deployment = deployment(&local.sdk_config()).await;
    // To provision it is no business of ours.
    assert!(deployment.provision().await.unwrap().is_unchanged());
    let error = deployment.remove().await.unwrap_err();
    let InfraError::Foreign { things } = &error else {
        panic!("{error}");
    };
    let (topic, queue) = (topic_arn("shop-orders"), queue_arn("audit"));
    assert_eq!(
        *things,
        [format!("subscription {topic}:{id}, which leads to {queue}")]
    );
    assert_eq!(contents(&local).await, before);

    local.broker().unsubscribe(&id);
    deployment.remove().await.unwrap();
    assert_eq!(local.broker().queues(), ["audit"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_nobody_has_confirmed_yet_keeps_the_topic_too() {
    let local = provisioned().await;
    let before = contents(&local).await;
    let endpoint = "https://audit.example.com";
    let listed = format!(
        "<ListSubscriptionsByTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <ListSubscriptionsByTopicResult><Subscriptions>\
         <member><SubscriptionArn>Deleted</SubscriptionArn><Endpoint>gone</Endpoint></member>\
         <member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Endpoint>{endpoint}</Endpoint></member>\
         </Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
    );
    // The topics come in the order of their names.
    let tap = Tap::default().next("sns:ListSubscriptionsByTopic", [Deed::Make, Deed::Answer(listed)]);
    let deployment = deployment(&tap.on(local.sdk_config())).await;
    let error = deployment.remove().await.unwrap_err();
    let InfraError::Foreign { things } = &error else {
        panic!("{error}");
    };
    let topic = topic_arn("shop-orders");
    let text = format!("subscription of {topic}, not confirmed yet, which leads to {endpoint}");
    assert_eq!(*things, [text]);
    assert_eq!(contents(&local).await, before);
}

#[tokio::test(start_paused = true)]
async fn queues_and_tables_of_others_that_have_these_names_stay_with_everything_else() {
    let local = provisioned().await;
    let broker = local.broker();
    broker.create_queue("theirs", QueueSettings::default()).unwrap();
    let theirs = || Redrive {
        dead_letter_queue: "theirs".into(),
        max_receive_count: 5,
    };
    let change = |queue: &str, change: &dyn Fn(&mut QueueSettings)| {
        let mut settings = local.broker().queue_settings(queue).unwrap();
        change(&mut settings);
        local.broker().set_queue(queue, settings).unwrap();
    };
    change("shop-payment", &|settings| settings.redrive = Some(theirs()));
    change("shop-payment-undelivered", &|settings| {
        settings.redrive = Some(theirs())
    });
    change("shop-mail-dlq", &|settings| {
        settings.redrive_allow = RedriveAllow::Queues(vec!["shop-mail".into(), "theirs".into()]);
    });
    // Not as it should be, and yet nobody else's.
    change("shop-mail", &|settings| settings.redrive = None);
    change("shop-books-dlq.fifo", &|settings| {
        settings.redrive_allow = RedriveAllow::All
    });
    let dynamo = aws_sdk_dynamodb::Client::new(&local.sdk_config());
    dynamo
        .delete_table()
        .table_name("shop-ledger")
        .send()
        .await
        .unwrap();
    let table = Table::new("shop-ledger", Key::number("page"));
    fanfare_store::create_table(&dynamo, &table).await.unwrap();

    let before = contents(&local).await;
    let deployment = deployment(&local.sdk_config()).await;
    let error = deployment.remove().await.unwrap_err();
    let arn = queue_arn("theirs");
    let text = format!(
        "what isn't the application's would be lost, and nothing was done; remove it first, if it may go:
  queue shop-payment-undelivered, whose RedrivePolicy names {arn}
  queue shop-payment, whose RedrivePolicy names {arn}
  queue shop-mail-dlq, whose RedriveAllowPolicy names {arn}
  table shop-ledger: KeySchema is page (N), should be order_id (S), entry (S)"
    );
    assert_eq!(error.to_string(), text);
    assert!(matches!(error, InfraError::Foreign { .. }));
    assert_eq!(contents(&local).await, before);

    for queue in ["shop-payment", "shop-payment-undelivered"] {
        change(queue, &|settings| settings.redrive = None);
    }
    change("shop-mail-dlq", &|settings| {
        settings.redrive_allow = RedriveAllow::Nobody
    });
    dynamo
        .delete_table()
        .table_name("shop-ledger")
        .send()
        .await
        .unwrap();
    deployment.remove().await.unwrap();
    assert_eq!(local.broker().queues(), ["theirs"]);
}

#[tokio::test(start_paused = true)]
async fn a_protected_table_is_told_of_before_anything_is_done() {
    let local = provisioned().await;
    let before = contents(&local).await;
    let protected = Deed::Alter(|answer| answer["Table"]["DeletionProtectionEnabled"] = true.into());
    let tap = Tap::default().next("dynamodb:DescribeTable", [Deed::Make, protected]);
    let deployment = deployment(&tap.on(local.sdk_config())).await;
    let error = deployment.remove().await.unwrap_err();
    let text = "protected against deletion, and nothing was done; switch DeletionProtectionEnabled off first, if it \
                may go:\n  table shop-fanfare";
    assert_eq!(error.to_string(), text);
    assert!(matches!(error, InfraError::Protected { .. }));
    assert_eq!(contents(&local).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_long_in_going_is_looked_at_with_pauses() {
    let local = provisioned().await;
    // Called to go, it is still there; only a removal without pauses gets beyond these.
    let tap = Tap::default().next("dynamodb:DeleteTable", vec![Deed::Answer("{}".to_owned()); 400]);
    let topology = fanfare::App::new("shop").topology().unwrap();
    let ledger = &tables()[..1];
    let deployment = of(&tap.on(local.sdk_config()), &topology, ledger).await;
    let error = deployment.remove().await.unwrap_err();
    let text = "table shop-ledger is not deleted after 300s: look at it, and run this again";
    assert_eq!(error.to_string(), text);
    assert!(tap.count("dynamodb:DeleteTable") < 160);
}

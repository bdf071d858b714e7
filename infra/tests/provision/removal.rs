//! Removing leaves an empty account, and what others have.

use fanfare::memory::{QueueSettings, SubscriptionSettings, TopicSettings};
use fanfare::table::{Key, Table};
use fanfare_infra::{InfraError, Outcome};
use fanfare_local::Local;

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
    let InfraError::Foreign { subscriptions } = &error else {
        panic!("{error}");
    };
    let (topic, queue) = (topic_arn("shop-orders"), queue_arn("audit"));
    assert_eq!(*subscriptions, [format!("{topic}:{id}, which leads to {queue}")]);
    assert_eq!(contents(&local).await, before);

    local.broker().unsubscribe(&id);
    deployment.remove().await.unwrap();
    assert_eq!(local.broker().queues(), ["audit"]);
}

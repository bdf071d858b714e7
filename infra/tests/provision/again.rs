//! A second run changes nothing.

use fanfare_infra::Outcome;
use fanfare_local::Local;

use crate::tap::{Deed, Tap};
use crate::world::*;

/// Whether a call only reads.
fn reads(call: &str) -> bool {
    let (_, operation) = call.split_once(':').unwrap();
    ["Get", "List", "Describe"]
        .iter()
        .any(|word| operation.starts_with(word))
}

#[tokio::test(start_paused = true)]
async fn a_second_run_makes_no_call_that_writes_and_says_that_all_is_there() {
    let local = provisioned().await;
    let before = contents(&local).await;
    let tap = Tap::default();
    let deployment = deployment(&tap.on(local.sdk_config())).await;
    for update in [false, true] {
        let report = deployment.clone().update(update).provision().await.unwrap();
        assert!(report.is_unchanged());
        assert_eq!(outcomes(&report, &Outcome::There).len(), 16);
        assert!(
            report
                .to_string()
                .ends_with("0 made, 0 changed, 16 there already"),
            "{report}"
        );
        assert!(report.notes().is_empty());
    }
    let writes: Vec<_> = tap.calls().into_iter().filter(|call| !reads(call)).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(contents(&local).await, before);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_grows_gets_what_is_new() {
    let local = provisioned().await;
    let config = local.sdk_config();
    let grown = app().consumer(fanfare::Router::new("loyalty"));
    let report = of(&config, &grown.topology().unwrap(), &tables())
        .await
        .provision()
        .await
        .unwrap();
    let made = outcomes(&report, &Outcome::Made);
    assert_eq!(made, ["queue shop-loyalty-dlq", "queue shop-loyalty"]);
    assert!(report.notes().is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn settings_of_others_are_left_alone() {
    let local = provisioned().await;
    let config = local.sdk_config();
    let sqs = aws_sdk_sqs::Client::new(&config);
    let set = sqs.set_queue_attributes().queue_url(url("shop-payment"));
    let set = set
        .attributes("DelaySeconds".into(), "5")
        .attributes("KmsMasterKeyId".into(), "alias/own");
    set.attributes("SqsManagedSseEnabled".into(), "false")
        .send()
        .await
        .unwrap();
    let sns = aws_sdk_sns::Client::new(&config);
    let set = sns.set_topic_attributes().topic_arn(topic_arn("shop-orders"));
    set.attribute_name("DisplayName")
        .attribute_value("Orders")
        .send()
        .await
        .unwrap();
    let before = contents(&local).await;
    let report = deployment(&config).await.update(true).provision().await.unwrap();
    assert!(report.is_unchanged(), "{report}");
    assert_eq!(contents(&local).await, before);
}

#[tokio::test(start_paused = true)]
async fn throttled_and_lost_calls_are_tried_again() {
    let reference = contents(&provisioned().await).await;
    let names = {
        let tap = Tap::default();
        let deployment = deployment(&tap.on(Local::new().unwrap().sdk_config())).await;
        deployment.provision().await.unwrap();
        tap.calls()
    };
    for deed in [Deed::Refuse("Throttling"), Deed::LoseReply] {
        let local = Local::new().unwrap();
        let tap = names
            .iter()
            .fold(Tap::default(), |tap, name| tap.next(name, [deed.clone()]));
        deployment(&tap.on(local.sdk_config()))
            .await
            .provision()
            .await
            .unwrap();
        assert_eq!(contents(&local).await, reference, "{deed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_s_name_that_isn_t_free_yet_is_waited_for() {
    let local = Local::new().unwrap();
    let deleted = Deed::Refuse("AWS.SimpleQueueService.QueueDeletedRecently");
    let tap = Tap::default().next("sqs:CreateQueue", vec![deleted; 11]);
    let since = tokio::time::Instant::now();
    deployment(&tap.on(local.sdk_config()))
        .await
        .provision()
        .await
        .unwrap();
    assert!(since.elapsed() >= std::time::Duration::from_secs(55));
    assert_eq!(local.broker().queues().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_listed_though_it_is_gone_counts_as_missing() {
    let local = provisioned().await;
    let gone = Deed::Refuse("AWS.SimpleQueueService.NonExistentQueue");
    let tap = Tap::default()
        .next("sqs:GetQueueAttributes", [gone])
        .next("sns:GetSubscriptionAttributes", [Deed::Refuse("NotFound")]);
    let report = deployment(&tap.on(local.sdk_config()))
        .await
        .provision()
        .await
        .unwrap();
    let made = outcomes(&report, &Outcome::Made);
    assert_eq!(
        made,
        [
            "queue shop-payment-dlq",
            "subscription shop-orders to shop-payment"
        ]
    );
    assert_eq!(contents(&local).await, contents(&provisioned().await).await);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_somebody_makes_otherwise_meanwhile_stays_as_it_is() {
    let local = provisioned().await;
    let config = local.sdk_config();
    let mut settings = local.broker().queue_settings("shop-mail").unwrap();
    settings.visibility_timeout = std::time::Duration::ZERO;
    local.broker().set_queue("shop-mail", settings).unwrap();
    let before = contents(&local).await;
    let gone = Deed::Refuse("AWS.SimpleQueueService.NonExistentQueue");
    let tap = Tap::default().always("sqs:GetQueueUrl", gone);
    let error = deployment(&tap.on(config))
        .await
        .update(true)
        .provision()
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("sqs:CreateQueue on `shop-mail` as arn:"),
        "{text}"
    );
    assert!(text.contains(" failed: QueueAlreadyExists: "), "{text}");
    assert_eq!(contents(&local).await, before);
}

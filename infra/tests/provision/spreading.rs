//! What takes its time on AWS, and none on a local one.

use std::time::Duration;

use aws_types::SdkConfig;
use fanfare::memory::SubscriptionSettings;
use fanfare_infra::{InfraError, Outcome, Step};
use fanfare_local::Local;
use tokio::time::Instant;

use crate::tap::{Deed, Tap};
use crate::world::*;

const NAMES: &str = "the queues' names are free";
const POLICIES: &str = "SNS may send to the queues";

/// The AWS inside the process, as if it were AWS's own.
fn as_aws(config: SdkConfig) -> SdkConfig {
    let endpoint = "https://us-east-1.amazonaws.com";
    config.into_builder().endpoint_url(endpoint).build()
}

/// What a run of `provision` with an update, or of `remove`, waits for, and for how many seconds.
async fn waits(config: &SdkConfig, remove: bool) -> Vec<(&'static str, u64)> {
    let deployment = deployment(config).await.update(true);
    let mut waits = Vec::new();
    let since = Instant::now();
    let tell = |step: &Step| {
        if let Step::Waiting { time, until, .. } = step {
            waits.push((*until, time.as_millis().div_ceil(1_000).try_into().unwrap()));
        }
    };
    match remove {
        true => deployment.remove_telling(tell).await.unwrap(),
        false => deployment.provision_telling(tell).await.unwrap(),
    };
    let waited: u64 = waits.iter().map(|(_, seconds)| seconds).sum();
    assert!(since.elapsed() >= Duration::from_secs(waited), "{waits:?}");
    waits
}

async fn set_queue(local: &Local, queue: &str, attribute: &str, value: &str) {
    let sqs = aws_sdk_sqs::Client::new(&local.sdk_config());
    let set = sqs.set_queue_attributes().queue_url(url(queue));
    set.attributes(attribute.into(), value).send().await.unwrap();
}

fn unsubscribe(local: &Local) {
    let broker = local.broker();
    broker.unsubscribe(&broker.subscriptions()[0].id);
}

#[tokio::test(start_paused = true)]
async fn a_removal_on_aws_ends_when_the_names_of_its_queues_are_free() {
    let local = provisioned().await;
    let config = as_aws(local.sdk_config());
    assert_eq!(waits(&config, true).await, [(NAMES, 60)]);
    assert!(contents(&local).await.is_empty());
    // No queue was deleted.
    assert_eq!(waits(&config, true).await, []);
    let local = provisioned().await;
    assert_eq!(waits(&local.sdk_config(), true).await, []);
}

#[tokio::test(start_paused = true)]
async fn on_aws_new_queues_are_given_a_moment_before_they_are_subscribed() {
    let local = Local::new().unwrap();
    let tap = Tap::default();
    let since = Instant::now();
    assert_eq!(
        waits(&as_aws(tap.on(local.sdk_config())), false).await,
        [(POLICIES, 2)]
    );
    assert!(since.elapsed() < Duration::from_secs(10));
    assert_eq!(tap.count("sns:Subscribe"), 3);
    assert_eq!(waits(&Local::new().unwrap().sdk_config(), false).await, []);
}

#[tokio::test(start_paused = true)]
async fn on_aws_a_changed_policy_spreads_before_subscriptions_are_made_or_changed() {
    let change = |local: &Local| {
        let subscription = local.broker().subscriptions().remove(0);
        let settings = SubscriptionSettings {
            dead_letter_queue: None,
            ..subscription.settings
        };
        local
            .broker()
            .set_subscription(&subscription.id, settings)
            .unwrap();
    };
    for stir in [unsubscribe, change] {
        let local = provisioned().await;
        let config = as_aws(local.sdk_config());
        set_queue(&local, "shop-payment", "Policy", "").await;
        stir(&local);
        assert_eq!(waits(&config, false).await, [(POLICIES, 60)]);
        assert_eq!(waits(&config, false).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_for_that_nobody_needs() {
    // A policy that no new subscription needs.
    let local = provisioned().await;
    let config = as_aws(local.sdk_config());
    set_queue(&local, "shop-payment", "Policy", "").await;
    assert_eq!(waits(&config, false).await, []);
    // A setting that is none of SNS's business.
    set_queue(&local, "shop-payment", "VisibilityTimeout", "7").await;
    unsubscribe(&local);
    assert_eq!(waits(&config, false).await, []);
    // A local AWS.
    set_queue(&local, "shop-payment", "Policy", "").await;
    unsubscribe(&local);
    assert_eq!(waits(&local.sdk_config(), false).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_new_queues_are_to_be_seen() {
    let local = Local::new().unwrap();
    let hidden = Deed::Refuse("AWS.SimpleQueueService.NonExistentQueue");
    // Eight to look at first, and then the first of them.
    let tap = Tap::default().next("sqs:GetQueueUrl", vec![hidden.clone(); 8 + 5]);
    let since = Instant::now();
    let config = tap.on(local.sdk_config());
    let report = deployment(&config).await.provision().await.unwrap();
    assert_eq!(outcomes(&report, &Outcome::Made).len(), 16);
    assert!(since.elapsed() >= Duration::from_secs(5));

    let local = Local::new().unwrap();
    let tap = Tap::default().always("sqs:GetQueueUrl", hidden);
    let config = tap.on(local.sdk_config());
    let error = deployment(&config).await.provision().await.unwrap_err();
    assert!(matches!(error, InfraError::NotReady { .. }), "{error:?}");
    let text = "queue shop-payment-dlq is not to be seen after 75s: look at it, and run this again";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_changed_settings_are_to_be_seen() {
    let old = Deed::Alter(|answer| answer["Attributes"]["VisibilityTimeout"] = "7".into());
    let on_mail = |times: usize| [vec![Deed::Make; 7], vec![old.clone(); 1 + times]].concat();
    let local = provisioned().await;
    let tap = Tap::default().next("sqs:GetQueueAttributes", on_mail(30));
    let deployment_of = async |tap: &Tap| {
        let config = tap.on(local.sdk_config());
        deployment(&config).await.update(true)
    };
    let since = Instant::now();
    let report = deployment_of(&tap).await.provision().await.unwrap();
    assert_eq!(report.summary(), "0 made, 1 changed, 15 there already");
    assert!(since.elapsed() >= Duration::from_secs(30));

    let tap = Tap::default().next("sqs:GetQueueAttributes", on_mail(1_000));
    let error = deployment_of(&tap).await.provision().await.unwrap_err();
    let text = "queue shop-mail: VisibilityTimeout is 7, should be 30: still so after 75s: look at it, and run this again";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn what_was_done_before_an_error_is_told() {
    let local = Local::new().unwrap();
    let tap = Tap::default()
        .next("sqs:CreateQueue", [Deed::Make, Deed::Refuse("AccessDenied")])
        .next("sqs:DeleteQueue", [Deed::Make, Deed::Refuse("AccessDenied")]);
    let deployment = deployment(&tap.on(local.sdk_config())).await;
    let mut lines = Vec::new();
    let result = deployment
        .provision_telling(|step| lines.push(step.to_string()))
        .await;
    assert!(matches!(result, Err(InfraError::Denied { .. })), "{result:?}");
    let made = [
        "made      topic shop-ledger.fifo",
        "made      topic shop-orders",
        "made      topic shop-payments",
        "made      queue shop-payment-dlq",
    ];
    assert_eq!(lines, made);

    deployment.provision().await.unwrap();
    let mut lines = Vec::new();
    let result = deployment
        .remove_telling(|step| lines.push(step.to_string()))
        .await;
    assert!(matches!(result, Err(InfraError::Denied { .. })), "{result:?}");
    assert_eq!(lines.len(), 3 + 3 + 1);
    assert_eq!(lines[6], "deleted   queue shop-mail");
}

//! A call that fails is named: which, on what, as whom, where, and what is missing.

use std::collections::BTreeSet;

use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use fanfare_infra::{InfraError, caller};
use fanfare_local::Local;

use crate::tap::{Deed, Tap};
use crate::world::*;

const ROOT: &str = "arn:aws:iam::000000000000:root";

/// What a run does, from a fresh account through an update to nothing again.
async fn all(config: &SdkConfig, local: &Local) -> Result<(), InfraError> {
    let caller = caller(config).await?;
    let deployment = fanfare_infra::Deployment::new(config, &caller, &topology());
    let deployment = tables()
        .into_iter()
        .fold(deployment, fanfare_infra::Deployment::table);
    deployment.provision().await?;
    let mut settings = local.broker().queue_settings("shop-mail").unwrap();
    settings.receive_wait = std::time::Duration::ZERO;
    local.broker().set_queue("shop-mail", settings).unwrap();
    let subscription = local.broker().subscriptions().remove(0);
    let settings = fanfare::memory::SubscriptionSettings {
        dead_letter_queue: None,
        ..subscription.settings
    };
    local
        .broker()
        .set_subscription(&subscription.id, settings)
        .unwrap();
    deployment.clone().update(true).provision().await?;
    deployment.remove().await.map(drop)
}

async fn made() -> BTreeSet<String> {
    let local = Local::new().unwrap();
    let tap = Tap::default();
    all(&tap.on(local.sdk_config()), &local).await.unwrap();
    tap.calls().into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn each_missing_permission_is_named_with_the_thing_and_the_caller() {
    let calls = made().await;
    assert_eq!(calls.len(), 21, "{calls:?}");
    for call in calls {
        let code = match call.split_once(':').unwrap().0 {
            "sns" => "AuthorizationError",
            "sqs" => "AccessDenied",
            _ => "AccessDeniedException",
        };
        let local = Local::new().unwrap();
        let tap = Tap::default().always(&call, Deed::Refuse(code));
        let error = all(&tap.on(local.sdk_config()), &local).await.unwrap_err();
        let InfraError::Denied { at, .. } = &error else {
            panic!("{call}: {error}");
        };
        assert_eq!(at.call, call);
        assert_eq!(at.endpoint.as_deref(), Some("http://fanfare.local"));
        let text = error.to_string();
        assert!(
            text.contains(&format!("it needs the permission `{call}`")),
            "{text}"
        );
        if call == "sts:GetCallerIdentity" {
            assert_eq!(at.caller, None);
            continue;
        }
        assert!(at.on.starts_with("shop-"), "{text}");
        assert_eq!(at.caller.as_deref(), Some(ROOT));
        assert!(
            text.starts_with(&format!("{call} on `{}` as {ROOT} at http", at.on)),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_another_action_than_the_call_s_names_that_one() {
    for (action, permission) in [
        ("dynamodb:TagResource", "dynamodb:TagResource"),
        // As the services write themselves.
        ("DYNAMODB:CreateTable", "dynamodb:CreateTable"),
        ("what it likes", "dynamodb:CreateTable"),
    ] {
        let text =
            format!("User: {ROOT} is not authorized to perform: {action} on resource: shop-fanfare because");
        let denial = Deed::RefuseSaying("AccessDeniedException", text.leak());
        let local = Local::new().unwrap();
        let tap = Tap::default().always("dynamodb:CreateTable", denial);
        let error = all(&tap.on(local.sdk_config()), &local).await.unwrap_err();
        let InfraError::Denied {
            at,
            permission: named,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((at.call, named.as_str()), ("dynamodb:CreateTable", permission));
        let text =
            format!(" is denied: it needs the permission `{permission}` (AccessDeniedException: User: ");
        assert!(error.to_string().contains(&text), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_doesn_t_answer_is_named_with_a_hint() {
    for call in ["sqs:CreateQueue", "dynamodb:CreateTable", "sns:Subscribe"] {
        let local = Local::new().unwrap();
        let tap = Tap::default().always(call, Deed::Unreachable);
        let error = all(&tap.on(local.sdk_config()), &local).await.unwrap_err();
        let InfraError::Unreachable { at, .. } = &error else {
            panic!("{call}: {error}");
        };
        assert_eq!(at.call, call);
        let text = error.to_string();
        assert!(text.starts_with(&format!("{call} on `shop-")), "{text}");
        assert!(
            text.contains(&format!("as {ROOT} at http://fanfare.local")),
            "{text}"
        );
        assert!(text.contains("is it running, and is AWS_ENDPOINT_URL"), "{text}");
    }
}

#[tokio::test]
async fn nothing_that_listens_is_an_endpoint_that_doesn_t_answer() {
    // A port of this machine that was free just now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let local = Local::new().unwrap();
    let credentials = local.sdk_config().credentials_provider().unwrap();
    let config = SdkConfig::builder()
        .region(Region::from_static("eu-central-1"))
        .endpoint_url(&endpoint)
        .credentials_provider(credentials)
        .build();
    let error = caller(&config).await.unwrap_err();
    assert!(matches!(error, InfraError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("sts:GetCallerIdentity on `the caller` at {endpoint}")),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_region_it_is_asked_for() {
    let error = caller(&SdkConfig::builder().build()).await.unwrap_err();
    assert!(matches!(error, InfraError::NoRegion), "{error:?}");
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}

#[tokio::test]
async fn the_local_aws_of_another_region_is_told_at_the_first_call() {
    let config = Local::new().unwrap().sdk_config().into_builder();
    let config = config.region(Region::from_static("eu-central-1")).build();
    let error = caller(&config).await.unwrap_err();
    assert!(matches!(error, InfraError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("set AWS_REGION=us-east-1"), "{error}");
}

#[tokio::test]
async fn without_credentials_the_reason_is_told() {
    let config = SdkConfig::builder()
        .region(Region::from_static("eu-central-1"))
        .build();
    let error = caller(&config).await.unwrap_err();
    let InfraError::Failed { at, reason, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(at.endpoint, None);
    assert!(
        reason.contains("credentials") || reason.contains("identity"),
        "{reason}"
    );
}

/// A profile with an endpoint for SQS alone.
#[derive(Debug)]
struct OwnSqs;

impl LoadServiceConfig for OwnSqs {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        (key.service_id() == "SQS").then(|| "http://sqs.local".to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_s_own_endpoint_is_the_one_that_is_named() {
    let local = Local::new().unwrap();
    let tap = Tap::default().always("sqs:CreateQueue", Deed::Refuse("AccessDenied"));
    let config = tap
        .on(local.sdk_config())
        .into_builder()
        .service_config(OwnSqs)
        .build();
    let error = all(&config, &local).await.unwrap_err();
    assert!(
        error.to_string().contains(" at http://sqs.local is denied"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_aws_says_of_another_refusal_is_told() {
    let local = Local::new().unwrap();
    let tap = Tap::default().always("sns:Subscribe", Deed::Refuse("SubscriptionLimitExceeded"));
    let error = all(&tap.on(local.sdk_config()), &local).await.unwrap_err();
    let expected = format!(
        "sns:Subscribe on `shop-orders to shop-payment` as {ROOT} at http://fanfare.local failed: \
         SubscriptionLimitExceeded: as the test wills"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_partition_is_its_arn_s_and_its_region_the_configuration_s() {
    let arn = "arn:aws-cn:sts::123456789012:assumed-role/deploy/me";
    let answer = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{arn}</Arn><UserId>me</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
    );
    let tap = Tap::default().always("sts:GetCallerIdentity", Deed::Answer(answer));
    let config = tap.on(Local::new().unwrap().sdk_config());
    let region = Region::from_static("cn-north-1");
    let caller = caller(&config.into_builder().region(region).build())
        .await
        .unwrap();
    assert_eq!(caller.arn(), arn);
    let queue = caller.account().queue_arn("shop-payment");
    assert_eq!(queue, "arn:aws-cn:sqs:cn-north-1:123456789012:shop-payment");
}

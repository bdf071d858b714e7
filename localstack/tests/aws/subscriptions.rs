use std::collections::BTreeMap;

use crate::world::{World, arn, code, refusal, world};

async fn attributes(world: &World, subscription: &str) -> BTreeMap<String, String> {
    let get = world
        .sns
        .get_subscription_attributes()
        .subscription_arn(subscription);
    get.send()
        .await
        .unwrap()
        .attributes
        .unwrap()
        .into_iter()
        .collect()
}

async fn set(world: &World, subscription: &str, name: &str, value: &str) -> Result<(), String> {
    let set = world
        .sns
        .set_subscription_attributes()
        .subscription_arn(subscription);
    match set.attribute_name(name).attribute_value(value).send().await {
        Ok(_) => Ok(()),
        error => Err(refusal(error).0),
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_made_with_all_its_attributes_in_one_call() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    world.queue("billing", &[]).await;
    world.queue("dead", &[]).await;
    let dead = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, arn("dead"));
    let subscription = world
        .subscribe(
            &topic,
            "billing",
            &[
                ("RawMessageDelivery", "true"),
                ("FilterPolicy", r#"{"order":{"kind":["new"]}}"#),
                ("FilterPolicyScope", "MessageBody"),
                ("RedrivePolicy", &dead),
            ],
        )
        .await;
    assert!(subscription.starts_with(&format!("{topic}:")), "{subscription}");
    let shown = attributes(&world, &subscription).await;
    assert_eq!(shown["SubscriptionArn"], subscription);
    assert_eq!((&*shown["TopicArn"], &*shown["Protocol"]), (&*topic, "sqs"));
    assert_eq!(shown["Endpoint"], arn("billing"));
    assert_eq!(shown["RawMessageDelivery"], "true");
    assert_eq!(shown["FilterPolicy"], r#"{"order":{"kind":["new"]}}"#);
    assert_eq!(shown["FilterPolicyScope"], "MessageBody");
    assert_eq!(shown["RedrivePolicy"], dead);
    assert_eq!(shown["PendingConfirmation"], "false");
}

#[tokio::test(start_paused = true)]
async fn by_default_it_is_not_raw_and_takes_everything() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    world.queue("billing", &[]).await;
    let subscription = world.subscribe(&topic, "billing", &[]).await;
    let shown = attributes(&world, &subscription).await;
    assert_eq!(shown["RawMessageDelivery"], "false");
    assert!(!shown.contains_key("FilterPolicy") && !shown.contains_key("RedrivePolicy"));
}

#[tokio::test(start_paused = true)]
async fn made_again_it_is_the_same_or_refused() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    world.queue("billing", &[]).await;
    let raw = [("RawMessageDelivery", "true")];
    let subscription = world.subscribe(&topic, "billing", &raw).await;
    assert_eq!(world.subscribe(&topic, "billing", &raw).await, subscription);
    let other = world
        .sns
        .subscribe()
        .topic_arn(&topic)
        .protocol("sqs")
        .endpoint(arn("billing"));
    let (kind, message) = refusal(other.send().await);
    assert_eq!(kind, "InvalidParameter");
    assert!(
        message.contains("already exists with different attributes"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_queues_that_are_there_can_subscribe_to_topics_that_are_there() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    let subscribe = |topic: &str, protocol: &str, endpoint: &str| {
        let subscribe = world.sns.subscribe().topic_arn(topic);
        subscribe.protocol(protocol).endpoint(endpoint).send()
    };
    assert_eq!(code(subscribe(&topic, "email", "a@b").await), "InvalidParameter");
    assert_eq!(
        code(subscribe(&topic, "sqs", "http://x/q").await),
        "InvalidParameter"
    );
    assert_eq!(
        code(subscribe(&topic, "sqs", &arn("none")).await),
        "InvalidParameter"
    );
    world.queue("q", &[]).await;
    assert_eq!(
        code(subscribe(&format!("{topic}x"), "sqs", &arn("q")).await),
        "NotFound"
    );
    world.fifo("q.fifo").await;
    let (kind, message) = refusal(subscribe(&topic, "sqs", &arn("q.fifo")).await);
    assert_eq!(kind, "InvalidParameter", "{message}");
}

#[tokio::test(start_paused = true)]
async fn attributes_are_changed_one_by_one() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    world.queue("billing", &[]).await;
    let subscription = world.subscribe(&topic, "billing", &[]).await;
    set(&world, &subscription, "RawMessageDelivery", "true")
        .await
        .unwrap();
    // First what the policy will look at, then the policy.
    set(&world, &subscription, "FilterPolicyScope", "MessageBody")
        .await
        .unwrap();
    let nested = r#"{"order":{"kind":["new"]}}"#;
    set(&world, &subscription, "FilterPolicy", nested).await.unwrap();
    let shown = attributes(&world, &subscription).await;
    assert_eq!(
        (&*shown["RawMessageDelivery"], &*shown["FilterPolicyScope"]),
        ("true", "MessageBody")
    );
    let refused = set(&world, &subscription, "FilterPolicyScope", "MessageAttributes").await;
    assert_eq!(
        refused,
        Err("InvalidParameter".into()),
        "attributes aren't nested"
    );
    for (name, value) in [
        ("FilterPolicy", "["),
        ("FilterPolicy", r#"{"a":[]}"#),
        (
            "FilterPolicy",
            r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#,
        ),
        ("FilterPolicyScope", "x"),
        ("RawMessageDelivery", "x"),
        ("RedrivePolicy", "x"),
        ("Nonsense", "x"),
    ] {
        let refused = set(&world, &subscription, name, value).await;
        assert_eq!(refused, Err("InvalidParameter".into()), "{name} {value}");
    }
    assert_eq!(attributes(&world, &subscription).await, shown);
    set(&world, &subscription, "FilterPolicy", "{}").await.unwrap();
    assert!(
        !attributes(&world, &subscription)
            .await
            .contains_key("FilterPolicy")
    );
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_listed_and_removed() {
    let world = world();
    let (orders, payments) = (
        world.topic("orders", &[]).await,
        world.topic("payments", &[]).await,
    );
    world.queue("billing", &[]).await;
    let one = world.subscribe(&orders, "billing", &[]).await;
    let two = world.subscribe(&payments, "billing", &[]).await;
    let all = world.sns.list_subscriptions().send().await.unwrap();
    let arns: Vec<_> = all
        .subscriptions()
        .iter()
        .map(|one| one.subscription_arn().unwrap())
        .collect();
    assert_eq!(arns, [&*one, &*two]);
    let of = world.sns.list_subscriptions_by_topic().topic_arn(&payments);
    let of = of.send().await.unwrap().subscriptions.unwrap();
    assert_eq!((of.len(), of[0].endpoint()), (1, Some(&*arn("billing"))));
    let none = world
        .sns
        .list_subscriptions_by_topic()
        .topic_arn(format!("{orders}x"))
        .send()
        .await;
    assert_eq!(code(none), "NotFound");

    let unsubscribe = world.sns.unsubscribe().subscription_arn(&one);
    unsubscribe.clone().send().await.unwrap();
    unsubscribe.send().await.expect("a second time too");
    let get = world
        .sns
        .get_subscription_attributes()
        .subscription_arn(&one)
        .send()
        .await;
    assert!(get.unwrap_err().into_service_error().is_not_found_exception());
    assert_eq!(
        set(&world, &one, "RawMessageDelivery", "true").await,
        Err("NotFound".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_has_at_most_200_filter_policies() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    let filter = [("FilterPolicy", r#"{"type":["a"]}"#)];
    for n in 0..200 {
        let queue = format!("q{n}");
        world.queue(&queue, &[]).await;
        world.subscribe(&topic, &queue, &filter).await;
    }
    world.queue("last", &[]).await;
    let subscribe = world
        .sns
        .subscribe()
        .topic_arn(&topic)
        .protocol("sqs")
        .endpoint(arn("last"));
    let error = subscribe.attributes(filter[0].0, filter[0].1).send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_filter_policy_limit_exceeded_exception(), "{error:?}");
}

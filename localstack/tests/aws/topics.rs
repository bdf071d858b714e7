use std::collections::BTreeMap;

use aws_sdk_sns::types::Tag;

use crate::world::{World, code, world};

async fn attributes(world: &World, topic: &str) -> BTreeMap<String, String> {
    let get = world
        .sns
        .get_topic_attributes()
        .topic_arn(topic)
        .send()
        .await
        .unwrap();
    get.attributes.unwrap().into_iter().collect()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_made_listed_and_removed() {
    let world = world();
    let arn = world.topic("orders", &[]).await;
    assert_eq!(arn, "arn:aws:sns:us-east-1:000000000000:orders");
    assert_eq!(world.topic("orders", &[]).await, arn);
    let listed = world.sns.list_topics().send().await.unwrap();
    let arns: Vec<_> = listed
        .topics()
        .iter()
        .map(|topic| topic.topic_arn().unwrap())
        .collect();
    assert_eq!(arns, [&*arn]);
    let delete = world.sns.delete_topic().topic_arn(&arn);
    delete.clone().send().await.unwrap();
    delete.send().await.expect("a second time too");
    let get = world.sns.get_topic_attributes().topic_arn(&arn).send().await;
    assert!(get.unwrap_err().into_service_error().is_not_found_exception());
}

#[tokio::test(start_paused = true)]
async fn names_and_arns_are_those_of_sns() {
    let world = world();
    for name in ["", "a b", "plain.fifo", &"x".repeat(257)] {
        let made = world.sns.create_topic().name(name).send().await;
        let error = made.unwrap_err().into_service_error();
        assert!(error.is_invalid_parameter_exception(), "{name} {error:?}");
    }
    let create = world
        .sns
        .create_topic()
        .name("plain")
        .attributes("FifoTopic", "true");
    assert_eq!(code(create.send().await), "InvalidParameter");
    for arn in ["orders", "arn:aws:sqs:us-east-1:000000000000:orders"] {
        let get = world.sns.get_topic_attributes().topic_arn(arn).send().await;
        assert_eq!(code(get), "InvalidParameter");
    }
}

#[tokio::test(start_paused = true)]
async fn attributes_are_shown_and_changed() {
    let world = world();
    let arn = world
        .topic(
            "orders",
            &[
                ("MaximumMessageSize", "1048576"),
                ("DisplayName", "Orders & more"),
            ],
        )
        .await;
    let shown = attributes(&world, &arn).await;
    assert_eq!(shown["TopicArn"], arn);
    assert_eq!(shown["Owner"], "000000000000");
    assert_eq!(shown["DisplayName"], "Orders & more");
    assert_eq!(shown["MaximumMessageSize"], "1048576");
    assert_eq!(shown["SubscriptionsConfirmed"], "0");
    world.queue("q", &[]).await;
    world.subscribe(&arn, "q", &[]).await;
    assert_eq!(attributes(&world, &arn).await["SubscriptionsConfirmed"], "1");
    let set = |name: &str, value: &str| {
        let set = world.sns.set_topic_attributes().topic_arn(&arn);
        set.attribute_name(name).attribute_value(value).send()
    };
    set("MaximumMessageSize", "2048").await.unwrap();
    set("TracingConfig", "Active").await.unwrap();
    let shown = attributes(&world, &arn).await;
    assert_eq!(
        (&*shown["MaximumMessageSize"], &*shown["TracingConfig"]),
        ("2048", "Active")
    );
    for (name, value) in [
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("Nonsense", "x"),
        ("ContentBasedDeduplication", "true"),
    ] {
        assert_eq!(code(set(name, value).await), "InvalidParameter", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_again_must_be_the_same() {
    let world = world();
    world.topic("orders", &[("DisplayName", "x")]).await;
    world.topic("orders", &[("DisplayName", "x")]).await;
    let create = world
        .sns
        .create_topic()
        .name("orders")
        .attributes("DisplayName", "y");
    assert_eq!(code(create.send().await), "InvalidParameter");
    let create = world.sns.create_topic().name("orders").tags(tag("a", "b"));
    assert_eq!(code(create.send().await), "InvalidParameter");
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_shows_what_only_it_has() {
    let world = world();
    let attributes_given = [("FifoTopic", "true"), ("FifoThroughputScope", "MessageGroup")];
    let arn = world.topic("orders.fifo", &attributes_given).await;
    let shown = attributes(&world, &arn).await;
    assert_eq!(
        (&*shown["FifoTopic"], &*shown["ContentBasedDeduplication"]),
        ("true", "false")
    );
    assert_eq!(shown["FifoThroughputScope"], "MessageGroup");
}

#[tokio::test(start_paused = true)]
async fn topics_come_a_hundred_at_a_time() {
    let world = world();
    for n in 0..101 {
        world.topic(&format!("t{n:03}"), &[]).await;
    }
    let first = world.sns.list_topics().send().await.unwrap();
    assert_eq!(first.topics().len(), 100);
    let second = world
        .sns
        .list_topics()
        .set_next_token(first.next_token)
        .send()
        .await
        .unwrap();
    assert_eq!((second.topics().len(), second.next_token()), (1, None));
    let made_up = world.sns.list_topics().next_token(usize::MAX.to_string());
    let nothing = made_up.send().await.unwrap();
    assert_eq!((nothing.topics().len(), nothing.next_token()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn tags_are_kept_changed_and_removed() {
    let world = world();
    let create = world
        .sns
        .create_topic()
        .name("orders")
        .tags(tag("team", "sales & more"));
    let arn = create.send().await.unwrap().topic_arn.unwrap();
    let change = world
        .sns
        .tag_resource()
        .resource_arn(&arn)
        .tags(tag("stage", "test"));
    change.send().await.unwrap();
    let list = world.sns.list_tags_for_resource().resource_arn(&arn);
    let tags = list.clone().send().await.unwrap().tags.unwrap();
    assert_eq!(tags, [tag("stage", "test"), tag("team", "sales & more")]);
    let untag = world.sns.untag_resource().resource_arn(&arn).tag_keys("stage");
    untag.send().await.unwrap();
    assert_eq!(list.send().await.unwrap().tags(), [tag("team", "sales & more")]);
    let none = world
        .sns
        .list_tags_for_resource()
        .resource_arn(format!("{arn}x"))
        .send()
        .await;
    assert!(
        none.unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
}

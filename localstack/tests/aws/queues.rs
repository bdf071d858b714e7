use aws_sdk_sqs::types::QueueAttributeName;

use crate::world::{arn, code, redrive, refusal, world};

#[tokio::test(start_paused = true)]
async fn a_queue_is_made_found_listed_and_removed() {
    let world = world();
    let url = world.queue("orders", &[]).await;
    assert_eq!(url, "http://fanfare.local/000000000000/orders");
    let found = world
        .sqs
        .get_queue_url()
        .queue_name("orders")
        .send()
        .await
        .unwrap();
    assert_eq!(found.queue_url(), Some(&*url));
    world.queue("other", &[]).await;
    let listed = world
        .sqs
        .list_queues()
        .queue_name_prefix("ord")
        .send()
        .await
        .unwrap();
    assert_eq!(listed.queue_urls(), [&*url]);

    world.sqs.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = world.sqs.get_queue_url().queue_name("orders").send().await;
    assert_eq!(code(gone), "AWS.SimpleQueueService.NonExistentQueue");
    world.queue("orders", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_not_there_is_refused_by_its_own_error() {
    let world = world();
    let url = "http://fanfare.local/000000000000/none";
    let error = world
        .sqs
        .send_message()
        .queue_url(url)
        .message_body("x")
        .send()
        .await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    let error = world.sqs.receive_message().queue_url(url).send().await;
    assert!(error.unwrap_err().into_service_error().is_queue_does_not_exist());
    let error = world.sqs.delete_queue().queue_url(url).send().await;
    assert!(error.unwrap_err().into_service_error().is_queue_does_not_exist());
    let error = world.sqs.purge_queue().queue_url(url).send().await;
    assert!(error.unwrap_err().into_service_error().is_queue_does_not_exist());
    let error = world
        .sqs
        .delete_message()
        .queue_url(url)
        .receipt_handle("x")
        .send()
        .await;
    assert_eq!(code(error), "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test(start_paused = true)]
async fn a_queue_made_again_is_the_same_unless_an_attribute_differs() {
    let world = world();
    let url = world.queue("q", &[("VisibilityTimeout", "40")]).await;
    assert_eq!(world.queue("q", &[("VisibilityTimeout", "40")]).await, url);
    assert_eq!(world.queue("q", &[]).await, url, "only what is given is compared");
    let other = world
        .sqs
        .create_queue()
        .queue_name("q")
        .attributes(QueueAttributeName::VisibilityTimeout, "41");
    let error = other.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_name_exists(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn names_are_those_of_sqs() {
    let world = world();
    for name in ["", "a b", "a.b", ".fifo", "plain.fifo", &"x".repeat(81)] {
        let made = world.sqs.create_queue().queue_name(name).send().await;
        assert_eq!(code(made), "InvalidParameterValue", "{name}");
    }
    let unnamed = world
        .sqs
        .create_queue()
        .queue_name("plain")
        .attributes(QueueAttributeName::FifoQueue, "true");
    assert_eq!(code(unnamed.send().await), "InvalidParameterValue");
    world.queue(&"x".repeat(80), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_queues_go_on_where_the_last_one_ended() {
    let world = world();
    for n in 0..5 {
        world.queue(&format!("q{n}"), &[]).await;
    }
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let list = world
            .sqs
            .list_queues()
            .max_results(2)
            .set_next_token(token.take());
        let page = list.send().await.unwrap();
        assert!(page.queue_urls().len() <= 2);
        all.extend(page.queue_urls().to_vec());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), 5);
    let wrong = world.sqs.list_queues().max_results(1_001).send().await;
    assert_eq!(code(wrong), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let world = world();
    let dead = world.queue("dead", &[]).await;
    let one = world
        .queue("one", &[("RedrivePolicy", &redrive("dead", 3))])
        .await;
    world.queue("other", &[]).await;
    let sources = world
        .sqs
        .list_dead_letter_source_queues()
        .queue_url(&dead)
        .send()
        .await;
    assert_eq!(sources.unwrap().queue_urls(), [one]);
}

#[tokio::test(start_paused = true)]
async fn a_purge_empties_a_queue_once_a_minute() {
    let world = world();
    let url = world.queue("q", &[]).await;
    world.send(&url, "one").await;
    world.send(&url, "two").await;
    let purge = world.sqs.purge_queue().queue_url(&url);
    purge.clone().send().await.unwrap();
    assert!(world.receive(&url).await.is_empty());
    let again = purge.clone().send().await.unwrap_err().into_service_error();
    assert!(again.is_purge_queue_in_progress(), "{again:?}");
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    purge.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tags_are_kept_changed_and_removed() {
    let world = world();
    let create = world.sqs.create_queue().queue_name("q").tags("team", "billing");
    let url = create.send().await.unwrap().queue_url.unwrap();
    let tag = world
        .sqs
        .tag_queue()
        .queue_url(&url)
        .tags("stage", "test")
        .tags("team", "sales");
    tag.send().await.unwrap();
    let list = world.sqs.list_queue_tags().queue_url(&url);
    let tags = list.clone().send().await.unwrap().tags.unwrap();
    assert_eq!(
        (tags.len(), &*tags["team"], &*tags["stage"]),
        (2, "sales", "test")
    );
    let untag = world.sqs.untag_queue().queue_url(&url).tag_keys("team");
    untag.send().await.unwrap();
    assert_eq!(list.send().await.unwrap().tags.unwrap().len(), 1);
    let many = (0..60).map(|n| (n.to_string(), "x".to_owned())).collect();
    let tag = world
        .sqs
        .tag_queue()
        .queue_url(&url)
        .set_tags(Some(many))
        .send()
        .await;
    assert_eq!(code(tag), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn a_redrive_policy_needs_a_queue_of_the_same_kind() {
    let world = world();
    let create = |policy: String| {
        let create = world.sqs.create_queue().queue_name("q");
        create
            .attributes(QueueAttributeName::RedrivePolicy, policy)
            .send()
    };
    let (kind, message) = refusal(create(redrive("none", 3)).await);
    assert_eq!(kind, "InvalidParameterValue");
    assert!(message.contains("Dead letter target does not exist"), "{message}");
    world.fifo("dead.fifo").await;
    assert_eq!(
        code(create(redrive("dead.fifo", 3)).await),
        "InvalidParameterValue"
    );
    world.queue("dead", &[]).await;
    for policy in [
        redrive("dead", 0),
        redrive("dead", 1_001),
        "{}".into(),
        "[".into(),
    ] {
        assert_eq!(
            code(create(policy.clone()).await),
            "InvalidParameterValue",
            "{policy}"
        );
    }
    create(format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"7"}}"#,
        arn("dead")
    ))
    .await
    .expect("the count can be a text");
}

#[tokio::test(start_paused = true)]
async fn a_redrive_allow_policy_says_who_may_dead_letter_here() {
    let world = world();
    let create = |name: &str, policy: &str| {
        let create = world.sqs.create_queue().queue_name(name);
        create
            .attributes(QueueAttributeName::RedrivePolicy, policy)
            .send()
    };
    let nobody = r#"{"redrivePermission":"denyAll"}"#;
    world.queue("closed", &[("RedriveAllowPolicy", nobody)]).await;
    assert_eq!(
        code(create("a", &redrive("closed", 3)).await),
        "InvalidParameterValue"
    );
    let some = format!(
        r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{}"]}}"#,
        arn("a")
    );
    let url = world.queue("some", &[("RedriveAllowPolicy", &some)]).await;
    create("a", &redrive("some", 3)).await.unwrap();
    assert_eq!(
        code(create("b", &redrive("some", 3)).await),
        "InvalidParameterValue"
    );
    let shown = world
        .sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::RedriveAllowPolicy);
    let shown = shown.send().await.unwrap().attributes.unwrap();
    assert!(shown[&QueueAttributeName::RedriveAllowPolicy].contains("byQueue"));
    for wrong in [
        r#"{"redrivePermission":"byQueue"}"#,
        r#"{"redrivePermission":"x"}"#,
        "x",
    ] {
        let create = world.sqs.create_queue().queue_name("c");
        let create = create.attributes(QueueAttributeName::RedriveAllowPolicy, wrong);
        assert_eq!(code(create.send().await), "InvalidParameterValue", "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_not_there_says_which_are() {
    let world = world();
    let url = world.queue("q", &[]).await;
    let call = world
        .sqs
        .remove_permission()
        .queue_url(&url)
        .label("x")
        .send()
        .await;
    let (code, message) = refusal(call);
    assert_eq!(code, "UnknownOperationException");
    assert!(message.contains("SendMessageBatch"), "{message}");
}

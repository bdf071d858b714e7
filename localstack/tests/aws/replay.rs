use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan, Life};

use crate::batches::entry;
use crate::messages::attribute;
use crate::world::{arn, local, under, world};

/// What two hosts do under a plan, as its trace.
fn workload(seed: u64) -> Vec<String> {
    fastrand::seed(seed);
    let plan = FaultPlan::seeded(seed)
        .rates(0.05)
        .rate(Fault::Kill, 0.005)
        .traced();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_start(|| panic!("a second thread, with a schedule of its own"))
        .build()
        .unwrap();
    runtime.block_on(async {
        let local = local();
        let set_up = under(local.clone(), &Life::default());
        let topic = set_up.topic("orders", &[]).await;
        let queue = set_up.queue("q", &[]).await;
        set_up
            .subscribe(&topic, "q", &[("RawMessageDelivery", "true")])
            .await;
        let local = local.with_faults(plan.clone());
        let hosts: Vec<_> = (0..3)
            .map(|host| {
                let (local, topic, queue) = (local.clone(), topic.clone(), queue.clone());
                tokio::spawn(async move {
                    let pause = Duration::from_secs(1);
                    Life::restart(&format!("host {host}"), pause, |life| {
                        let world = under(local.clone(), &life);
                        let (topic, queue) = (topic.clone(), queue.clone());
                        async move {
                            for n in 0..20 {
                                let publish = world
                                    .sns
                                    .publish()
                                    .topic_arn(&topic)
                                    .message(format!("{host} {n}"));
                                let attributes = (0..4).map(|m| {
                                    let value = aws_sdk_sns::types::MessageAttributeValue::builder();
                                    let value = value.data_type("String").string_value("x").build();
                                    (format!("a{m}"), value.unwrap())
                                });
                                let publish = publish.set_message_attributes(Some(attributes.collect()));
                                let _ = publish.send().await;
                                let mut batch = vec![entry("a", "x"), entry("b", "y")];
                                let attributes = (0..4).map(|m| (format!("a{m}"), attribute("String", "x")));
                                batch[0].message_attributes = Some(attributes.collect());
                                let send = world.sqs.send_message_batch().queue_url(&queue);
                                let _ = send.set_entries(Some(batch)).send().await;
                                let receive =
                                    world.sqs.receive_message().queue_url(&queue).wait_time_seconds(1);
                                let received = receive.max_number_of_messages(3).send().await;
                                for message in received
                                    .ok()
                                    .and_then(|received| received.messages)
                                    .unwrap_or_default()
                                {
                                    let delete = world.sqs.delete_message().queue_url(&queue);
                                    let _ = delete.set_receipt_handle(message.receipt_handle).send().await;
                                }
                            }
                        }
                    })
                    .await
                })
            })
            .collect();
        for host in hosts {
            host.await.unwrap();
        }
    });
    plan.trace()
}

#[test]
fn the_same_seed_gives_the_same_calls_and_faults() {
    let first = workload(7);
    assert!(first.len() > 200, "{}", first.len());
    for fault in [
        "lose_request",
        "lose_reply",
        "throttle",
        "kill",
        "partial_batch",
        "delay_reply",
    ] {
        assert!(
            first.iter().any(|call| call.ends_with(fault)),
            "no {fault} in the trace"
        );
    }
    let form = first
        .iter()
        .find(|call| call.starts_with("sqs.ReceiveMessage "))
        .unwrap();
    assert_eq!(form.split(' ').nth(1).unwrap().len(), 16, "{form}");
    assert_eq!(first, workload(7));
    assert_ne!(first, workload(8));
}

#[tokio::test(start_paused = true)]
async fn a_request_has_the_same_digest_in_whatever_order_its_attributes_are_written() {
    let world = world();
    let topic = world.topic("orders", &[]).await;
    let plan = FaultPlan::seeded(1).rates(0.0).traced();
    let traced = under(world.local.clone().with_faults(plan.clone()), &Life::default());
    let url = traced.queue("q", &[]).await;
    for _ in 0..20 {
        // Each map has an order of its own.
        let attributes = (0..8).map(|n| (format!("a{n}"), attribute("String", &n.to_string())));
        let send = traced.sqs.send_message().queue_url(&url).message_body("x");
        send.set_message_attributes(Some(attributes.collect()))
            .send()
            .await
            .unwrap();
        let attributes = (0..8).map(|n| {
            let value = aws_sdk_sns::types::MessageAttributeValue::builder();
            let value = value.data_type("String").string_value(n.to_string()).build();
            (format!("a{n}"), value.unwrap())
        });
        let publish = traced.sns.publish().topic_arn(&topic).message("x");
        publish
            .set_message_attributes(Some(attributes.collect()))
            .send()
            .await
            .unwrap();
    }
    let calls: std::collections::BTreeSet<_> = plan.trace().into_iter().collect();
    assert_eq!(calls.len(), 3, "{calls:?} {}", arn("q"));
}

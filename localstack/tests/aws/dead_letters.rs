use std::time::Duration;

use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry;

use crate::world::{World, arn, code, redrive, system, world};

/// Puts messages into the dead-letter queue as SQS does: by receiving them too often.
async fn give_up(world: &World, queue: &str, bodies: &[&str]) {
    for body in bodies {
        world.send(queue, body).await;
    }
    for _ in 0..2 {
        world.receive(queue).await;
    }
}

async fn tasks(world: &World) -> Vec<ListMessageMoveTasksResultEntry> {
    let list = world
        .sqs
        .list_message_move_tasks()
        .source_arn(arn("dead"))
        .max_results(10);
    list.send().await.unwrap().results.unwrap_or_default()
}

/// Lets tasks go on that wait for nothing.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let world = world();
    let (queue, dead) = world.with_dead_letters(2).await;
    world.send(&queue, "x").await;
    let id = world.receive(&queue).await[0].message_id.clone();
    assert_eq!(world.receive(&queue).await.len(), 1);
    assert!(world.receive(&queue).await.is_empty());
    let message = world.receive(&dead).await.remove(0);
    assert_eq!(message.message_id, id);
    assert_eq!(system(&message, "DeadLetterQueueSourceArn"), Some(arn("q")));
    assert_eq!(system(&message, "ApproximateReceiveCount").as_deref(), Some("3"));
}

#[tokio::test(start_paused = true)]
async fn a_move_task_brings_messages_back_to_where_they_came_from() {
    let world = world();
    let (queue, dead) = world.with_dead_letters(1).await;
    let other = world
        .queue(
            "other",
            &[("RedrivePolicy", &redrive("dead", 1)), ("VisibilityTimeout", "0")],
        )
        .await;
    give_up(&world, &queue, &["a"]).await;
    give_up(&world, &other, &["b"]).await;
    let start = world.sqs.start_message_move_task().source_arn(arn("dead"));
    start.send().await.unwrap();
    settle().await;
    assert!(world.receive(&dead).await.is_empty());
    let back = world.receive(&queue).await.remove(0);
    assert_eq!(
        (back.body(), system(&back, "ApproximateReceiveCount").as_deref()),
        (Some("a"), Some("1"))
    );
    assert_eq!(system(&back, "DeadLetterQueueSourceArn"), None);
    assert_eq!(world.bodies(&other).await, ["b"]);
    let done = &tasks(&world).await[0];
    assert_eq!(done.status(), Some("COMPLETED"));
    assert_eq!(
        (
            done.approximate_number_of_messages_moved(),
            done.approximate_number_of_messages_to_move()
        ),
        (2, Some(2))
    );
    assert_eq!(
        (done.task_handle(), done.source_arn()),
        (None, Some(&*arn("dead")))
    );
    assert_eq!(done.started_timestamp(), 1_700_000_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_move_task_without_destination_refuses_what_was_sent_to_the_dead_letter_queue_directly() {
    let world = world();
    let (queue, dead) = world.with_dead_letters(1).await;
    world.send(&dead, "direct").await;
    give_up(&world, &queue, &["a"]).await;
    world
        .sqs
        .start_message_move_task()
        .source_arn(arn("dead"))
        .send()
        .await
        .unwrap();
    settle().await;
    let failed = &tasks(&world).await[0];
    assert_eq!(failed.status(), Some("FAILED"));
    assert_eq!(failed.failure_reason(), Some("CouldNotDetermineMessageSource"));
    let start = world
        .sqs
        .start_message_move_task()
        .source_arn(arn("dead"))
        .destination_arn(arn("q"));
    start.send().await.unwrap();
    settle().await;
    assert_eq!(tasks(&world).await[0].status(), Some("COMPLETED"));
    assert_eq!(tasks(&world).await[0].destination_arn(), Some(&*arn("q")));
    let mut bodies = world.bodies(&queue).await;
    bodies.sort();
    assert_eq!(bodies, ["a", "direct"]);
    assert!(world.receive(&dead).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_move_task_fails_when_the_queue_is_gone() {
    let world = world();
    let (queue, _) = world.with_dead_letters(1).await;
    world
        .queue("keeps", &[("RedrivePolicy", &redrive("dead", 1))])
        .await;
    give_up(&world, &queue, &["a"]).await;
    world.sqs.delete_queue().queue_url(&queue).send().await.unwrap();
    world
        .sqs
        .start_message_move_task()
        .source_arn(arn("dead"))
        .send()
        .await
        .unwrap();
    settle().await;
    let failed = &tasks(&world).await[0];
    assert_eq!(
        failed.failure_reason(),
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
}

#[tokio::test(start_paused = true)]
async fn a_move_task_keeps_its_rate_and_can_be_cancelled() {
    let world = world();
    let (queue, dead) = world.with_dead_letters(1).await;
    give_up(&world, &queue, &["a", "b", "c", "d", "e"]).await;
    let start = world.sqs.start_message_move_task().source_arn(arn("dead"));
    let start = start.max_number_of_messages_per_second(2);
    let handle = start.clone().send().await.unwrap().task_handle.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let task = &tasks(&world).await[0];
    assert_eq!(
        (task.status(), task.approximate_number_of_messages_moved()),
        (Some("RUNNING"), 2)
    );
    assert_eq!(
        (task.task_handle(), task.max_number_of_messages_per_second()),
        (Some(&*handle), Some(2))
    );
    let second = start.send().await.unwrap_err().into_service_error();
    assert!(second.is_unsupported_operation(), "{second:?}");

    let cancel = world.sqs.cancel_message_move_task().task_handle(&handle);
    let cancelled = cancel.clone().send().await.unwrap();
    assert_eq!(cancelled.approximate_number_of_messages_moved, 2);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(tasks(&world).await[0].status(), Some("CANCELLED"));
    assert_eq!(
        (
            world.receive(&queue).await.len(),
            world.receive(&dead).await.len()
        ),
        (2, 3)
    );
    let again = cancel.send().await.unwrap_err().into_service_error();
    assert!(again.is_unsupported_operation(), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_stays_where_it_is() {
    let world = world();
    let (queue, dead) = world.with_dead_letters(1).await;
    give_up(&world, &queue, &["a", "b"]).await;
    world.sqs.receive_message().queue_url(&dead).send().await.unwrap();
    world
        .sqs
        .start_message_move_task()
        .source_arn(arn("dead"))
        .send()
        .await
        .unwrap();
    settle().await;
    assert_eq!(tasks(&world).await[0].status(), Some("COMPLETED"));
    assert_eq!(world.bodies(&queue).await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_move_task_needs_a_dead_letter_queue_and_a_place() {
    let world = world();
    world.with_dead_letters(1).await;
    let start = |source: &str, destination: Option<&str>, rate: i32| {
        let start = world.sqs.start_message_move_task().source_arn(arn(source));
        let start = start.set_destination_arn(destination.map(arn));
        start.max_number_of_messages_per_second(rate).send()
    };
    let error = start("none", None, 1).await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let error = start("dead", Some("none"), 1)
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert_eq!(
        code(start("q", None, 1).await),
        "InvalidParameterValue",
        "no dead-letter queue"
    );
    assert_eq!(
        code(start("dead", Some("dead"), 1).await),
        "InvalidParameterValue"
    );
    assert_eq!(code(start("dead", None, 0).await), "InvalidParameterValue");
    assert_eq!(code(start("dead", None, 501).await), "InvalidParameterValue");
    let cancel = world.sqs.cancel_message_move_task().task_handle("x").send().await;
    assert_eq!(code(cancel), "InvalidParameterValue");
    let list = world
        .sqs
        .list_message_move_tasks()
        .source_arn(arn("none"))
        .send()
        .await;
    assert!(
        list.unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
    let list = world
        .sqs
        .list_message_move_tasks()
        .source_arn(arn("dead"))
        .max_results(11);
    assert_eq!(code(list.send().await), "InvalidParameterValue");
    assert!(tasks(&world).await.is_empty());
}

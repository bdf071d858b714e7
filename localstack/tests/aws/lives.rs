use std::time::Duration;

use fanfare::fault::Life;
use tokio::time::timeout;

use crate::world::{under, world};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_killed_hosts_calls_never_return_and_change_nothing() {
    let world = world();
    let queue = world.queue("q", &[]).await;
    let topic = world.topic("orders", &[]).await;
    world.subscribe(&topic, "q", &[]).await;
    let life = Life::new("host");
    let host = under(world.local.clone(), &life);
    life.kill();
    let send = host.sqs.send_message().queue_url(&queue).message_body("x").send();
    assert!(timeout(HOUR, send).await.is_err());
    let publish = host.sns.publish().topic_arn(&topic).message("x").send();
    assert!(timeout(HOUR, publish).await.is_err());
    assert!(world.receive(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_killed_hosts_long_poll_takes_nothing_more() {
    let world = world();
    // Longer than the test: what was taken doesn't come back.
    let queue = world.queue("q", &[("VisibilityTimeout", "600")]).await;
    let life = Life::new("host");
    let host = under(world.local.clone(), &life);
    let poll = host.sqs.receive_message().queue_url(&queue).wait_time_seconds(20);
    let poll = tokio::spawn(poll.send());
    tokio::time::sleep(Duration::from_secs(1)).await;
    life.kill();
    world.send(&queue, "x").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!poll.is_finished(), "it hears of no timeout either");
    assert_eq!(world.bodies(&queue).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_host_had_received_comes_again() {
    let world = world();
    let queue = world.queue("q", &[]).await;
    world.send(&queue, "x").await;
    let life = Life::new("host");
    let host = under(world.local.clone(), &life);
    assert_eq!(host.bodies(&queue).await, ["x"]);
    life.kill();
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(world.bodies(&queue).await, ["x"]);
}

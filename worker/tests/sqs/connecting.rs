//! What a worker finds at its start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, http_client_fn};
use aws_smithy_types::timeout::TimeoutConfig;
use fanfare::fault::Life;
use fanfare::memory::QueueSettings;
use fanfare::port::Queue;
use fanfare::{Account, App, Delivery, Event, Failure, Handled, Router, RouterService, Topology};
use fanfare_worker::{ConnectError, SqsQueue, Worker};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::support::*;

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

async fn bill(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

fn billing() -> (Topology, RouterService) {
    let app = App::new("shop").consumer(Router::new("billing").on::<OrderPlaced>(bill));
    (app.topology().unwrap(), app.services().unwrap().remove(0))
}

#[tokio::test(start_paused = true)]
async fn a_missing_queue_is_told_by_its_name_and_with_what_to_do() {
    let ground = Ground::new("other", 5);
    let (topology, service) = billing();
    let error = Worker::connect(&ground.local.sdk_config(), &topology, service)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ConnectError::NoQueue { queue } if queue == "shop-billing"),
        "{error}"
    );
    assert!(error.to_string().contains("deploy"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_told_with_its_queue_and_what_to_do() {
    let ground = Ground::new("shop-billing", 5);
    let config = ground.config(&Life::default(), |operation, _, _| match operation {
        "GetQueueAttributes" => Act::Lose,
        _ => Act::Pass,
    });
    let error = SqsQueue::connect(&config, "shop-billing")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("GetQueueAttributes on queue `shop-billing` failed"),
        "{error}"
    );
    assert!(
        error.contains("lost on the way") && error.contains("look at the network"),
        "{error}"
    );
    assert_eq!(ground.count("GetQueueAttributes"), 3);
}

#[tokio::test(start_paused = true)]
async fn in_an_account_that_knows_where_its_queues_are_nobody_is_asked_for_that() {
    let ground = Ground::new("shop-billing", 5);
    let config = ground.config(&Life::default(), |_, _, _| Act::Pass);
    let account = Account::new("aws", "us-east-1", "000000000000").unwrap();
    let queue = SqsQueue::connect_in(&config, &account, "shop-billing")
        .await
        .unwrap();
    assert_eq!(queue.max_receives(), Some(5));
    let (topology, service) = billing();
    let _connected = Worker::connect_in(&config, &account, &topology, service)
        .await
        .unwrap();
    assert_eq!(
        (ground.count("GetQueueUrl"), ground.count("GetQueueAttributes")),
        (0, 4)
    );

    let elsewhere =
        r#"{"queues": {"shop-billing": "https://sqs.us-east-1.amazonaws.com/000000000000/none"}}"#;
    let elsewhere = account.clone().with_resources(elsewhere).unwrap();
    let error = SqsQueue::connect_in(&config, &elsewhere, "shop-billing").await;
    assert!(matches!(error, Err(ConnectError::NoQueue { .. })), "{error:?}");
    let nowhere = account.with_resources(r#"{"urls": {}}"#).unwrap_err().to_string();
    assert!(nowhere.contains("unknown field `urls`"), "{nowhere}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_a_dead_letter_queue_is_refused() {
    let ground = Ground::new("other", 5);
    ground
        .broker
        .create_queue("shop-billing", QueueSettings::default())
        .unwrap();
    let (topology, service) = billing();
    let error = Worker::connect(&ground.local.sdk_config(), &topology, service)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no dead-letter queue"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_of_another_application_is_refused() {
    let ground = Ground::new("shop-billing", 5);
    let (topology, _) = billing();
    let stranger = Router::new("shipping").into_service().unwrap();
    let error = Worker::connect(&ground.local.sdk_config(), &topology, stranger)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no consumer `shipping`"), "{error}");
}

/// The consumer expects 5 receives, the queue gives a message up after 2: the worker goes by the queue,
/// so that the dead letter has its reason.
#[tokio::test(start_paused = true)]
async fn the_queue_s_own_settings_count() {
    async fn fails(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        Err(Failure::retry("the bank is closed"))
    }
    let ground = Ground::new("shop-billing", 2);
    let app = App::new("shop").consumer(Router::new("billing").on::<OrderPlaced>(fails));
    let (topology, service) = (app.topology().unwrap(), app.services().unwrap().remove(0));
    ground.send([
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"order.placed","data":{"order":"17"}}"#,
    ]);
    let worker = Worker::connect(&ground.local.sdk_config(), &topology, service)
        .await
        .unwrap();
    let clock = ground.broker.clock();
    worker
        .configure(|host| host.clock(clock))
        .serve(ground.clone().quiet())
        .await
        .unwrap();
    let letters = ground.letters().await;
    assert_eq!(letters.len(), 1);
    let reason = letters[0].attributes[fanfare::port::DEAD_LETTER_ATTRIBUTE]
        .text()
        .unwrap();
    assert!(
        reason.contains("the bank is closed") && reason.contains(r#""attempts":2"#),
        "{reason}"
    );
}

/// An application's own timeouts, made for short calls, would end every long poll.
#[tokio::test(start_paused = true)]
async fn timeouts_of_the_application_do_not_cut_long_polls() {
    let ground = Ground::new("q", 5);
    let config = ground.local.sdk_config();
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(1));
    let inner = config.http_client().unwrap();
    let read_timeouts = Arc::<Mutex<Vec<Option<Duration>>>>::default();
    let seen = read_timeouts.clone();
    let client = http_client_fn(move |settings: &HttpConnectorSettings, components| {
        seen.lock().unwrap().push(settings.read_timeout());
        inner.http_connector(settings, components)
    });
    let config = config.into_builder().http_client(client);
    let config = config.timeout_config(timeouts.build()).build();
    let queue = SqsQueue::connect(&config, "q").await.unwrap();
    let start = Instant::now();
    assert!(queue.receive(1, seconds(20)).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), seconds(20));
    let read_timeouts = read_timeouts.lock().unwrap();
    assert!(
        !read_timeouts.is_empty() && read_timeouts.iter().all(Option::is_none),
        "{read_timeouts:?}"
    );
}

//! An agent of ECS that never does what it is asked.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::{App, Delivery, Event, Failure, Handled, Router};
use fanfare_worker::Worker;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::support::*;

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

async fn two_hours(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    sleep(seconds(2 * 3600)).await;
    Ok(Handled::Applied)
}

/// How often an agent is asked that hangs up each time, in so many hours with two hours of work.
async fn asked_in(hours: u64) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/api", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let ground = Ground::new("shop-billing", 5);
    ground.send([
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"order.placed","data":{"order":"17"}}"#,
    ]);
    let app = App::new("shop").consumer(Router::new("billing").on::<OrderPlaced>(two_hours));
    let (topology, service) = (app.topology().unwrap(), app.services().unwrap().remove(0));
    let worker = Worker::connect(&ground.local.sdk_config(), &topology, service)
        .await
        .unwrap();
    let clock = ground.broker.clock();
    let serving = worker
        .configure(|host| host.clock(clock))
        .ecs_agent(&uri)
        .serve(std::future::pending());
    assert!(timeout(seconds(hours * 3600), serving).await.is_err());
    assert_eq!(ground.broker.counts("shop-billing").unwrap().total(), 0);
    // For the thread to count the last ones.
    std::thread::sleep(std::time::Duration::from_millis(200));
    asked.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_refuses_is_asked_less_and_less_and_not_when_there_is_no_work() {
    // 15 s, 30 s and so on make 10 min after six pauses, and ten or eleven more in what is left.
    let asked = asked_in(3).await;
    assert!((10..=20).contains(&asked), "{asked}");
    // A call takes up to 5 s.
    assert!(asked_in(4).await.abs_diff(asked) <= 1);
}

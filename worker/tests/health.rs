//! Health checks and task protection of a worker, over real sockets and in real time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::fault::FaultPlan;
use fanfare::memory::{Broker, set_up};
use fanfare::port::Publish;
use fanfare::{App, Clock, Delivery, Draft, Event, Failure, Handled, Router};
use fanfare_local::{Dynamo, Local};
use fanfare_worker::{ServeError, Worker};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

async fn bill(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    sleep(Duration::from_millis(200)).await;
    Ok(Handled::Applied)
}

async fn worker(broker: &Broker) -> Worker {
    let app = App::new("shop").consumer(Router::new("billing").on::<OrderPlaced>(bill));
    let topology = app.topology().unwrap();
    set_up(broker, &topology).unwrap();
    let local = Local::of(broker.clone(), Dynamo::memory(Clock::system()).unwrap());
    let service = app.services().unwrap().remove(0);
    let worker = Worker::connect(&local.sdk_config(), &topology, service)
        .await
        .unwrap();
    worker.configure(|host| host.poll(Duration::from_secs(1)))
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// A port that nobody listens on.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_worker_is_ready_while_polling_works() {
    let broker = Broker::new(Clock::system(), FaultPlan::none());
    let worker = worker(&broker).await;
    let port = free_port().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(worker.health(port).serve(async {
        let _ = stopped.await;
    }));
    let become_ready = async {
        while !get(port, "/readyz").await.contains("200") {
            sleep(Duration::from_millis(100)).await;
        }
    };
    sleep(Duration::from_millis(50)).await;
    assert!(get(port, "/livez").await.contains("200"));
    timeout(Duration::from_secs(10), become_ready).await.unwrap();
    assert!(get(port, "/elsewhere").await.contains("404"));

    // Polling fails: alive, and not ready.
    broker.delete_queue("shop-billing");
    let become_unready = async {
        while !get(port, "/readyz").await.contains("503") {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(10), become_unready).await.unwrap();
    assert!(get(port, "/livez").await.contains("200"));
    stop.send(()).unwrap();
    timeout(Duration::from_secs(10), serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let broker = Broker::new(Clock::system(), FaultPlan::none());
    let taken = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = worker(&broker)
        .await
        .health(port)
        .serve(std::future::pending())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ServeError::Health { port: told, .. } if told == port),
        "{error}"
    );
}

/// An agent of ECS that keeps what it is asked, and fails at first.
async fn agent(fails: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/api/b7a9", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let kept = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut part = [0; 1024];
                let read = stream.read(&mut part).await.unwrap();
                request.extend_from_slice(&part[..read]);
            }
            let number = {
                let mut kept = kept.lock().unwrap();
                kept.push(String::from_utf8(request).unwrap());
                kept.len()
            };
            let body = match number > fails {
                true => r#"{"protection":{"ProtectionEnabled":true}}"#,
                false => r#"{"failure":{"Arn":"arn:aws:ecs:task","Reason":"DEPLOYMENT_BLOCKED"}}"#,
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (uri, asked)
}

/// Publishes an order and serves until it is handled.
async fn handle_one(agent: &str) {
    let broker = Broker::new(Clock::system(), FaultPlan::none());
    let worker = worker(&broker).await.ecs_agent(agent);
    let publisher = fanfare::memory::MemoryPublisher::new(broker.clone(), "shop");
    let placed = Draft::event(&OrderPlaced { order: "17".into() })
        .unwrap()
        .first("/checkout", &Clock::system());
    publisher.publish(vec![placed]).await.remove(0).unwrap();
    let handled = async {
        broker.quiet(["shop-billing"]).await.unwrap();
    };
    timeout(Duration::from_secs(20), worker.serve(handled))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(broker.counts("shop-billing").unwrap().total(), 0);
}

#[tokio::test]
async fn the_task_is_protected_while_it_works_and_not_afterwards() {
    let (uri, asked) = agent(0).await;
    handle_one(&uri).await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[0].starts_with("PUT /api/b7a9/task-protection/v1/state HTTP/1.1"),
        "{asked:?}"
    );
    assert!(
        asked[0].contains(r#""ProtectionEnabled":true"#) && asked[0].contains(r#""ExpiresInMinutes":20"#)
    );
    assert!(asked[1].contains(r#""ProtectionEnabled":false"#), "{asked:?}");
}

#[tokio::test]
async fn an_agent_that_refuses_or_is_not_there_stops_no_work() {
    let (uri, asked) = agent(9).await;
    handle_one(&uri).await;
    assert!(!asked.lock().unwrap().is_empty());
    handle_one(&format!("http://127.0.0.1:{}/api", free_port().await)).await;
    handle_one("not a uri").await;
}

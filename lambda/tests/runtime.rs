//! The loop on Lambda's runtime API. The API is a small one on a socket; what it talks to is a process of its
//! own that serves a function, as Lambda starts it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fanfare::memory::QueueSettings;
use fanfare::{Clock, Delivery, Draft, Event, Failure, Handled};
use fanfare_lambda::Function;
use fanfare_local::Local;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Barrier, Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Within this time all that is to happen has happened.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
struct OrderPlaced {
    order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

/// The process that Lambda starts.
#[test]
#[ignore = "the other tests start it"]
fn bootstrap() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let together = Arc::new(Barrier::new(3));
    let router = fanfare::Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let together = together.clone();
        async move {
            match placed.order.as_str() {
                "fails" => Err(Failure::retry("the bank is closed")),
                "panics" => panic!("of the handler"),
                "together" => match timeout(PATIENCE / 2, together.wait()).await {
                    Ok(_) => Ok(Handled::Applied),
                    Err(_) => Err(Failure::retry("alone")),
                },
                _ => Ok(Handled::Applied),
            }
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(async {
        let local = Local::new().unwrap();
        for queue in ["billing", "billing-dlq"] {
            local
                .broker()
                .create_queue(queue, QueueSettings::default())
                .unwrap();
        }
        let function = Function::new(&local.sdk_config(), router.into_service().unwrap());
        fanfare_lambda::run(function).await
    });
    println!("{served:?}");
}

/// What a process answered to an invocation.
#[derive(Debug)]
struct Reply {
    id: String,
    /// `response` or `error`.
    kind: String,
    body: Value,
}

struct Api {
    next: Mutex<mpsc::Receiver<(String, String)>>,
    replies: mpsc::Sender<Reply>,
}

/// An environment: the runtime API, and the process.
struct Environment {
    invocations: mpsc::Sender<(String, String)>,
    replies: mpsc::Receiver<Reply>,
    process: Child,
    _server: JoinSet<()>,
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    let Some((id, event)) = api.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + PATIENCE;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:billing".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn reply(
    State(api): State<Arc<Api>>,
    Path((id, kind)): Path<(String, String)>,
    body: String,
) -> StatusCode {
    // Not every reply says that it is JSON.
    let body = serde_json::from_str(&body).unwrap();
    api.replies.send(Reply { id, kind, body }).await.unwrap();
    StatusCode::ACCEPTED
}

impl Environment {
    /// For so many invocations at a time, if Lambda says anything of it.
    async fn start(concurrency: Option<u32>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (invocations, next_invocation) = mpsc::channel(16);
        let (sender, replies) = mpsc::channel(16);
        let api = Arc::new(Api {
            next: Mutex::new(next_invocation),
            replies: sender,
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(reply))
            .with_state(api);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.unwrap() });

        let mut process = Command::new(std::env::current_exe().unwrap());
        process
            .args(["--exact", "bootstrap", "--ignored", "--nocapture"])
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "billing")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        match concurrency {
            Some(concurrency) => process.env("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.to_string()),
            None => process.env_remove("AWS_LAMBDA_MAX_CONCURRENCY"),
        };
        Self {
            invocations,
            replies,
            process: process.spawn().unwrap(),
            _server: server,
        }
    }

    async fn invoke(&mut self, id: &str, event: impl ToString) -> Reply {
        self.give(id, event).await;
        let reply = self.reply().await;
        assert_eq!(reply.id, id);
        reply
    }

    async fn give(&self, id: &str, event: impl ToString) {
        self.invocations
            .send((id.to_owned(), event.to_string()))
            .await
            .unwrap();
    }

    async fn reply(&mut self) -> Reply {
        let reply = timeout(PATIENCE, self.replies.recv()).await;
        reply.expect("there is a reply in time").unwrap()
    }
}

fn event(orders: &[&str]) -> Value {
    let record = |order: &&str| {
        let placed = OrderPlaced {
            order: (*order).to_owned(),
        };
        let body = Draft::event(&placed)
            .unwrap()
            .first("/checkout", &Clock::system());
        json!({
            "messageId": order,
            "receiptHandle": "AQEB",
            "body": body.envelope.to_json(),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1750000000000" },
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:billing",
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": orders.iter().map(record).collect::<Vec<_>>() })
}

fn failed(orders: &[&str]) -> Value {
    let failed = orders.iter().map(|order| json!({ "itemIdentifier": order }));
    json!({ "batchItemFailures": failed.collect::<Vec<_>>() })
}

#[tokio::test]
async fn each_invocation_is_answered_and_nothing_ends_the_process() {
    let mut environment = Environment::start(None).await;

    let done = environment.invoke("1", event(&["a", "b"])).await;
    assert_eq!((done.kind.as_str(), done.body), ("response", failed(&[])));

    let one_fails = environment.invoke("2", event(&["a", "fails", "b"])).await;
    assert_eq!(
        (one_fails.kind.as_str(), one_fails.body),
        ("response", failed(&["fails"]))
    );

    let one_panics = environment.invoke("3", event(&["panics", "a"])).await;
    assert_eq!(
        (one_panics.kind.as_str(), one_panics.body),
        ("response", failed(&["panics"]))
    );

    let no_event = environment.invoke("4", json!({ "hello": "world" })).await;
    assert_eq!(no_event.kind, "error");
    let message = no_event.body["errorMessage"].as_str().unwrap();
    assert!(message.contains("missing field `Records`"), "{message}");

    let no_json = environment.invoke("5", "{").await;
    assert_eq!(no_json.kind, "error");

    // Invoked by the topic itself, and not behind a queue: answered as done, it would be lost.
    let sns = json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": { "Message": "{}" } }] });
    let not_sqs = environment.invoke("6", sns).await;
    assert_eq!(
        (not_sqs.kind.as_str(), &not_sqs.body["errorType"]),
        ("error", &json!("NotSqs"))
    );
    let message = not_sqs.body["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("record 0 of the event is none of SQS"),
        "{message}"
    );

    let done = environment.invoke("7", event(&["c"])).await;
    assert_eq!((done.kind.as_str(), done.body), ("response", failed(&[])));
    assert_eq!(
        environment.process.try_wait().unwrap(),
        None,
        "it is the same process"
    );
}

/// Lambda Managed Instances: each handler waits for the other two.
#[tokio::test]
async fn where_lambda_says_so_there_are_several_invocations_at_a_time() {
    let mut environment = Environment::start(Some(3)).await;
    for id in ["1", "2", "3"] {
        environment.give(id, event(&["together"])).await;
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = environment.reply().await;
        assert_eq!((reply.kind.as_str(), reply.body), ("response", failed(&[])));
        ids.push(reply.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, ["1", "2", "3"]);
}

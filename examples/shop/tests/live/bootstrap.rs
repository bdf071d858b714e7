//! The shop's binary as Lambda starts it, with a runtime API of the test's own.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::crew::Running;
use crate::stage::{LONGEST, Stage};

/// How long an invocation may take.
pub(crate) const INVOCATION: Duration = Duration::from_secs(20);

type Answer = Result<Value, String>;

/// A function: its one environment. The process ends with it.
pub(crate) struct Bootstrap {
    pub(crate) process: Running,
    invocations: mpsc::Sender<(Value, oneshot::Sender<Answer>)>,
    _server: JoinSet<()>,
}

struct Api {
    next: Mutex<mpsc::Receiver<(Value, oneshot::Sender<Answer>)>>,
    /// Who waits for the answer to the invocation under way: there is one at a time.
    waits: Mutex<Option<oneshot::Sender<Answer>>>,
}

impl Bootstrap {
    /// Starts this part of the shop. It signs what it calls with `key`.
    pub(crate) async fn start(stage: &Stage, part: &str, key: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut command = stage.shop(&[]);
        command
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", format!("shop-{part}"))
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("SHOP_CONSUMER", part)
            .env("SHOP_ACCOUNT", stage.aws.account().id());
        let (invocations, next_invocation) = mpsc::channel(16);
        let api = Arc::new(Api {
            next: Mutex::new(next_invocation),
            waits: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(reply))
            .with_state(api);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            process: Running::of(format!("{part}, as a function"), command)?,
            invocations,
            _server: server,
        })
    }

    /// What it answers to this event.
    pub(crate) async fn invoke(&self, event: Value) -> Answer {
        let (waits, answer) = oneshot::channel();
        let sent = self.invocations.send((event, waits)).await;
        sent.map_err(|_| "the function has ended".to_owned())?;
        let answer = timeout(LONGEST, answer).await;
        answer.ok().and_then(Result::ok).unwrap_or_else(|| {
            let lines = self.process.lines();
            Err(format!("the function doesn't answer: {lines:?}"))
        })
    }
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    let Some((event, waits)) = api.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    *api.waits.lock().await = Some(waits);
    let deadline = SystemTime::now() + INVOCATION;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:shop";
    let headers = [
        ("lambda-runtime-aws-request-id", "1".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", arn.to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn reply(
    State(api): State<Arc<Api>>,
    Path((_, kind)): Path<(String, String)>,
    body: String,
) -> StatusCode {
    let answer = match kind.as_str() {
        "response" => serde_json::from_str(&body).context("an answer"),
        _ => Err(anyhow::anyhow!("{kind}: {body}")),
    };
    if let Some(waits) = api.waits.lock().await.take() {
        let _ = waits.send(answer.map_err(|error| format!("{error:#}")));
    }
    StatusCode::ACCEPTED
}

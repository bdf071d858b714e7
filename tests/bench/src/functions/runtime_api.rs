//! Lambda's Runtime API, as far as a function needs it: it is asked for invocations, and told their results.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::REGION;

/// How long to wait for a function.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an invocation may take, as it is told.
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct RuntimeApi {
    pub address: String,
    asked: mpsc::Receiver<Asked>,
    told: mpsc::Receiver<Told>,
}

/// A function waits for its next invocation.
pub struct Asked {
    pub at: Instant,
    give: oneshot::Sender<Value>,
}

struct Told {
    at: Instant,
    result: Result<Value, String>,
}

struct Shared {
    asked: mpsc::Sender<Asked>,
    told: mpsc::Sender<Told>,
    invocations: Mutex<u64>,
}

impl RuntimeApi {
    pub async fn start() -> anyhow::Result<Self> {
        let (asked_sender, asked) = mpsc::channel(1);
        let (told_sender, told) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            asked: asked_sender,
            told: told_sender,
            invocations: Mutex::new(0),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(shared);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, asked, told })
    }

    /// Waits until a function asks for an invocation.
    pub async fn asked(&mut self) -> anyhow::Result<Asked> {
        let both = async {
            tokio::select! {
                asked = self.asked.recv() => asked.context("the Runtime API has ended"),
                told = self.told.recv() => bail!("it failed: {:?}", told.map(|told| told.result)),
            }
        };
        timeout(PATIENCE, both)
            .await
            .context("no function asked for an invocation")?
    }

    /// Gives it this event, and says how long it took and what came of it.
    pub async fn invoke(&mut self, asked: Asked, event: Value) -> anyhow::Result<(Duration, Value)> {
        let given = Instant::now();
        ensure_sent(asked.give.send(event))?;
        let told = timeout(PATIENCE, self.told.recv())
            .await
            .context("the function gives no result")?;
        let told = told.context("the Runtime API has ended")?;
        let result = told
            .result
            .map_err(|error| anyhow::anyhow!("the invocation failed: {error}"))?;
        Ok((told.at - given, result))
    }
}

fn ensure_sent(sent: Result<(), Value>) -> anyhow::Result<()> {
    sent.ok().context("the function has gone")
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let (give, given) = oneshot::channel();
    let at = Instant::now();
    if shared.asked.send(Asked { at, give }).await.is_err() {
        return StatusCode::GONE.into_response();
    }
    let Ok(event) = given.await else {
        return StatusCode::GONE.into_response();
    };
    let mut invocations = shared.invocations.lock().await;
    *invocations += 1;
    let deadline = (SystemTime::now() + TIMEOUT)
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let headers = [
        (
            "Lambda-Runtime-Aws-Request-Id",
            format!("00000000-0000-0000-0000-{:012}", *invocations),
        ),
        ("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            format!("arn:aws:lambda:{REGION}:000000000000:function:bench"),
        ),
        (
            "Lambda-Runtime-Trace-Id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
        ("Content-Type", "application/json".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn tell(shared: &Shared, result: Result<Value, String>) -> StatusCode {
    let at = Instant::now();
    let _ = shared.told.send(Told { at, result }).await;
    StatusCode::ACCEPTED
}

async fn response(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    tell(
        &shared,
        serde_json::from_slice(&body).map_err(|error| error.to_string()),
    )
    .await
}

async fn error(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    tell(&shared, Err(String::from_utf8_lossy(&body).into_owned())).await
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    tell(&shared, Err(String::from_utf8_lossy(&body).into_owned())).await
}

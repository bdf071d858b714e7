//! Keeping ECS from taking the task away while it works.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use fanfare::BoxError;
use fanfare::host::Pulse;
use futures_util::future::{Either, select};
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Where the agent of ECS tells its endpoint.
const VARIABLE: &str = "ECS_AGENT_URI";
/// How long a protection lasts unless it is renewed, in minutes; AWS takes 1 to 2,880. Short, since a
/// process that dies doesn't end it.
const EXPIRES: u64 = 20;
/// How often it is renewed while there is work.
const RENEW: Duration = Duration::from_secs(EXPIRES * 60 / 2);
/// How long there must have been no work before it is ended: the agent limits how often it is asked.
const IDLE: Duration = Duration::from_secs(30);
/// The pause after a call that failed, doubled each time up to the most.
const AGAIN: Duration = Duration::from_secs(15);
const AGAIN_MOST: Duration = Duration::from_secs(600);
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const ANSWER: usize = 64 * 1024;

/// ECS's scale-in protection for the task that this process runs in: on with the first message in
/// hand, renewed while there are any, off when there were none for 30 s. A failure is logged and tried
/// again, and never stops the work.
#[derive(Clone, Debug)]
pub(crate) struct Protection {
    agent: Uri,
}

impl Protection {
    /// By the environment: nothing where the variable isn't set, as outside of ECS.
    pub(crate) fn from_env() -> Option<Self> {
        let agent = std::env::var(VARIABLE).ok()?;
        let protection = Self::at(&agent);
        if protection.is_none() {
            tracing::warn!(
                agent,
                "{VARIABLE} is no URI: the task isn't protected while it works"
            );
        }
        protection
    }

    /// With the agent at this URI, such as `http://169.254.170.2/api/b7a9`.
    pub(crate) fn at(agent: &str) -> Option<Self> {
        let agent: Uri = agent.trim_end_matches('/').parse().ok()?;
        agent.host()?;
        Some(Self { agent })
    }

    /// Protects the task while the host is busy, until it is dropped.
    pub(crate) async fn run(&self, pulse: &Pulse) -> Infallible {
        loop {
            pulse.until_busy(true).await;
            if self.keep(pulse).await {
                self.end(pulse).await;
            }
        }
    }

    /// Switches it on and renews it until there was no work for a while; says whether it ever was on.
    async fn keep(&self, pulse: &Pulse) -> bool {
        let (mut was_on, mut again) = (false, AGAIN);
        // One for all rounds: a pause between calls may be shorter than it.
        let mut idle = pin!(idle(pulse));
        loop {
            let pause = match self.set(true).await {
                true => {
                    (was_on, again) = (true, AGAIN);
                    RENEW
                }
                false => {
                    let pause = again;
                    again = longer(again);
                    pause
                }
            };
            tokio::select! {
                biased;
                () = &mut idle => return was_on,
                () = sleep(pause) => {}
            }
        }
    }

    /// Ends it, once more after a failure, unless there is work again.
    async fn end(&self, pulse: &Pulse) {
        let mut again = AGAIN;
        while !self.set(false).await {
            tokio::select! {
                biased;
                () = pulse.until_busy(true) => return,
                () = sleep(again) => again = longer(again),
            }
        }
    }

    /// Switches it and says whether that worked. It takes 5 s at most.
    pub(crate) async fn set(&self, enabled: bool) -> bool {
        let called = timeout(TIMEOUT, self.put(enabled)).await;
        let result = called.unwrap_or_else(|_| Err("there was no answer in time".into()));
        match &result {
            Ok(()) => tracing::debug!(enabled, "task protection"),
            Err(error) => tracing::warn!(enabled, error, "task protection could not be set"),
        }
        result.is_ok()
    }

    async fn put(&self, enabled: bool) -> Result<(), BoxError> {
        let body = match enabled {
            true => serde_json::json!({ "ProtectionEnabled": true, "ExpiresInMinutes": EXPIRES }),
            false => serde_json::json!({ "ProtectionEnabled": false }),
        };
        let host = self.agent.host().unwrap_or_default();
        let port = self.agent.port_u16().unwrap_or(80);
        let path = format!(
            "{}/task-protection/v1/state",
            self.agent.path().trim_end_matches('/')
        );
        let request = Request::builder()
            .method(Method::PUT)
            .uri(path)
            .header(header::HOST, format!("{host}:{port}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = pin!(async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER).collect().await?;
            Ok::<_, BoxError>((status, body.to_bytes()))
        });
        let (status, body) = match select(exchange, pin!(connection)).await {
            Either::Left((answer, _)) => answer?,
            Either::Right((_, exchange)) => exchange.await?,
        };
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let failure = ["failure", "error"].into_iter().find_map(|key| answer.get(key));
        match failure.filter(|failure| !failure.is_null()) {
            Some(failure) => Err(format!("{status}: {failure}").into()),
            None if status.is_success() => Ok(()),
            None => Err(status.to_string().into()),
        }
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(AGAIN_MOST)
}

/// Resolves when the host had no message in hand for a while.
async fn idle(pulse: &Pulse) {
    loop {
        pulse.until_busy(false).await;
        tokio::select! {
            biased;
            () = pulse.until_busy(true) => {}
            () = sleep(IDLE) => return,
        }
    }
}

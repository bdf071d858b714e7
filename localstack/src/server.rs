//! The services on a socket.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare::fault::{Fault, Life};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Local;
use crate::answer::Answer;
use crate::lambda::List;
use crate::query::request_id;
use crate::request::{Credential, Request};

/// The largest body: what DynamoDB takes at most, and more than 1 MiB of text can grow to.
const BODY: usize = 16 * 1024 * 1024;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long a connection may stay idle.
const IDLE: Duration = Duration::from_secs(120);
/// How long calls under way have at the end. Polls that still wait are cut off: they have taken
/// nothing.
const DRAIN: Duration = Duration::from_secs(1);
/// The pause after a connection that could not be taken: too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// What can happen to a call on its way. There is no host here that could be killed.
const CALL: [Fault; 4] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::DelayReply,
    Fault::Throttle,
];

/// Serves SNS, SQS, STS, DynamoDB and Lambda's empty lists on one socket, over HTTP/1.1 with keep-alive, until `shutdown`
/// resolves; calls under way then have a second to end. `GET /health` says that it runs. Under a fault
/// plan an answer that gets lost is a connection that is closed.
///
/// **Whoever reaches the socket can do everything**: there are no permissions and no TLS. Listen on
/// 127.0.0.1.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// use fanfare_local::{Local, serve};
/// use tokio::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let endpoint = format!("http://{}", listener.local_addr()?);
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = tokio::spawn(serve(Local::new()?, listener, async { stopped.await.unwrap_or_default() }));
/// // ... clients whose `endpoint_url` is `endpoint` ...
/// # assert!(endpoint.starts_with("http://127.0.0.1:"));
/// stop.send(()).ok();
/// server.await?;
/// # Ok(())
/// # }
/// ```
pub async fn serve(local: Local, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(false);
    let local = Arc::new(local);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(connection(Arc::clone(&local), stream, stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, ended).await.is_err() {
        tracing::debug!(connections = connections.len(), "cut off");
    }
}

async fn connection(local: Arc<Local>, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    // Answers are small and asked for one by one: waiting to fill a packet would hold each up.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no nodelay");
    }
    let host = stream
        .local_addr()
        .map(|address| address.to_string())
        .unwrap_or_default();
    let service = service_fn(|request| respond(&local, &host, request));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let mut served = pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        () = stops(&mut stopping) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn stops(stopping: &mut watch::Receiver<bool>) {
    // An error is the end of the server, which stops it too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Answers a request. The error makes hyper close the connection without an answer.
async fn respond(
    local: &Local,
    own_host: &str,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/health" && [Method::GET, Method::HEAD].contains(&parts.method) {
        return Ok(health());
    }
    let read = (parts.method == Method::GET).then(|| parts.uri.path());
    if parts.method != Method::POST && read.and_then(List::at).is_none() {
        let message =
            "calls are POST requests, but for Lambda's lists; GET /health says that the server runs";
        return Ok(response(refusal(StatusCode::METHOD_NOT_ALLOWED, message)));
    }
    if body.size_hint().lower() > BODY as u64 {
        return Ok(too_large());
    }
    let body = match tokio::time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Ok(too_large());
        }
        Ok(Err(error)) => return Err(io::Error::other(error)),
        Err(_late) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let request = Request {
        host: header(&parts.headers, HOST.as_str()).unwrap_or(own_host),
        target: header(&parts.headers, "x-amz-target"),
        read,
        credential: header(&parts.headers, AUTHORIZATION.as_str()).and_then(Credential::of_signature),
        trace_header: header(&parts.headers, "x-amzn-trace-id"),
        body: &body,
    };
    let services = local.services();
    let life = Life::default();
    let answer = services.answer(request, local.dynamo().plan(), &CALL, &life);
    match answer.await {
        Some(answer) => Ok(response(answer)),
        None => Err(io::Error::other("no answer comes, as the fault plan wills")),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    let error = Answer::error("com.amazon.coral.service#InvalidRequest", message, &json!({}));
    Answer { status, ..error }
}

fn too_large() -> Response<Full<Bytes>> {
    let message = "the request has more than 16 MiB";
    response(refusal(StatusCode::PAYLOAD_TOO_LARGE, message))
}

fn health() -> Response<Full<Bytes>> {
    let services = ["dynamodb", "sns", "sqs", "sts"];
    let body = json!({"status": "running", "services": services}).to_string();
    let mut response = Response::new(Full::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let mime = HeaderValue::from_static(answer.content.mime());
    headers.insert(CONTENT_TYPE, mime);
    let written = [
        ("x-amzn-requestid", Some(request_id())),
        ("x-amzn-query-error", answer.query_error),
    ];
    for (name, value) in written {
        // Codes and counted ids are ASCII.
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    response
}

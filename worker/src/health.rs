//! Health checks over HTTP.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use fanfare::host::Pulse;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the host's loop may stand still: it turns every 5 s at least.
const STILL: Duration = Duration::from_secs(60);
/// How long a connection may last.
const CONNECTION: Duration = Duration::from_secs(10);
/// How many there may be at a time.
const CONNECTIONS: usize = 16;

/// Answers `/livez` (the loop turns) and `/readyz` (the last receive worked) with 200 or 503, until it
/// is dropped.
pub(crate) async fn serve(listener: TcpListener, pulse: Pulse) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS || connections.try_join_next().is_some() {
            if connections.len() >= CONNECTIONS {
                connections.join_next().await;
            }
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a health check could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let pulse = pulse.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let answer = answer(request.method(), request.uri().path(), &pulse);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), answer);
        // Whoever asks and goes away is no news.
        connections.spawn(async move { drop(timeout(CONNECTION, connection).await) });
    }
}

fn answer(method: &Method, path: &str, pulse: &Pulse) -> Response<Full<Bytes>> {
    let (status, text) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/livez") if pulse.turned_within(STILL) => (StatusCode::OK, "alive"),
        (&Method::GET | &Method::HEAD, "/livez") => {
            (StatusCode::SERVICE_UNAVAILABLE, "the loop stands still")
        }
        (&Method::GET | &Method::HEAD, "/readyz") if pulse.is_receiving() => (StatusCode::OK, "ready"),
        (&Method::GET | &Method::HEAD, "/readyz") => (StatusCode::SERVICE_UNAVAILABLE, "not receiving"),
        (_, "/livez" | "/readyz") => (StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD"),
        _ => (StatusCode::NOT_FOUND, "there are /livez and /readyz"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

//! The trace of an invocation, on every call that is made for it.
//!
//! Lambda gives each invocation an `X-Amzn-Trace-Id`. Calls that carry it on are one trace, and Lambda's
//! recursion detection goes by it. The SDK takes it from the process's environment, which has room for one
//! invocation; where an environment handles several at a time (Lambda Managed Instances) it finds none.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use fanfare::Message;
use tokio::task::futures::TaskLocalFuture;
use tower::Service;

/// The header's name. It is no part of what SDKs sign, so that it can be set last.
const HEADER: &str = "x-amzn-trace-id";

type TraceId = Arc<str>;

tokio::task_local! {
    static TRACE: Option<TraceId>;
}

/// The invocation that began last: for calls of tasks that work for several, as a publisher's do.
static LATEST: Mutex<Option<TraceId>> = Mutex::new(None);

/// The same configuration for clients whose every request carries the trace of the invocation that it is
/// made for. They share one HTTP client, and so one pool of connections and one set of root certificates.
///
/// A request of a task that works for several invocations, such as one that publishes a batch for all of
/// them, carries the trace of the one that began last. Outside of an invocation nothing is added.
///
/// ```
/// use aws_types::SdkConfig;
/// use aws_types::region::Region;
///
/// let config = SdkConfig::builder().region(Region::from_static("eu-central-1")).build();
/// let config = fanfare_lambda::traced(&config);
/// assert!(config.http_client().is_some());
/// ```
pub fn traced(config: &SdkConfig) -> SdkConfig {
    let client = config.http_client().unwrap_or_else(|| {
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        Builder::new().tls_provider(provider).build_https()
    });
    config.to_builder().http_client(Traced(client)).build()
}

/// Runs `work` as part of the invocation with this trace.
pub(crate) async fn within<F: Future>(trace: Option<&str>, work: F) -> F::Output {
    let trace: Option<TraceId> = trace.map(Arc::from);
    latest().clone_from(&trace);
    let output = TRACE.scope(trace.clone(), work).await;
    let mut latest = latest();
    if *latest == trace {
        *latest = None;
    }
    output
}

fn latest() -> MutexGuard<'static, Option<TraceId>> {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The trace of what runs now.
fn current() -> Option<TraceId> {
    TRACE.try_with(Clone::clone).unwrap_or_else(|_| latest().clone())
}

/// A service whose calls belong to the invocation that made it, whatever task they run in.
#[derive(Clone, Debug)]
pub(crate) struct InTrace<S> {
    service: S,
    trace: Option<TraceId>,
}

impl<S> InTrace<S> {
    /// In the trace of what runs now.
    pub(crate) fn of(service: S) -> Self {
        let trace = current();
        Self { service, trace }
    }
}

impl<S: Service<Message>> Service<Message> for InTrace<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<Option<TraceId>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        TRACE.scope(self.trace.clone(), self.service.call(message))
    }
}

/// An HTTP client that sets the header.
#[derive(Debug)]
struct Traced(SharedHttpClient);

impl HttpClient for Traced {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(TracedConnector(self.0.http_connector(settings, components)))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[derive(Debug)]
struct TracedConnector(SharedHttpConnector);

impl HttpConnector for TracedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(trace) = current()
            && let Err(error) = request.headers_mut().try_insert(HEADER, trace.to_string())
        {
            tracing::debug!(%error, "an invocation's trace is no header");
        }
        self.0.call(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use tokio::sync::Barrier;

    use super::*;

    /// Answers everything, and remembers the traces that it saw.
    #[derive(Clone, Debug, Default)]
    struct Seen(Arc<Mutex<Vec<Option<String>>>>);

    impl HttpConnector for Seen {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let trace = request.headers().get(HEADER).map(str::to_owned);
            self.0.lock().unwrap().push(trace);
            let status = StatusCode::try_from(200).unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::empty())))
        }
    }

    impl Seen {
        async fn call_through(&self) {
            let connector = TracedConnector(SharedHttpConnector::new(self.clone()));
            connector.call(HttpRequest::new(SdkBody::empty())).await.unwrap();
        }

        fn last(&self) -> Option<String> {
            self.0.lock().unwrap().last().cloned().flatten()
        }
    }

    /// All in one test: what began last is the process's.
    #[tokio::test]
    async fn a_request_carries_the_trace_of_its_invocation() {
        let seen = Seen::default();
        seen.call_through().await;
        assert_eq!(seen.last(), None, "outside of an invocation");

        let both = Barrier::new(2);
        let invocation = async |trace: &str| {
            within(Some(trace), async {
                both.wait().await;
                let one = Seen::default();
                one.call_through().await;
                let service = tower::service_fn(move |_: Message| {
                    let one = one.clone();
                    async move {
                        one.call_through().await;
                        Ok::<_, std::convert::Infallible>(one)
                    }
                });
                let mut service = InTrace::of(service);
                // In a task of its own, as the host runs it.
                let one = tokio::spawn(async move { service.call(Message::new("{}")).await.unwrap() });
                one.await.unwrap().0.lock().unwrap().clone()
            })
            .await
        };
        let (one, other) = tokio::join!(invocation("Root=1-one"), invocation("Root=1-other"));
        assert_eq!(one, vec![Some("Root=1-one".to_owned()); 2]);
        assert_eq!(other, vec![Some("Root=1-other".to_owned()); 2]);

        let shared = seen.clone();
        within(Some("Root=1-last"), async {
            tokio::spawn(async move { shared.call_through().await })
                .await
                .unwrap();
        })
        .await;
        assert_eq!(
            seen.last().as_deref(),
            Some("Root=1-last"),
            "a task of the process"
        );

        within(Some("no\nheader"), seen.call_through()).await;
        assert_eq!(seen.last(), None);
        seen.call_through().await;
        assert_eq!(seen.last(), None, "over");
    }
}

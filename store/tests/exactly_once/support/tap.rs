//! A tap between the SDK and DynamoDB: sees every request, and decides what becomes of it.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use fanfare::fault::Life;
use fanfare_local::Dynamo;
use serde_json::{Value, json};

/// What becomes of a request.
pub(crate) enum Deed {
    /// It goes through.
    Pass,
    /// It never arrives.
    LoseRequest,
    /// It takes effect, and its answer is lost.
    LoseReply,
    /// It is never answered.
    Hang,
    /// It is refused with this type of error.
    Refuse(&'static str),
    /// The transaction is cancelled, with these codes for its actions; `None` behind them.
    Cancel(&'static [&'static str]),
}

type Decide = dyn FnMut(&str, &mut Value) -> Deed + Send;

/// Sees requests and decides on them.
#[derive(Clone)]
pub(crate) struct Tap {
    decide: Arc<Mutex<Decide>>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Tap {
    /// `decide` gets the operation and the body, which it may change.
    pub(crate) fn new(decide: impl FnMut(&str, &mut Value) -> Deed + Send + 'static) -> Self {
        Self {
            decide: Arc::new(Mutex::new(decide)),
            seen: Arc::default(),
        }
    }

    /// Lets everything through.
    pub(crate) fn open() -> Self {
        Self::new(|_, _| Deed::Pass)
    }

    /// These deeds for the first calls of an operation, in order; the others pass.
    pub(crate) fn first(operation: &'static str, deeds: Vec<Deed>) -> Self {
        let mut deeds = deeds.into_iter();
        Self::new(move |name, _| match name == operation {
            true => deeds.next().unwrap_or(Deed::Pass),
            false => Deed::Pass,
        })
    }

    /// Every request so far: its operation and body, as the SDK sent it.
    pub(crate) fn seen(&self) -> Vec<(String, Value)> {
        self.seen.lock().unwrap().clone()
    }

    /// The bodies of an operation's requests so far.
    pub(crate) fn bodies(&self, operation: &str) -> Vec<Value> {
        let seen = self.seen().into_iter();
        seen.filter(|(name, _)| name == operation)
            .map(|(_, body)| body)
            .collect()
    }

    /// A client through it, that makes one attempt a call: what is tried again is tried by the store.
    pub(crate) fn client(&self, dynamo: &Dynamo) -> Client {
        let config = dynamo.config(&Life::default()).build();
        let inner = config.http_client().unwrap();
        let tap = self.clone();
        let client = http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Tapped {
                tap: tap.clone(),
                inner: inner.http_connector(settings, components),
            })
        });
        let retries = aws_sdk_dynamodb::config::retry::RetryConfig::disabled();
        Client::from_conf(
            config
                .to_builder()
                .http_client(client)
                .retry_config(retries)
                .build(),
        )
    }
}

#[derive(Clone)]
struct Tapped {
    tap: Tap,
    inner: SharedHttpConnector,
}

impl std::fmt::Debug for Tapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tapped")
    }
}

impl HttpConnector for Tapped {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.tap
            .seen
            .lock()
            .unwrap()
            .push((operation.clone(), body.clone()));
        let deed = (self.tap.decide.lock().unwrap())(&operation, &mut body);
        let actions = body["TransactItems"].as_array().map_or(0, Vec::len);
        *request.body_mut() = SdkBody::from(body.to_string());
        let inner = self.inner.clone();
        let lost = || ConnectorError::timeout("lost by the test".into());
        HttpConnectorFuture::new(async move {
            match deed {
                Deed::Pass => inner.call(request).await,
                Deed::LoseRequest => Err(lost()),
                Deed::LoseReply => {
                    inner.call(request).await?;
                    Err(lost())
                }
                Deed::Hang => std::future::pending().await,
                Deed::Refuse(kind) => Ok(refused(kind, json!({}))),
                Deed::Cancel(codes) => {
                    let reasons: Vec<_> = (0..actions)
                        .map(|action| json!({"Code": codes.get(action).unwrap_or(&"None")}))
                        .collect();
                    let more = json!({"CancellationReasons": reasons});
                    Ok(refused("TransactionCanceledException", more))
                }
            }
        })
    }
}

fn refused(kind: &str, mut body: Value) -> HttpResponse {
    body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{kind}").into();
    body["message"] = "refused by the test".into();
    let status = match kind {
        "InternalServerError" => 500,
        _ => 400,
    };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

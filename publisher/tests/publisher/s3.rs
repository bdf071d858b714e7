//! S3, below the SDK.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_sns::config::{Credentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use fanfare_publisher::ClaimCheck;

/// A bucket below the SDK.
#[derive(Clone)]
pub(crate) struct S3(Arc<Mutex<Bucket>>);

pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Method and path of each request.
    pub(crate) requests: Vec<String>,
    /// Answers to the next requests, as status and code; nothing for no answer.
    pub(crate) failures: Vec<Option<(u16, &'static str)>>,
    /// The rules, as XML; none when there is no lifecycle.
    pub(crate) rules: Option<String>,
}

impl S3 {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Bucket {
            objects: BTreeMap::new(),
            requests: Vec::new(),
            failures: Vec::new(),
            rules: None,
        })))
    }

    pub(crate) fn failing(failures: impl IntoIterator<Item = Option<(u16, &'static str)>>) -> Self {
        let s3 = Self::new();
        s3.bucket().failures = failures.into_iter().collect();
        s3
    }

    pub(crate) fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.bucket().requests.clone()
    }

    pub(crate) fn bodies(&self) -> ClaimCheck {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("id", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .region(Region::new("eu-central-1"))
            .endpoint_url("http://s3.local")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        ClaimCheck::new(&config, "bodies").prefix("events/")
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let uri: http::Uri = request.uri().parse().unwrap();
        let path = uri.path().to_owned();
        let method = request.method().to_owned();
        let failure = {
            let mut bucket = self.bucket();
            bucket.requests.push(format!("{method} {path}"));
            let failures = bucket.failures.len();
            (failures > 0).then(|| bucket.failures.remove(0))
        };
        match failure {
            Some(Some((status, code))) => return Ok(error(status, code)),
            Some(None) => std::future::pending().await,
            None => {}
        }
        let mut bucket = self.bucket();
        Ok(match method.as_str() {
            "PUT" => {
                let body = request.body().bytes().expect("a body in memory").to_vec();
                bucket.objects.insert(path, body);
                HttpResponse::new(200.try_into().unwrap(), SdkBody::empty())
            }
            "GET" if uri.query().is_some_and(|query| query.contains("lifecycle")) => match &bucket.rules {
                Some(rules) => with(
                    200,
                    format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>"),
                ),
                None => error(404, "NoSuchLifecycleConfiguration"),
            },
            "GET" => match bucket.objects.get(&path) {
                Some(object) => HttpResponse::new(200.try_into().unwrap(), SdkBody::from(object.clone())),
                None => error(404, "NoSuchKey"),
            },
            other => panic!("{other} {path}"),
        })
    }
}

impl HttpConnector for S3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3")
    }
}

fn error(status: u16, code: &str) -> HttpResponse {
    with(
        status,
        format!("<Error><Code>{code}</Code><Message>as scripted</Message></Error>"),
    )
}

fn with(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

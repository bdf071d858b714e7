//! The SDK's HTTP client that calls the services instead of a socket.

use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use fanfare::Clock;
use fanfare::fault::{Fault, FaultPlan, Life};

use crate::request::Request;
use crate::services::Services;

/// What can happen to any call on its way.
const CALL: [Fault; 5] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::DelayReply,
    Fault::Throttle,
    Fault::Kill,
];

/// What one life of a host calls through.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    services: Services,
    plan: Option<FaultPlan>,
    life: Life,
}

impl Connector {
    pub(crate) fn new(services: Services, plan: Option<FaultPlan>, life: Life) -> Self {
        Self { services, plan, life }
    }

    pub(crate) fn into_client(self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self);
        http_client_fn(move |_settings, _components| connector.clone())
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        // A call over a network gives way to other tasks; one that never did would starve them.
        tokio::task::yield_now().await;
        self.life.check().await;
        let request = Request::of_sdk(&request);
        let answer = self
            .services
            .answer(request, self.plan.as_ref(), &CALL, &self.life);
        match answer.await {
            Some(answer) => Ok(answer.into()),
            None => Err(ConnectorError::timeout(
                "no answer came, as the fault plan wills".into(),
            )),
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

/// Tokio's timers, which stop with the life: what a host waits for never comes once it is killed,
/// the SDK's timeouts and pauses included.
#[derive(Debug)]
pub(crate) struct Timers(pub(crate) Life);

impl AsyncSleep for Timers {
    fn sleep(&self, duration: Duration) -> Sleep {
        let life = self.0.clone();
        Sleep::new(async move {
            tokio::time::sleep(duration).await;
            life.check().await;
        })
    }
}

/// Our clock as the SDK reads it.
#[derive(Debug)]
pub(crate) struct Now(pub(crate) Clock);

impl TimeSource for Now {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

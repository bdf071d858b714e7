//! The SDK's HTTP client that calls the database instead of a socket.

use std::sync::{Arc, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use fanfare::fault::{Call, Fault, FaultPlan, Life};

use super::Shared;
use super::answer::Answer;
use super::digest::Digest;
use super::operation::Operation;

const CALL: [Fault; 5] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::DelayReply,
    Fault::Throttle,
    Fault::Kill,
];

/// What one life of a host calls through.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    shared: Arc<Shared>,
    plan: Option<FaultPlan>,
    life: Life,
}

impl Connector {
    pub(super) fn new(shared: Arc<Shared>, plan: Option<FaultPlan>, life: Life) -> Self {
        Self { shared, plan, life }
    }

    pub(super) fn into_client(self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self);
        http_client_fn(move |_settings, _components| connector.clone())
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        // A call over a network gives way to other tasks; one that never did would starve them.
        tokio::task::yield_now().await;
        self.life.check().await;
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = match Operation::of_target(target) {
            Ok(operation) => operation,
            Err(answer) => return Ok(answer.into()),
        };
        let body = request.body().bytes().unwrap_or_default();
        let answer = self.shared.run(operation, body);
        self.life.check().await;
        Ok(answer.into())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl Shared {
    /// Runs an operation to its end.
    fn run(&self, operation: Operation, body: &[u8]) -> Answer {
        *self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(operation.name)
            .or_default() += 1;
        let run = || operation.run(&self.database, body);
        if operation.takes_token() {
            // Held while the transaction is made, so that its repetition waits for its end.
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.once(operation.name, body, self.clock.now(), run)
        } else {
            run()
        }
    }
}

//! The SDK's HTTP client that calls the database instead of a socket.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use fanfare::fault::{Call, Fault, FaultPlan, Life};

use super::Shared;
use super::answer::Answer;
use super::digest::Digest;
use super::fault::{Twist, throttled, unprocessed};
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
        match &self.plan {
            Some(plan) => self.answer_under(plan, operation, body).await,
            None => {
                let answer = self.shared.run(operation, body);
                // Killed meanwhile, from another thread.
                self.life.check().await;
                Ok(answer.into())
            }
        }
    }

    async fn answer_under(
        &self,
        plan: &FaultPlan,
        operation: Operation,
        body: &[u8],
    ) -> Result<HttpResponse, ConnectorError> {
        // So that calls overtake one another.
        for _ in 0..plan.below(3) {
            tokio::task::yield_now().await;
        }
        self.life.check().await;
        let call = format!("dynamodb.{} {}", operation.name, Digest::of_request(body));
        let twist = Twist::draw(plan, &call, operation, body);
        let run = async { self.shared.run_with(twist, plan, &call, operation, body) };
        match plan.around(&self.life, &call, &CALL, run).await {
            Call::Answered(answer) => Ok(answer.into()),
            Call::Lost => Err(ConnectorError::timeout(
                "no answer came, as the fault plan wills".into(),
            )),
            Call::Throttled => Ok(throttled(plan, operation, body).into()),
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl Shared {
    /// Runs an operation to its end, on this thread.
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

    fn run_with(
        &self,
        twist: Twist,
        plan: &FaultPlan,
        call: &str,
        operation: Operation,
        body: &[u8],
    ) -> Answer {
        match twist {
            Twist::None => self.run(operation, body),
            Twist::Refuse(answer) => answer,
            Twist::Part { done, left_out } => unprocessed(self.run(operation, &done), operation, left_out),
            Twist::Index => {
                let fresh = self.run(operation, body);
                self.earlier
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .answer(plan, call, fresh)
            }
        }
    }
}

/// Tokio's timers, which stop with the life: what a host waits for never comes once it is killed,
/// the SDK's timeouts and pauses included.
#[derive(Debug)]
pub(super) struct Timers(pub(super) Life);

impl AsyncSleep for Timers {
    fn sleep(&self, duration: Duration) -> Sleep {
        let life = self.0.clone();
        Sleep::new(async move {
            tokio::time::sleep(duration).await;
            life.check().await;
        })
    }
}

//! A queue on the local SQS, and calls that go wrong on the way to it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use fanfare::fault::{FaultPlan, Life};
use fanfare::host::Host;
use fanfare::memory::{Broker, Entry, QueueSettings, Receive, ReceivedMessage, Redrive};
use fanfare::{Backoff, Clock, Failure, Handled, Outcome, RetryPolicy, dead_letter_name};
use fanfare_local::{Dynamo, Local};
use fanfare_worker::SqsQueue;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Pass,
    /// It is not made, and there is no answer.
    Lose,
    /// It is made, and there is no answer.
    LoseReply,
    /// It is made, and answered after this long.
    Late(Duration),
    /// It isn't made for these entries: the first fail as the service's fault, of the others the
    /// answer says nothing.
    Part(Vec<usize>, Vec<usize>),
    /// It isn't made for this entry, which fails as the sender's fault with this code.
    Refuse(usize, &'static str),
    /// The process is killed before it is made, or after.
    KillBefore,
    KillAfter,
}

type Rule = Arc<dyn Fn(&str, usize, &Value) -> Act + Send + Sync>;

/// Calls as they were made: when, the operation, and the request.
pub(crate) type Calls = Arc<Mutex<Vec<(Duration, String, Value)>>>;

/// A broker with one queue, behind the local SQS.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) broker: Broker,
    pub(crate) local: Local,
    pub(crate) queue: String,
    pub(crate) calls: Calls,
    start: Instant,
}

impl Ground {
    /// A queue that gives a message up after so many receives.
    pub(crate) fn new(queue: &str, receives: u32) -> Self {
        Self::with_faults(queue, receives, FaultPlan::none())
    }

    /// Faults apply to the calls, not to the broker.
    pub(crate) fn with_faults(queue: &str, receives: u32, plan: FaultPlan) -> Self {
        let clock = Clock::tokio(UNIX_EPOCH + 20_000 * DAY);
        let broker = Broker::new(clock.clone(), FaultPlan::none());
        let dead_letter_queue = dead_letter_name(queue);
        let long = || QueueSettings {
            retention: 14 * DAY,
            ..QueueSettings::default()
        };
        broker.create_queue(&dead_letter_queue, long()).unwrap();
        let redrive = Some(Redrive {
            dead_letter_queue,
            max_receive_count: receives,
        });
        broker
            .create_queue(queue, QueueSettings { redrive, ..long() })
            .unwrap();
        let local = Local::of(broker.clone(), Dynamo::memory(clock).unwrap()).with_faults(plan);
        Self {
            broker,
            local,
            queue: queue.to_owned(),
            calls: Calls::default(),
            start: Instant::now(),
        }
    }

    /// A configuration whose calls follow a rule, by operation and how often it was called.
    pub(crate) fn config(
        &self,
        life: &Life,
        rule: impl Fn(&str, usize, &Value) -> Act + Send + Sync + 'static,
    ) -> SdkConfig {
        let config = self.local.config(life);
        let inner = config.http_client().unwrap();
        let (calls, life, start) = (self.calls.clone(), life.clone(), self.start);
        let rule: Rule = Arc::new(rule);
        let client = http_client_fn(move |settings: &HttpConnectorSettings, components| {
            use aws_smithy_runtime_api::client::http::HttpClient;
            SharedHttpConnector::new(Tampered {
                inner: inner.http_connector(settings, components),
                rule: rule.clone(),
                calls: calls.clone(),
                life: life.clone(),
                start,
            })
        });
        config.into_builder().http_client(client).build()
    }

    pub(crate) async fn connect(&self) -> SqsQueue {
        self.connect_with(|_, _, _| Act::Pass).await
    }

    pub(crate) async fn connect_with(
        &self,
        rule: impl Fn(&str, usize, &Value) -> Act + Send + Sync + 'static,
    ) -> SqsQueue {
        let config = self.config(&Life::default(), rule);
        SqsQueue::connect(&config, &self.queue).await.unwrap()
    }

    pub(crate) fn host(&self, queue: SqsQueue, receives: u32) -> Host<SqsQueue> {
        let visibility = queue.visibility_timeout();
        Host::new(queue, "consumer")
            .clock(self.broker.clock())
            .visibility_timeout(visibility)
            .retry(policy(receives))
    }

    pub(crate) fn send(&self, bodies: impl IntoIterator<Item = impl ToString>) {
        for body in bodies {
            let entry = Entry {
                group: self.queue.ends_with(".fifo").then(|| "g".to_owned()),
                deduplication_id: self
                    .queue
                    .ends_with(".fifo")
                    .then(|| fastrand::u64(..).to_string()),
                ..Entry::new(body.to_string())
            };
            self.broker.send(&self.queue, entry).unwrap();
        }
    }

    pub(crate) async fn quiet(self) {
        self.broker.quiet([&*self.queue]).await.unwrap();
    }

    /// How many messages lie in the dead-letter queue.
    pub(crate) fn dead(&self) -> usize {
        let counts = self.broker.counts(&dead_letter_name(&self.queue));
        counts.unwrap().total()
    }

    /// Takes all dead letters.
    pub(crate) async fn letters(&self) -> Vec<ReceivedMessage> {
        let name = dead_letter_name(&self.queue);
        let receive = || Receive {
            max: 10,
            ..Receive::default()
        };
        let mut all = Vec::new();
        loop {
            let received = self.broker.receive(&name, receive()).await.unwrap();
            if received.is_empty() {
                return all;
            }
            for message in received {
                self.broker.delete(&name, message.receipt).unwrap();
                all.push(message);
            }
        }
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(_, called, _)| called == operation).count()
    }

    /// The requests of an operation.
    pub(crate) fn requests(&self, operation: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        let of = calls.iter().filter(|(_, called, _)| called == operation);
        of.map(|(_, _, request)| request.clone()).collect()
    }
}

/// A policy with a fixed pause of a second.
pub(crate) fn policy(max_receives: u32) -> RetryPolicy {
    RetryPolicy {
        max_receives,
        backoff: Backoff::new(seconds(1), seconds(1)),
        ..RetryPolicy::default()
    }
}

pub(crate) fn applied() -> Outcome {
    Outcome::handled(None, Handled::Applied)
}

pub(crate) fn terminal() -> Outcome {
    Outcome::failed(None, Failure::terminal("no such card"))
}

/// A service from an async function.
macro_rules! service {
    ($handler:expr) => {
        tower::service_fn(move |message: fanfare::Message| {
            let handled = ($handler)(message);
            async move { Ok::<_, std::convert::Infallible>(handled.await) }
        })
    };
}
pub(crate) use service;

#[derive(Clone)]
struct Tampered {
    inner: SharedHttpConnector,
    rule: Rule,
    calls: Calls,
    life: Life,
    start: Instant,
}

impl fmt::Debug for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tampered")
    }
}

impl HttpConnector for Tampered {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().tamper(request))
    }
}

impl Tampered {
    async fn tamper(self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((self.start.elapsed(), operation.clone(), body.clone()));
            calls.iter().filter(|(_, called, _)| *called == operation).count()
        };
        let lost = || Err(ConnectorError::timeout("lost on the way".into()));
        let (failed, missing, code) = match (self.rule)(&operation, nth, &body) {
            Act::Pass => return self.inner.call(request).await,
            Act::Lose => return lost(),
            Act::LoseReply => {
                drop(self.inner.call(request).await);
                return lost();
            }
            Act::Late(time) => {
                let answer = self.inner.call(request).await;
                tokio::time::sleep(time).await;
                return answer;
            }
            Act::KillBefore => {
                self.life.kill();
                return std::future::pending().await;
            }
            Act::KillAfter => {
                drop(self.inner.call(request).await);
                self.life.kill();
                return std::future::pending().await;
            }
            Act::Part(failed, missing) => (failed, missing, None),
            Act::Refuse(entry, code) => (vec![entry], Vec::new(), Some(code)),
        };
        let entries = body["Entries"].as_array_mut().unwrap();
        let all = std::mem::take(entries);
        let mut refused = Vec::new();
        for (number, entry) in all.into_iter().enumerate() {
            if failed.contains(&number) {
                refused.push(json!({
                    "Id": entry["Id"],
                    "SenderFault": code.is_some(),
                    "Code": code.unwrap_or("InternalError"),
                    "Message": "tampered with",
                }));
            } else if !missing.contains(&number) {
                entries.push(entry);
            }
        }
        let mut answer = json!({ "Successful": [], "Failed": [] });
        if !entries.is_empty() {
            *request.body_mut() = SdkBody::from(body.to_string());
            request.headers_mut().remove("content-length");
            let made = self.inner.call(request).await?;
            answer = serde_json::from_slice(made.body().bytes().unwrap()).unwrap();
        }
        let all = answer["Failed"].as_array().cloned().unwrap_or_default();
        answer["Failed"] = all.into_iter().chain(refused).collect();
        Ok(HttpResponse::new(
            200.try_into().unwrap(),
            SdkBody::from(answer.to_string()),
        ))
    }
}

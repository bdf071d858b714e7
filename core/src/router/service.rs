//! The service that a host calls for each message.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};
use tracing::Instrument;

use super::decode::{Versions, stray};
use super::{BoxService, Registration, Router};
use crate::delivery::{Context, Declared};
use crate::outcome::What;
use crate::port::BoxFuture;
use crate::topology::{Hosting, QueueSettings};
use crate::wiring::{WiringError, WiringErrors};
use crate::{BoxError, DedupeKey, Failure, Message, Outcome, RetryPolicy, semconv, wire};

/// A router ready to handle messages: a [`tower::Service`] that takes a [`Message`] and always
/// answers with an [`Outcome`]. Cheap to clone; clones share the handlers.
///
/// A panic in a handler is caught and is that one message's failed attempt. Dropping the future it
/// returns drops the handler's at its current await.
///
/// ```
/// use fanfare::{Message, Router};
/// use tower::{Service, ServiceExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut service = Router::new("billing").into_service().unwrap();
/// let outcome = service.ready().await.unwrap().call(Message::new("hello")).await.unwrap();
/// assert_eq!(outcome.name(), "malformed");
/// # }
/// ```
#[derive(Clone)]
pub struct RouterService {
    consumer: Arc<str>,
    queue: QueueSettings,
    hosting: Hosting,
    inner: BoxService,
}

/// What the innermost service needs to find and call a handler.
struct Table {
    consumer: Arc<str>,
    ignore_unknown: bool,
    entries: BTreeMap<&'static str, Entry>,
}

struct Entry {
    registration: Registration,
    versions: Versions,
    declared: Arc<Declared>,
}

impl Router {
    /// Makes the service, once the wiring has no mistakes.
    ///
    /// # Errors
    /// All mistakes at once, each with its place.
    pub fn into_service(self) -> Result<RouterService, WiringErrors> {
        let mut problems = self.check();
        let mut entries = BTreeMap::new();
        for registration in &self.registrations {
            let versions = Versions::new(registration, &self.upcasts, &mut problems);
            let declared = Arc::new(self.declared(registration));
            entries.insert(
                registration.ty,
                Entry {
                    registration: registration.clone(),
                    versions,
                    declared,
                },
            );
        }
        WiringErrors::check(problems)?;

        let table = Arc::new(Table {
            consumer: self.name.clone(),
            ignore_unknown: self.ignore_unknown,
            entries,
        });
        let innermost = service_fn(move |message: Message| {
            let table = table.clone();
            async move { Ok::<_, BoxError>(table.handle(message).await) }
        });
        let inner = self
            .layers
            .iter()
            .fold(BoxCloneSyncService::new(innermost), |service, layer| {
                layer(service)
            });
        Ok(RouterService {
            consumer: self.name,
            queue: self.queue,
            hosting: self.hosting,
            inner,
        })
    }

    /// The mistakes that can be seen in this router alone.
    pub(crate) fn check(&self) -> Vec<WiringError> {
        let mut problems = self.problems.clone();
        problems.extend(crate::wiring::check_name(&self.name, self.at));
        let mut first: BTreeMap<&str, &Registration> = BTreeMap::new();
        for registration in &self.registrations {
            if let Some(before) = first.insert(registration.ty, registration) {
                problems.push(WiringError::TwoHandlers {
                    consumer: self.name.to_string(),
                    ty: registration.ty,
                    first: before.at,
                    second: registration.at,
                });
            }
            if let crate::Destination::Consumer(to) = &registration.from
                && **to != *self.name
            {
                problems.push(WiringError::CommandOfAnother {
                    consumer: self.name.to_string(),
                    ty: registration.ty,
                    addressee: to.clone(),
                    at: registration.at,
                });
            }
        }
        problems.extend(stray(&self.upcasts, &self.registrations));
        problems
    }
}

impl Table {
    async fn handle(&self, message: Message) -> Outcome {
        let Some(envelope) = message.envelope else {
            return Outcome::failed(
                None,
                Failure::retry("a layer took the envelope out of the message"),
            );
        };
        let key = Some(key(&self.consumer, &envelope));
        let Some(entry) = self.entries.get(envelope.ty()) else {
            let what = match self.ignore_unknown {
                true => What::Ignored,
                false => What::NoHandler {
                    ty: envelope.ty().to_owned(),
                },
            };
            return Outcome::new(key, what);
        };
        let payload = match entry.versions.read(&envelope) {
            Ok(payload) => payload,
            Err(error) => return Outcome::new(key, What::Undecodable(error)),
        };
        let context = Context::new(self.consumer.clone(), envelope).received(
            message.receive_count,
            message.lost,
            entry.declared.clone(),
        );
        match (entry.registration.handle)(payload, context).await {
            Ok(handled) => Outcome::handled(key, handled),
            Err(failure) => Outcome::failed(key, failure),
        }
    }
}

fn key(consumer: &str, envelope: &crate::Envelope) -> DedupeKey {
    DedupeKey::new(consumer, envelope.source(), envelope.id())
}

impl RouterService {
    /// The consumer's name.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// How its queue is set up.
    pub fn queue(&self) -> &QueueSettings {
        &self.queue
    }

    /// Where it runs, and how it is set up there.
    pub fn hosting(&self) -> &Hosting {
        &self.hosting
    }

    /// When to try again and when to give up, as its queue is set up.
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_receives: self.queue.max_receives,
            backoff: self.queue.backoff,
            ..RetryPolicy::default()
        }
    }

    async fn handle(self, mut message: Message) -> Outcome {
        let envelope = match wire::parse(&message.body) {
            Ok((envelope, _)) => envelope,
            Err(error) => {
                let outcome = Outcome::new(None, What::Malformed(error));
                let span = semconv::process(&message, &self.consumer, None);
                semconv::end_process(&span, &outcome);
                return outcome;
            }
        };
        let span = semconv::process(&message, &self.consumer, Some(&envelope));
        let key = key(&self.consumer, &envelope);
        message.envelope = Some(envelope);
        // Nothing is called before it is polled, so that a panic before the handler's first await is
        // caught too.
        let handling = self.inner.oneshot(message);
        let outcome = match AssertUnwindSafe(handling)
            .catch_unwind()
            .instrument(span.clone())
            .await
        {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(layer)) => Outcome::failed(Some(key), layer),
            Err(panic) => Outcome::failed(Some(key), Failure::retry(format!("panicked: {}", text(&*panic)))),
        };
        semconv::end_process(&span, &outcome);
        outcome
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

impl Service<Message> for RouterService {
    type Response = Outcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        // Whether the layers are ready is asked for each message, inside its future.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.handle(message).await) })
    }
}

impl std::fmt::Debug for RouterService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouterService")
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

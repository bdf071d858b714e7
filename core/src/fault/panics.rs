//! A tower layer under which a handler now and then panics.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::{Fault, FaultPlan};

/// Makes the service below panic at the plan's rate, before or after it has done its work.
///
/// ```
/// use fanfare::fault::{FaultPlan, PanicLayer};
/// let router = fanfare::Router::new("billing").layer(PanicLayer::new(FaultPlan::seeded(1)));
/// ```
#[derive(Clone, Debug)]
pub struct PanicLayer(FaultPlan);

impl PanicLayer {
    /// Panics as this plan says.
    pub fn new(plan: FaultPlan) -> Self {
        Self(plan)
    }
}

impl<S> Layer<S> for PanicLayer {
    type Service = PanicService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PanicService {
            plan: self.0.clone(),
            inner,
        }
    }
}

/// The service that [`PanicLayer`] makes.
#[derive(Clone, Debug)]
pub struct PanicService<S> {
    plan: FaultPlan,
    inner: S,
}

impl<S, R> Service<R> for PanicService<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = crate::port::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let panics = self.plan.draw("handler", &[Fault::Panic]).is_some();
        let after = panics && self.plan.below(2) == 1;
        if panics && !after {
            return Box::pin(async {
                std::panic::panic_any("the fault plan's panic, before the handler");
            });
        }
        let done = self.inner.call(request);
        Box::pin(async move {
            let outcome = done.await;
            if after {
                std::panic::panic_any("the fault plan's panic, after the handler");
            }
            outcome
        })
    }
}

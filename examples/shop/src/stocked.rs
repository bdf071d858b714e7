//! Inventory's shelves, filled before its first message: where nothing may be done before that.

use std::sync::Arc;
use std::task::{Context, Poll};

use aws_sdk_dynamodb::Client;
use fanfare::port::BoxFuture;
use fanfare::{BoxError, Message};
use tokio::sync::OnceCell;
use tower::{Layer, Service};

use crate::inventory::fill_shelves;

/// Puts the first stock on the shelves once a process, before the first message is handled. While that
/// fails, so does each try of a message.
#[derive(Clone, Debug)]
pub(crate) struct StockedLayer {
    dynamo: Client,
    stock: u32,
    filled: Arc<OnceCell<()>>,
}

impl StockedLayer {
    /// With so many CDs, if none are there yet.
    pub(crate) fn new(dynamo: &Client, stock: u32) -> Self {
        Self {
            dynamo: dynamo.clone(),
            stock,
            filled: Arc::default(),
        }
    }

    async fn fill(&self) -> Result<(), BoxError> {
        let filling = || async { fill_shelves(&self.dynamo, self.stock).await };
        self.filled.get_or_try_init(filling).await?;
        Ok(())
    }
}

impl<S> Layer<S> for StockedLayer {
    type Service = Stocked<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stocked {
            stock: self.clone(),
            inner,
        }
    }
}

/// The service that [`StockedLayer`] makes.
#[derive(Clone, Debug)]
pub(crate) struct Stocked<S> {
    stock: StockedLayer,
    inner: S,
}

impl<S> Service<Message> for Stocked<S>
where
    S: Service<Message> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let next = self.inner.clone();
        // The one that is ready.
        let mut inner = std::mem::replace(&mut self.inner, next);
        let stock = self.stock.clone();
        Box::pin(async move {
            stock.fill().await?;
            inner.call(message).await.map_err(Into::into)
        })
    }
}

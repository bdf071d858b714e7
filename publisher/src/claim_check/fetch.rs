//! The consumers' side: a layer that puts the body back in place of the pointer.

use std::task::{Context, Poll};

use aws_sdk_s3::primitives::ByteStream;
use fanfare::port::BoxFuture;
use fanfare::{Advice, BoxError, DedupeKey, Envelope, Failure, Message, Outcome, wire};
use tokio::time::{Instant, timeout};
use tower::{Layer, Service};

use super::{ClaimCheck, TRANSFER, pointer};
use crate::client::{bounded, persist};
use crate::failed::Failed;

/// Why a body could not be fetched. By `?` it becomes a [`Failure`]: a retry, unless it is documented as
/// terminal here.
///
/// ```
/// use fanfare_publisher::FetchError;
/// use fanfare::{Advice, Failure};
/// let error = FetchError::Missing { uri: "s3://bodies/1.json".into(), advice: Advice::Terminal };
/// assert!(Failure::from(error).is_terminal());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no such object. Terminal: it was there before the pointer was published, and S3 shows what
    /// was put at once, so it was deleted or has expired, and no try brings it back. (Without
    /// `s3:ListBucket`, S3 says that access is denied instead: that is retried.)
    #[error("the body is gone: there is no {uri}; does the bucket's lifecycle keep it long enough?")]
    Missing {
        /// Where it should be.
        uri: String,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// The pointer leads elsewhere. Terminal: what a message says must not choose what is read.
    #[error("the body is said to be at {uri}, which is not where the bodies are")]
    Elsewhere {
        /// Where it is said to be.
        uri: String,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// It is larger than may be fetched. Terminal.
    #[error("the body at {uri} is larger than {limit} bytes")]
    TooLarge {
        /// Where it is.
        uri: String,
        /// The most, in bytes.
        limit: usize,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// What is there is not the event that the pointer is of. Terminal.
    #[error("what is at {uri} is not the body of this event")]
    Different {
        /// Where it is.
        uri: String,
        /// Terminal.
        #[source]
        advice: Advice,
    },
    /// S3 didn't answer, or refuses to. Tried again.
    #[error("the body at {uri} can't be fetched")]
    Failed {
        /// Where it is.
        uri: String,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
}

/// A layer that fetches bodies which were put away, before what is inside it sees the message. See
/// [`ClaimCheck::fetch`].
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// use fanfare_publisher::{ClaimCheck, FetchLayer};
/// # let config = doc::config();
/// let layer: FetchLayer = ClaimCheck::new(&config, "shop-bodies").fetch("billing");
/// ```
#[derive(Clone, Debug)]
pub struct FetchLayer {
    claim_check: ClaimCheck,
    consumer: String,
}

/// What [`FetchLayer`] makes of a service.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// use fanfare::{Message, Router};
/// use fanfare_publisher::{ClaimCheck, Fetch};
/// use tower::{Layer, ServiceExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let router = Router::new("billing").into_service().unwrap();
/// # let config = doc::config();
/// let service: Fetch<_> = ClaimCheck::new(&config, "shop-bodies").fetch("billing").layer(router);
/// assert_eq!(service.oneshot(Message::new("hello")).await.unwrap().name(), "malformed");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fetch<S> {
    layer: FetchLayer,
    inner: S,
}

impl ClaimCheck {
    /// A layer for a consumer's [`Router`](fanfare::Router) that puts the body back in place of the
    /// pointer; messages that are none pass through it. The handler sees the event as it was published.
    ///
    /// When the body can't be fetched, the message's outcome is a failure with a [`FetchError`]: a retry
    /// when it may be there later, terminal when nothing brings it back. Dropping the future loses
    /// nothing.
    pub fn fetch(&self, consumer: impl Into<String>) -> FetchLayer {
        FetchLayer {
            claim_check: self.clone(),
            consumer: consumer.into(),
        }
    }

    async fn fetched(&self, uri: &str, pointer: &Envelope) -> Result<(String, Envelope), FetchError> {
        let owned = || uri.to_owned();
        let advice = Advice::Terminal;
        let within = format!("s3://{}/{}", self.bucket, self.prefix);
        let key = uri
            .strip_prefix(&format!("s3://{}/", self.bucket))
            .filter(|_| uri.starts_with(&within));
        let Some(key) = key else {
            return Err(FetchError::Elsewhere { uri: owned(), advice });
        };
        let deadline = Instant::now() + TRANSFER;
        let body = match persist(deadline, || self.get(key)).await {
            Ok(Some(body)) => body,
            Ok(None) => {
                let limit = self.largest;
                return Err(FetchError::TooLarge {
                    uri: owned(),
                    limit,
                    advice,
                });
            }
            Err(failed) if failed.code == "NoSuchKey" => {
                return Err(FetchError::Missing { uri: owned(), advice });
            }
            Err(failed) => {
                let source = Box::new(failed.into_error("S3"));
                return Err(FetchError::Failed { uri: owned(), source });
            }
        };
        let body = String::from_utf8(body).ok();
        let event = body.and_then(|body| {
            let envelope = Envelope::parse(&body).ok()?;
            let same = envelope.id() == pointer.id() && envelope.source() == pointer.source();
            same.then_some((body, envelope))
        });
        event.ok_or_else(|| FetchError::Different { uri: owned(), advice })
    }

    /// The object's bytes; nothing when they are too many.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failed> {
        let get = self.client.get_object().bucket(&*self.bucket).key(key);
        let object = bounded(TRANSFER, get.send()).await?;
        let read = timeout(TRANSFER, collect(object.body, self.largest)).await;
        read.unwrap_or_else(|_elapsed| Err(Failed::timeout(TRANSFER)))
    }
}

async fn collect(mut body: ByteStream, largest: usize) -> Result<Option<Vec<u8>>, Failed> {
    let mut bytes = Vec::new();
    while let Some(more) = body.next().await {
        let more = more.map_err(|error| Failed::no_answer(error.to_string()))?;
        if bytes.len() + more.len() > largest {
            return Ok(None);
        }
        bytes.extend_from_slice(&more);
    }
    Ok(Some(bytes))
}

impl<S> Layer<S> for FetchLayer {
    type Service = Fetch<S>;

    fn layer(&self, inner: S) -> Fetch<S> {
        Fetch {
            layer: self.clone(),
            inner,
        }
    }
}

impl FetchLayer {
    /// The message with its body, if it is a pointer.
    async fn fetched(&self, mut message: Message) -> Result<Message, Outcome> {
        // Within a router it is known what the body holds, before one it isn't.
        let pointer = match &message.envelope {
            Some(envelope) => Some(envelope.clone()),
            None if pointer::may_be(&message.body) => {
                wire::parse(&message.body).ok().map(|(envelope, _)| envelope)
            }
            None => None,
        };
        let Some((pointer, uri)) = pointer
            .as_ref()
            .and_then(|pointer| Some((pointer, pointer::read(pointer)?)))
        else {
            return Ok(message);
        };
        match self.claim_check.fetched(uri, pointer).await {
            Ok((body, envelope)) => {
                message.envelope = message.envelope.map(|_| envelope);
                message.body = body;
                Ok(message)
            }
            Err(error) => {
                let key = DedupeKey::new(&self.consumer, pointer.source(), pointer.id());
                Err(Outcome::failed(Some(key), Failure::from(error)))
            }
        }
    }
}

impl<S> Service<Message> for Fetch<S>
where
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Outcome, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let layer = self.layer.clone();
        // The one that was ready is called, and a clone stays here.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match layer.fetched(message).await {
                Ok(message) => inner.call(message).await,
                Err(outcome) => Ok(outcome),
            }
        })
    }
}

//! Bodies that are too large for a topic or a queue, in a bucket.

mod fetch;
mod lifecycle;
mod pointer;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_types::SdkConfig;
use fanfare::port::PublishError;
use fanfare::{BatchEntry, Envelope, derived_id};
use tokio::time::Instant;

use crate::client::{adapted, bounded, persist};
use crate::failed::Failed;
use crate::target::Target;
pub use fetch::{Fetch, FetchError, FetchLayer};
pub use lifecycle::{Lifecycle, LifecycleError};

/// How long putting or getting one body may take.
const TRANSFER: Duration = Duration::from_secs(10);
/// The largest body unless another is chosen, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// Puts bodies over a destination's limit into an S3 bucket, for consumers to fetch.
///
/// What travels instead is a pointer: the same CloudEvent, with its attributes and without its data, and
/// with the extension `bodyref` (`s3://bucket/key`). Keys, deduplication and filter policies on message
/// attributes see no difference; a filter policy on the message body does, as the data isn't in it. The
/// object is the whole body under a key that follows from source and id, so that a second
/// try puts the same object again.
///
/// **Nobody who handles an event deletes its body**: others may still have to, from their queues, their
/// dead-letter queues or a redrive. The bucket's lifecycle does, by a rule that expires objects of the
/// prefix after longer than any queue keeps a message, its dead-letter queue included: 18 days and more
/// with the default retentions, and longer by what passes before a redrive.
/// [`check_lifecycle`](Self::check_lifecycle) compares the rule with the queues, at start-up.
///
/// The publisher needs `s3:PutObject` on the prefix, consumers `s3:GetObject`, and the check
/// `s3:GetLifecycleConfiguration` on the bucket. Cheap to clone.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// use fanfare_publisher::ClaimCheck;
/// # let (config, publisher) = (doc::config(), doc::publisher());
/// let bodies = ClaimCheck::new(&config, "shop-bodies").prefix("events/");
/// let publisher = publisher.claim_check(bodies.clone());
/// // On the consumers' side:
/// let router = fanfare::Router::new("billing").layer(bodies.fetch("billing"));
/// ```
#[derive(Clone, Debug)]
pub struct ClaimCheck {
    client: Client,
    bucket: Arc<str>,
    prefix: Arc<str>,
    largest: usize,
}

impl ClaimCheck {
    /// Bodies in this bucket.
    pub fn new(config: &SdkConfig, bucket: impl Into<Arc<str>>) -> Self {
        let adapted = adapted(config, None, TRANSFER);
        // A local AWS has no host name for each bucket.
        let local = config.endpoint_url().is_some();
        let s3 = aws_sdk_s3::config::Builder::from(&adapted).force_path_style(local);
        Self {
            client: Client::from_conf(s3.build()),
            bucket: bucket.into(),
            prefix: "".into(),
            largest: LARGEST,
        }
    }

    /// What all keys begin with; nothing by default.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<Arc<str>>) -> Self {
        let prefix = prefix.into();
        Self { prefix, ..self }
    }

    /// The largest body that is put or fetched, in bytes; 16 MiB by default. It is held in memory.
    #[must_use]
    pub fn largest(self, bytes: usize) -> Self {
        Self {
            largest: bytes,
            ..self
        }
    }

    /// Puts an entry's body away and a pointer to it in its place.
    pub(crate) async fn put_away(
        &self,
        target: &Target,
        envelope: &Envelope,
        entry: &mut BatchEntry,
        limit: usize,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let too_large = |size, limit| PublishError::TooLarge {
            destination: target.destination.clone(),
            size,
            limit,
        };
        if entry.body.len() > self.largest {
            return Err(too_large(entry.body.len(), self.largest));
        }
        let key = self.key(envelope.source(), envelope.id());
        let pointer = pointer::write(&entry.body, &format!("s3://{}/{key}", self.bucket));
        let pointer = pointer.map_err(|failed| failed.into_error(&target.destination))?;
        let body = std::mem::replace(&mut entry.body, pointer);
        if entry.size() > limit {
            return Err(too_large(entry.size(), limit));
        }
        // Put before the pointer is published, so that nobody meets a pointer to nothing.
        let body = bytes::Bytes::from(body);
        persist(deadline, || self.put(&key, body.clone()))
            .await
            .map_err(|failed| {
                let doing = format!("putting its body into the bucket {}", self.bucket);
                failed.while_(&doing).into_error(&target.destination)
            })
    }

    async fn put(&self, key: &str, body: bytes::Bytes) -> Result<(), Failed> {
        let put = self
            .client
            .put_object()
            .bucket(&*self.bucket)
            .key(key)
            .content_type("application/cloudevents+json")
            .body(ByteStream::from(body));
        bounded(TRANSFER, put.send()).await.map(drop)
    }

    fn key(&self, source: &str, id: &str) -> String {
        let name = derived_id(&["claim check", source, id]);
        format!("{}{name}.json", self.prefix)
    }
}

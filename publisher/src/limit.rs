//! How large a topic's messages and batches may be.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sns::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::{CALL, bounded};
use crate::failed::Failed;

/// What a topic takes unless its `MaximumMessageSize` says otherwise, in bytes.
pub(crate) const TOPIC: usize = 256 * 1024;
/// What a queue takes, in bytes; a batch as much.
pub(crate) const QUEUE: usize = 1024 * 1024;

/// The topic's attribute.
const ATTRIBUTE: &str = "MaximumMessageSize";
/// Ten messages of up to this size are no more than a topic takes by default: what that topic takes in
/// truth is only asked for a larger one.
const SURE: usize = TOPIC / fanfare::BATCH_ENTRIES;
/// For so long nothing is asked after the question failed, so that not everyone waits for an answer.
const PAUSE: Duration = Duration::from_secs(1);
/// And for so long after it was refused, as without the permission, which may yet be given.
const REFUSED: Duration = Duration::from_secs(60);

/// A topic's limit, read when it is first needed, and kept.
#[derive(Debug, Default)]
pub(crate) struct TopicLimit {
    known: OnceLock<usize>,
    /// When it may be asked again, and why that is.
    failed: Mutex<Option<(Instant, Failed)>>,
}

impl TopicLimit {
    /// The limit as far as it is known.
    pub(crate) fn known(&self) -> usize {
        self.known.get().copied().unwrap_or(TOPIC)
    }

    /// The limit for a message of this size.
    ///
    /// # Errors
    /// It is larger than the default, and what the topic takes can't be read just now. When it may not be
    /// read, the default holds for a minute.
    pub(crate) async fn of(&self, client: &Client, arn: &str, size: usize) -> Result<usize, Failed> {
        if size <= SURE || self.known.get().is_some() {
            return Ok(self.known());
        }
        // One asks, and the others wait for its answer.
        let mut failed = self.failed.lock().await;
        if self.known.get().is_some() {
            return Ok(self.known());
        }
        let failure = match &*failed {
            Some((again, failure)) if Instant::now() < *again => failure.clone(),
            _ => match read(client, arn).await {
                Ok(limit) => return Ok(*self.known.get_or_init(|| limit)),
                Err(failure) if failure.is_passing() => {
                    *failed = Some((Instant::now() + PAUSE, failure.clone()));
                    failure
                }
                Err(failure) => {
                    tracing::warn!(
                        topic = arn,
                        reason = failure.code,
                        default = TOPIC,
                        "the topic's {ATTRIBUTE} can't be read (allow sns:GetTopicAttributes): the default is taken"
                    );
                    *failed = Some((Instant::now() + REFUSED, failure.clone()));
                    failure
                }
            },
        };
        if size <= TOPIC || !failure.is_passing() {
            Ok(TOPIC)
        } else {
            Err(failure)
        }
    }
}

async fn read(client: &Client, arn: &str) -> Result<usize, Failed> {
    let read = bounded(CALL, client.get_topic_attributes().topic_arn(arn).send()).await?;
    let limit = read.attributes().and_then(|attributes| attributes.get(ATTRIBUTE));
    Ok(limit.and_then(|limit| limit.parse().ok()).unwrap_or(TOPIC))
}

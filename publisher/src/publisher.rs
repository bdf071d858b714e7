//! The publisher and its options.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_types::SdkConfig;
use fanfare::port::{BoxFuture, Publish, PublishError};
use fanfare::{
    Account, Attribute, Attributes, BATCH_ENTRIES, Destination, Outgoing, Topology, queue_name, topic_name,
};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::OwnAttributeError;
use crate::attribute;
use crate::client::{CALL, adapted, persist};
use crate::failed::Failed;
use crate::lane::{GivenUp, Lane, Settings, Waiting};
use crate::target::{Parcel, Target};
use crate::trace::Trace;

/// Bodies of one call that are put away at a time.
const UPLOADS: usize = 4;

/// Takes envelopes to SNS topics and to consumers' SQS queues, in batches that concurrent callers share.
///
/// Cheap to clone; clones share queues and batches. Each destination has a task of its own from the
/// first envelope for it, which ends when the last clone is dropped and what was given to it has its
/// result: no confirmed envelope is lost by dropping a publisher. An option changes the publisher it is
/// called on; clones made before stay as they are, and share nothing with it from then on.
///
/// - Up to 10 envelopes and up to the destination's bytes go in one call, which waits for others for
///   [`linger`](Self::linger) while it isn't full. Up to 8 calls to a destination are under way.
/// - On FIFO the order of each key is kept, also over failures: one envelope of a key is under way, and
///   when one is given up those behind it are given back too ([`PublishError::Retryable`]). In one call
///   of [`publish`](Publish::publish) all wait for the upload of an earlier one's body, whatever its key.
/// - A throttle, a lost connection or a failure of the service is tried again, entry by entry and under
///   the same ids, with growing random pauses until the [`deadline`](Self::deadline). What AWS refuses
///   comes back at once, with its code and message.
/// - An envelope in a W3C trace context hands it on to X-Ray: in the request's header to a topic, when
///   all of the batch share it, and in the message's system attribute to a queue.
///
/// Dropping the future that [`publish`](Publish::publish) returns leaves open what of it arrives; nobody
/// else's envelopes are touched.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use fanfare::port::Publish;
/// use fanfare::{Account, App, Attribute, Clock, Draft, Producer};
/// use fanfare_publisher::Publisher;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # let config = doc::config();
///
/// let app = App::new("shop").producer(Producer::new("checkout").emits::<OrderPlaced>());
/// let account = Account::new("aws", "eu-central-1", "123456789012")?;
/// let publisher = Publisher::new(&config, &account, &app.topology()?)
///     .linger(Duration::from_millis(2))
///     .attribute("team", Attribute::string("checkout"))?;
///
/// let placed = Draft::event(&OrderPlaced { order: "17".into() })?.first("/checkout", &Clock::system());
/// for result in publisher.publish(vec![placed]).await {
///     result?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    targets: BTreeMap<Destination, Arc<Target>>,
    settings: Settings,
    /// The application's own.
    attributes: Attributes,
    #[cfg(feature = "claim-check")]
    claim_check: Option<crate::ClaimCheck>,
    /// Those that were published to.
    lanes: Mutex<BTreeMap<Destination, Lane>>,
}

impl Publisher {
    /// A publisher to the topics and consumers' queues of an application, as they are called in this
    /// account. The configuration gives credentials, endpoint and HTTP client; timeouts (3 s a call) and
    /// retries are the publisher's own. Nothing is called before the first envelope.
    pub fn new(config: &SdkConfig, account: &Account, topology: &Topology) -> Self {
        let config = adapted(config, Some(account.region()), CALL);
        let sns = aws_sdk_sns::Client::new(&config);
        let sqs = aws_sdk_sqs::Client::new(&config);
        let topics = topology.topics.iter().map(|topic| {
            let destination = Destination::Topic(topic.name.clone());
            let name = topic_name(&topology.app, &topic.name);
            let arn = account.topic_arn(&name);
            let target = Target::topic(destination.to_string(), name, topic.fifo, sns.clone(), arn);
            (destination, Arc::new(target))
        });
        let queues = topology.consumers.iter().map(|consumer| {
            let destination = Destination::Consumer(consumer.name.clone());
            let name = queue_name(&topology.app, &consumer.name, consumer.fifo);
            let url = account.queue_url(&name);
            let target = Target::queue(destination.to_string(), name, consumer.fifo, sqs.clone(), url);
            (destination, Arc::new(target))
        });
        Self {
            shared: Arc::new(Shared {
                targets: topics.chain(queues).collect(),
                settings: Settings {
                    linger: Duration::from_millis(5),
                    deadline: Duration::from_secs(10),
                    room: 1_000,
                },
                attributes: Attributes::new(),
                #[cfg(feature = "claim-check")]
                claim_check: None,
                lanes: Mutex::default(),
            }),
        }
    }

    /// How long an envelope waits for others to share its call with, while that isn't full: 5 ms by
    /// default, not at all with [`Duration::ZERO`].
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        self.with(|shared| shared.settings.linger = linger)
    }

    /// How long an envelope is tried, counted from [`publish`](Publish::publish); 10 s by default. A call
    /// that is under way then is waited for, a few seconds at most. For the publisher of a relay 2 s are
    /// enough: the relay tries again itself.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|shared| shared.settings.deadline = deadline)
    }

    /// How many envelopes each destination takes at once, those under way among them: 1,000 by default,
    /// and at least one. Further ones wait in [`publish`](Publish::publish).
    #[must_use]
    pub fn room(self, envelopes: usize) -> Self {
        // What a semaphore holds, and a batch asks it for.
        let room = envelopes.clamp(1, 1 << 24);
        self.with(|shared| shared.settings.room = room)
    }

    /// Adds an attribute of the application's own to every message; five of them at most. Messages have
    /// ten: four to be routed by (`type`, `version`, `source`, `key`), and one is kept for the reason when
    /// a message becomes a dead letter.
    ///
    /// ```
    /// use fanfare::Attribute;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # let mut publisher = doc::publisher();
    /// for number in 1..=5 {
    ///     publisher = publisher.attribute(format!("own-{number}"), Attribute::number(number))?;
    /// }
    /// assert!(publisher.attribute("own-6", Attribute::number(6)).is_err());
    /// # Ok::<(), fanfare_publisher::OwnAttributeError>(())
    /// ```
    ///
    /// # Errors
    /// It is one too many, its name is taken, or AWS doesn't take it.
    pub fn attribute(self, name: impl Into<String>, value: Attribute) -> Result<Self, OwnAttributeError> {
        let mut own = self.shared.attributes.clone();
        attribute::add(&mut own, name.into(), value)?;
        Ok(self.with(|shared| shared.attributes = own))
    }

    /// Puts bodies that are larger than their destination takes into a bucket, and sends pointers to
    /// them. The consumers' side is [`ClaimCheck::fetch`](crate::ClaimCheck::fetch).
    #[cfg(feature = "claim-check")]
    #[must_use]
    pub fn claim_check(self, claim_check: crate::ClaimCheck) -> Self {
        self.with(|shared| shared.claim_check = Some(claim_check))
    }

    fn with(self, set: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Shared {
            targets: self.shared.targets.clone(),
            settings: self.shared.settings,
            attributes: self.shared.attributes.clone(),
            #[cfg(feature = "claim-check")]
            claim_check: self.shared.claim_check.clone(),
            lanes: Mutex::default(),
        };
        set(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }
}

/// An envelope made ready.
struct Ready {
    parcel: Parcel,
    size: usize,
}

impl Shared {
    /// Publishes what goes to one destination, on FIFO in order. The results are in their order.
    async fn publish_to(
        &self,
        destination: &Destination,
        outgoing: Vec<Outgoing>,
    ) -> Vec<Result<(), PublishError>> {
        let Some(target) = self.targets.get(destination) else {
            let unknown = || PublishError::Unknown {
                destination: destination.to_string(),
                known: self.targets.keys().map(Destination::to_string).collect(),
            };
            return outgoing.iter().map(|_| Err(unknown())).collect();
        };
        let deadline = Instant::now() + self.settings.deadline;
        let lane = self.lane(destination, target);
        let outgoing = &outgoing;
        let ready = stream::iter(0..outgoing.len()).map(|place| async move {
            let ready = self.ready(target, &outgoing[place], deadline).await;
            (place, ready)
        });
        // On FIFO the order in which they are put in counts. On standard it doesn't: an upload that
        // hangs holds up none of the others.
        let ready = match target.fifo {
            true => ready.buffered(UPLOADS).left_stream(),
            false => ready.buffer_unordered(UPLOADS).right_stream(),
        };
        let chunk = BATCH_ENTRIES.min(self.settings.room);
        let mut chunks = std::pin::pin!(ready.ready_chunks(chunk));
        let mut results = Vec::with_capacity(outgoing.len());
        let mut barred = Barred::default();
        let given_up = GivenUp::default();
        while let Some(chunk) = chunks.next().await {
            let chunk: Vec<_> = chunk
                .into_iter()
                .map(|(place, ready)| (place, barred.unless(target, &outgoing[place], ready)))
                .collect();
            let count = chunk.iter().filter(|(_, ready)| ready.is_ok()).count();
            let mut room = match barred.all {
                false => lane.room(count, deadline).await,
                true => None,
            };
            barred.all |= room.is_none();
            let mut put = Vec::with_capacity(count);
            for (place, ready) in chunk {
                let result = ready.and_then(|Ready { parcel, size }| {
                    let room = room.as_mut().and_then(|room| room.split(1));
                    let room = room.ok_or_else(|| no_room(target))?;
                    let (reply, result) = oneshot::channel();
                    let now = Instant::now();
                    put.push(Waiting {
                        parcel,
                        size,
                        deadline,
                        not_before: now,
                        linger_until: now + self.settings.linger,
                        tries: 0,
                        alone: false,
                        given_up: given_up.clone(),
                        reply,
                        room,
                    });
                    Ok(result)
                });
                results.push((place, result));
            }
            lane.put(put);
        }
        results.sort_unstable_by_key(|(place, _)| *place);
        let results = results.into_iter().map(|(_, result)| async {
            match result?.await {
                Ok(result) => result,
                // Its task went with the runtime that it was started on.
                Err(_dropped) => {
                    Err(Failed::no_answer("the publisher was stopped").into_error(&target.destination))
                }
            }
        });
        join_all(results).await
    }

    /// The entry of one envelope, small enough to be sent.
    async fn ready(
        &self,
        target: &Target,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Result<Ready, PublishError> {
        let refused = |failed: Failed| failed.into_error(&target.destination);
        let mut entry = outgoing.batch_entry(target.fifo);
        if target.fifo && entry.group.is_none() {
            return Err(refused(Failed::entry("it has no key, which FIFO orders by")));
        }
        let own = self.attributes.iter();
        entry
            .attributes
            .extend(own.map(|(name, value)| (name.clone(), value.clone())));
        let mut size = entry.size();
        let limit = persist(deadline, || target.limit(size)).await.map_err(refused)?;
        if size > limit {
            self.shrink(target, outgoing, &mut entry, limit, deadline).await?;
            size = entry.size();
        }
        let trace = Trace::of(&outgoing.envelope);
        let parcel = Parcel { entry, trace };
        Ok(Ready { parcel, size })
    }

    /// Makes an entry that is too large small enough, if there is a way.
    async fn shrink(
        &self,
        target: &Target,
        outgoing: &Outgoing,
        entry: &mut fanfare::BatchEntry,
        limit: usize,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        #[cfg(feature = "claim-check")]
        if let Some(claim_check) = &self.claim_check {
            return claim_check
                .put_away(target, &outgoing.envelope, entry, limit, deadline)
                .await;
        }
        let _ = (outgoing, deadline);
        Err(PublishError::TooLarge {
            destination: target.destination.clone(),
            size: entry.size(),
            limit,
        })
    }

    fn lane(&self, destination: &Destination, target: &Arc<Target>) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get(destination) {
            Some(lane) if !lane.is_over() => lane.clone(),
            _ => {
                let lane = Lane::start(Arc::clone(target), self.settings);
                lanes.insert(destination.clone(), lane.clone());
                lane
            }
        }
    }
}

/// What of a caller's envelopes to FIFO may not go, because an earlier one didn't.
#[derive(Default)]
struct Barred {
    groups: BTreeSet<String>,
    all: bool,
}

impl Barred {
    /// Passes on what is ready, unless an earlier one of its group wasn't and may be later.
    fn unless(
        &mut self,
        target: &Target,
        outgoing: &Outgoing,
        ready: Result<Ready, PublishError>,
    ) -> Result<Ready, PublishError> {
        let key = outgoing.key.as_deref().filter(|_| target.fifo);
        if key.is_some_and(|key| self.groups.contains(key)) {
            return Err(Failed::behind().into_error(&target.destination));
        }
        if let (Some(key), Err(error)) = (key, &ready)
            && error.is_retryable()
        {
            self.groups.insert(key.to_owned());
        }
        ready
    }
}

fn no_room(target: &Target) -> PublishError {
    Failed::no_answer("no room for it within the deadline: too many wait already")
        .into_error(&target.destination)
}

impl Publish for Publisher {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let count = outgoing.len();
            let mut by_destination: BTreeMap<Destination, (Vec<usize>, Vec<Outgoing>)> = BTreeMap::new();
            for (place, outgoing) in outgoing.into_iter().enumerate() {
                let (places, to) = by_destination.entry(outgoing.destination.clone()).or_default();
                places.push(place);
                to.push(outgoing);
            }
            // Side by side, so that one that is full or doesn't answer holds up no other.
            let published = by_destination
                .into_iter()
                .map(|(destination, (places, outgoing))| async move {
                    let results = self.shared.publish_to(&destination, outgoing).await;
                    places.into_iter().zip(results).collect::<Vec<_>>()
                });
            let mut results: Vec<_> = join_all(published).await.into_iter().flatten().collect();
            debug_assert_eq!(results.len(), count);
            results.sort_unstable_by_key(|(place, _)| *place);
            results.into_iter().map(|(_, result)| result).collect()
        })
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("settings", &self.shared.settings)
            .field("destinations", &self.shared.targets.keys())
            .finish_non_exhaustive()
    }
}

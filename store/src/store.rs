//! The store: a client, a table, and how long things are kept.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use fanfare::Clock;

use crate::Mutation;
use crate::transact::TransactPolicy;
use crate::wake::Wake;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One DynamoDB table for the records, and the client to reach it and the application's tables.
///
/// Cheap to clone; set it up first, since a clone made before a setting doesn't see it. Making one
/// does no I/O.
///
/// ```
/// use std::time::Duration;
/// use fanfare::{Clock, fault::Life};
/// use fanfare_local::Dynamo;
/// use fanfare_store::Store;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let client = Dynamo::memory(Clock::system())?.client(&Life::default()); // or any other
/// let store = Store::new(client, "shop-records")
///     .window(Duration::from_secs(60 * 24 * 60 * 60))
///     .shards(64);
/// store.create_table().await?;
/// let (inbox, outbox) = (store.inbox(), store.outbox("checkout"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) clock: Clock,
    pub(crate) window: Duration,
    pub(crate) skew: Duration,
    pub(crate) shards: u32,
    pub(crate) published_for: Duration,
    pub(crate) transact: TransactPolicy,
    pub(crate) wake: Arc<Wake>,
    pub(crate) mutations: Vec<Mutation>,
}

impl Store {
    /// A store in this table, reached by this client, with the settings that fit most.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let shared = Shared {
            client,
            table: table.into(),
            clock: Clock::system(),
            window: 30 * DAY,
            skew: Duration::from_secs(5),
            shards: 16,
            published_for: Duration::from_secs(60 * 60),
            transact: TransactPolicy::default(),
            wake: Arc::default(),
            mutations: Vec::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Where the time comes from; the system's clock by default.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|shared| shared.clock = clock)
    }

    /// How long a handled event is remembered, and how old an event may be to be handled at all. 30
    /// days by default; [`check_retention`](Self::check_retention) holds it against the queues.
    #[must_use]
    pub fn window(self, window: Duration) -> Self {
        self.with(|shared| shared.window = window)
    }

    /// How far apart the clocks of two hosts may be; 5 s by default. A lease is taken over only this
    /// long after its end, and an event is too old this long before the window's end.
    #[must_use]
    pub fn skew(self, skew: Duration) -> Self {
        self.with(|shared| shared.skew = skew)
    }

    /// Over how many shards of the index pending records are spread; 16 by default, at least 1. One
    /// takes about 1,000 writes a second. Raise it at will; to lower it, drain the outbox first.
    #[must_use]
    pub fn shards(self, shards: u32) -> Self {
        self.with(|shared| shared.shards = shards.max(1))
    }

    /// How long published events stay, marked, to be published again when a queue lost them; an hour
    /// by default.
    #[must_use]
    pub fn published_for(self, keep: Duration) -> Self {
        self.with(|shared| shared.published_for = keep)
    }

    /// How often and how long a transaction is tried.
    #[must_use]
    pub fn transact_policy(self, policy: TransactPolicy) -> Self {
        self.with(|shared| shared.transact = policy)
    }

    pub(crate) fn with(mut self, set: impl FnOnce(&mut Shared)) -> Self {
        set(Arc::make_mut(&mut self.shared));
        self
    }
}

//! Which parts of the shop are Lambda functions, and how those are set up.
//!
//! Any mix will do: consumers as functions or as workers, and the relay as either. Handlers, inbox and
//! outbox are the same; what differs is who hands over the messages, and how long they are hidden.

use std::collections::BTreeSet;
use std::time::Duration;

use fanfare::topology::{FunctionSettings, Hosting, ServiceSettings};
use fanfare::{App, Topology};
use fanfare_store::Relay;

use crate::{CONSUMERS, bookkeeping};

/// The relay's name among functions; the others are consumers.
pub const RELAY: &str = "relay";

/// How many changes of the store's table the relay gets at once.
const RELAYED: usize = 500;

/// How long sweeps leave to the relay's function what it is about to publish.
const LEAD: Duration = Duration::from_secs(30);

/// The environment variable that names what is deployed as functions, with commas between: set it for
/// `shop provision` and for the workers, whose queues it sets up.
pub const FUNCTIONS: &str = "SHOP_FUNCTIONS";

/// What can be a function.
pub const NAMES: [&str; CONSUMERS.len() + 1] = {
    let mut names = [RELAY; CONSUMERS.len() + 1];
    let mut index = 0;
    while index < CONSUMERS.len() {
        names[index] = CONSUMERS[index];
        index += 1;
    }
    names
};

/// The names of parts that are functions.
///
/// ```
/// use shop::functions::Functions;
///
/// let functions: Functions = "payment, relay".parse()?;
/// assert!(functions.has("payment") && !functions.has("email"));
/// let error = "paymint".parse::<Functions>().unwrap_err();
/// assert!(error.to_string().starts_with("`paymint` can't be a function; these can: checkout, payment,"));
/// # Ok::<(), shop::functions::UnknownFunction>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions(BTreeSet<&'static str>);

/// Something that can't be a function.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` can't be a function; these can: {names}", names = NAMES.join(", "))]
pub struct UnknownFunction(String);

impl Functions {
    /// Those of these names.
    ///
    /// # Errors
    /// The shop has no such part.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownFunction> {
        let known = |name: &str| NAMES.into_iter().find(|known| *known == name);
        let names = names
            .into_iter()
            .map(|name| known(name).ok_or_else(|| UnknownFunction(name.to_owned())));
        Ok(Self(names.collect::<Result<_, _>>()?))
    }

    /// Those that [`FUNCTIONS`] names; none without it.
    ///
    /// # Errors
    /// The shop has no such part.
    pub fn from_env() -> anyhow::Result<Self> {
        use anyhow::Context;
        let names = std::env::var(FUNCTIONS).unwrap_or_default();
        names.parse().with_context(|| format!("{FUNCTIONS}={names}"))
    }

    /// Whether this one is a function.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Sets up the consumers that are functions: an invocation may take so long, and their messages are
    /// hidden for as long as Lambda wants that. And the relay, whichever it is.
    pub(crate) fn set_up(&self, app: App, timeout: Duration) -> App {
        let relay = FunctionSettings::default().timeout(timeout).batch(RELAYED);
        let app = app.relay(match self.has(RELAY) {
            true => Hosting::Function(relay),
            // What it sweeps doesn't pile up in a queue: one is enough.
            false => Hosting::Service(ServiceSettings::default().tasks(1, 1)),
        });
        app.map_consumers(|router| {
            if !self.has(router.name()) {
                return router;
            }
            let settings = FunctionSettings::default().timeout(timeout);
            let router = router.visibility_timeout(6 * settings.timeout + settings.window);
            // A message of a FIFO queue is received with each failure of another one before it in its batch.
            let router = match router.name() == bookkeeping::NAME {
                true => router.max_receives(settings.batch as u32 * settings.attempts),
                false => router,
            };
            router.function(settings)
        })
    }
}

/// The relay of a process where this is deployed: behind the relay's function, if it is one, when it sweeps.
pub(crate) fn behind(relay: Relay, topology: &Topology) -> Relay {
    match topology.relay {
        Some(Hosting::Function(_)) => relay.sweep_after(LEAD),
        _ => relay,
    }
}

impl std::str::FromStr for Functions {
    type Err = UnknownFunction;

    fn from_str(names: &str) -> Result<Self, UnknownFunction> {
        let names = names.split(',').map(str::trim);
        Self::of(names.filter(|name| !name.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::UNIX_EPOCH;

    use fanfare::Clock;
    use fanfare::fault::{FaultPlan, Life};
    use fanfare::memory::{Broker, MemoryPublisher, set_up};
    use fanfare_local::Dynamo;
    use fanfare_store::Store;
    use tokio::time::Instant;

    use super::*;
    use crate::dev::describe;
    use crate::events::OrderPlaced;
    use crate::tables::{self, FANFARE};

    /// How long what was committed waits for a process's sweep, where these are functions.
    async fn left(names: &[&str]) -> Duration {
        let functions = Functions::of(names.iter().copied()).unwrap();
        let app = functions.set_up(describe().unwrap(), Duration::from_secs(20));
        let topology = app.topology().unwrap();
        let clock = Clock::tokio(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let broker = Broker::new(clock.clone(), FaultPlan::none());
        set_up(&broker, &topology).unwrap();
        let dynamo = Dynamo::memory(clock.clone()).unwrap().client(&Life::default());
        fanfare_store::create_table(&dynamo, &tables::store())
            .await
            .unwrap();
        let store = Store::new(dynamo, FANFARE).clock(clock).shards(1);
        let order = crate::Order::from_texts(["a-1", "7", "1997-01-01", "2", "2933"]).unwrap();
        let transaction = store.outbox(crate::checkout::NAME).transaction();
        transaction.emit(&OrderPlaced { order }).commit().await.unwrap();
        let start = Instant::now();
        let relay = store.relay(MemoryPublisher::new(broker, topology.app.clone()));
        behind(relay, &topology).drain().await.unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn sweeps_leave_the_relays_function_its_time_and_only_that_one() {
        let behind_function = left(&[RELAY]).await;
        assert!(
            (LEAD..LEAD + Duration::from_secs(5)).contains(&behind_function),
            "{behind_function:?}"
        );
        let beside_workers = left(&["payment"]).await;
        assert!(beside_workers < Duration::from_secs(5), "{beside_workers:?}");
    }

    #[test]
    fn every_consumer_can_be_a_function() {
        let all = Functions::of(NAMES).unwrap();
        let app = all.set_up(describe().unwrap(), Duration::from_secs(20));
        let topology = app.topology().unwrap();
        for consumer in topology.consumers {
            assert_eq!(
                consumer.queue.visibility_timeout,
                Duration::from_secs(120),
                "{}",
                consumer.name
            );
        }
    }

    #[test]
    fn the_others_stay_as_they_are() {
        let before = describe().unwrap();
        let after = Functions::of(["payment"])
            .unwrap()
            .set_up(describe().unwrap(), Duration::from_secs(20));
        let (before, after) = (before.topology().unwrap(), after.topology().unwrap());
        for (before, after) in before.consumers.iter().zip(&after.consumers) {
            assert_eq!(before == after, before.name != "payment", "{}", before.name);
        }
    }
}

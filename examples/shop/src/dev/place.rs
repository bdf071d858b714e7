//! Placing orders, by a producer that is killed and started anew like any host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::fault::Life;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::watch;

use super::hosts::{AWAY, Stopped};
use super::world::World;
use crate::Order;
use crate::checkout::{Checkout, NAME, PlaceError};

/// How many orders are placed at a time.
const AT_A_TIME: usize = 16;

/// Places orders, and relays what it has committed until it is stopped.
#[derive(Clone)]
pub(super) struct Producer {
    world: Arc<World>,
    orders: Arc<[Order]>,
    /// What became of the orders that are done, by their indices: placed, or refused and why.
    done: Arc<Mutex<BTreeMap<usize, Option<String>>>>,
    placed: Arc<AtomicU64>,
    all: watch::Sender<bool>,
}

impl Producer {
    /// A producer of these orders, which begins when it is [`run`](Self::run).
    pub(super) fn new(world: &Arc<World>, orders: &[Order]) -> Self {
        Self {
            world: Arc::clone(world),
            orders: orders.into(),
            done: Arc::default(),
            placed: Arc::default(),
            all: watch::Sender::new(false),
        }
    }

    /// How many orders are placed.
    pub(super) fn placed(&self) -> u64 {
        self.placed.load(Ordering::Relaxed)
    }

    /// How many of its orders are placed, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        self.placed() as f64 / self.orders.len().max(1) as f64
    }

    /// Waits until all orders are placed or refused, and says which were refused.
    pub(super) async fn refused(&self) -> Vec<(usize, String)> {
        // The sender is `self`'s own, so this can't fail.
        let _ = self.all.subscribe().wait_for(|all| *all).await;
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = done.iter();
        refused
            .filter_map(|(index, refused)| Some((*index, refused.clone()?)))
            .collect()
    }

    /// Places all orders, life after life, and relays until stopped.
    pub(super) async fn run(self, stopped: Stopped) -> anyhow::Result<()> {
        let (ended, kills) = Life::restart(NAME, AWAY, |life| self.live(life, stopped.clone())).await;
        tracing::debug!(kills, "the producer has ended");
        ended
    }

    /// One life: goes on where the last one was killed.
    async fn live(&self, life: Life, stopped: Stopped) -> anyhow::Result<()> {
        let deps = self.world.deps_in(&life);
        let relay = self.world.sweeper(&deps, &life);
        let checkout = Checkout::new(&deps);
        let todo: Vec<_> = {
            let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            let todo = (0..self.orders.len()).filter(|index| !done.contains_key(index));
            todo.collect()
        };
        let placing = async {
            let mut placing = stream::iter(todo)
                .map(|index| self.place(&checkout, index))
                .buffer_unordered(AT_A_TIME);
            while let Some(placed) = placing.next().await {
                placed?;
            }
            self.all.send_replace(true);
            anyhow::Ok(())
        };
        let relayed = async {
            relay.run(stopped.wait()).await;
            anyhow::Ok(())
        };
        // An order that can't be placed ends both.
        tokio::try_join!(placing, relayed).map(|_| ())
    }

    async fn place(&self, checkout: &Checkout, index: usize) -> anyhow::Result<()> {
        let refused = match checkout.place_surely(&self.orders[index]).await {
            Ok(_) => None,
            Err(error @ PlaceError::Differs { .. }) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let placed = refused.is_none();
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.insert(index, refused).is_none() && placed {
            self.placed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

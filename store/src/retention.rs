//! Whether handled events are remembered for as long as they can come again.

use fanfare::Topology;

use crate::{Store, StoreError};

impl Store {
    /// Holds the [window](Self::window) against the one that the application declares
    /// ([`App::dedupe_window`](fanfare::App::dedupe_window)), and against what every consumer's queue and
    /// dead-letter queue keep; call it at start-up. An event that has outlived the window is refused as too old, so that a
    /// window that is too short loses dead letters rather than handling them twice.
    ///
    /// A redrive starts the queue's retention anew: an event that is redriven over and over reaches
    /// the window's end whatever it is.
    ///
    /// ```
    /// # use fanfare::{Delivery, Failure, Handled, Router};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct OrderPlaced {}
    /// # impl fanfare::Event for OrderPlaced {
    /// #     const TYPE: &'static str = "order.placed";
    /// #     const TOPIC: &'static str = "orders";
    /// # }
    /// # async fn charge(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
    /// # fn check(store: fanfare_store::Store) -> anyhow::Result<()> {
    /// let app = fanfare::App::new("shop").consumer(Router::new("payment").on::<OrderPlaced>(charge));
    /// store.check_retention(&app.topology()?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StoreError::WindowBelowDeclared`], or [`StoreError::Window`] with the first consumer whose queues keep
    /// messages for longer.
    pub fn check_retention(&self, topology: &Topology) -> Result<(), StoreError> {
        let (window, declared) = (self.shared.window, topology.dedupe_window);
        if window < declared {
            return Err(StoreError::WindowBelowDeclared { window, declared });
        }
        // The window less the skew is what an event may be old.
        let handled = self.shared.window.saturating_sub(self.shared.skew);
        let longest = |consumer: &fanfare::topology::Consumer| {
            consumer
                .queue
                .retention
                .saturating_add(consumer.queue.dead_letter_retention)
        };
        match topology
            .consumers
            .iter()
            .find(|consumer| longest(consumer) > handled)
        {
            Some(consumer) => Err(StoreError::Window {
                consumer: consumer.name.clone(),
                needed: longest(consumer),
                window: self.shared.window,
            }),
            None => Ok(()),
        }
    }
}

//! What is known of each order, whatever the order in which it becomes known.

use fanfare::{Delivery, Event, Failure, Handled, Handler};
use fanfare_store::Inbox;

use super::Parts;
use crate::simulation::events::OfOrder;
use crate::simulation::table::add;

#[derive(Clone, Debug)]
pub(super) struct View {
    inbox: Inbox,
}

impl View {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            inbox: parts.inbox.clone(),
        }
    }
}

impl<E: Event + OfOrder> Handler<E> for View {
    async fn handle(&self, event: Delivery<E>) -> Result<Handled, Failure> {
        let known = add("view", event.order(), E::TYPE, 1).build()?;
        Ok(self.inbox.once(&event).write(known).commit().await?)
    }
}

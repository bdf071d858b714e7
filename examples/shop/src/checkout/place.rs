//! Taking an order.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure};
use fanfare::Backoff;
use fanfare_store::{CommitError, Committed, IdempotencyKey, Outbox};

use super::NAME;
use crate::events::OrderPlaced;
use crate::item::{Item, Unreadable, get_order, put_order, text};
use crate::tables::ORDERS;
use crate::{Deps, Order};

/// How long a caller's idempotency key is remembered. After that the order's own condition returns the
/// order that is there.
const KEY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How often an order is tried, with these pauses: for some minutes.
const TRIES: u32 = 200;
/// After so many, some seconds, it is told why.
const TELLING: u32 = 10;
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// Takes orders: each is written together with the event that tells of it.
#[derive(Clone, Debug)]
pub struct Checkout {
    outbox: Outbox,
}

/// An order that is in the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It was taken now.
    New(Order),
    /// It had been taken before.
    Before(Order),
}

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Another order has its id.
    #[error("another order has the id {id}: its fields differ")]
    Differs {
        /// The id.
        id: String,
    },
    /// What lies under its id can't be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It can't be written in many tries.
    #[error("order {id} can't be placed")]
    GivenUp {
        /// The id.
        id: String,
        /// What went wrong at last.
        #[source]
        source: Box<PlaceError>,
    },
    /// It can't be written, or the idempotency key is in the way.
    #[error(transparent)]
    Commit(CommitError),
}

impl Placed {
    /// The order, whenever it was taken.
    pub fn into_order(self) -> Order {
        match self {
            Self::New(order) | Self::Before(order) => order,
        }
    }
}

impl Checkout {
    /// A checkout that writes with these.
    pub fn new(deps: &Deps) -> Self {
        Self {
            outbox: deps.store.outbox(NAME),
        }
    }

    /// Takes an order. One that is there already, with the same fields, is returned and not taken
    /// again.
    ///
    /// With an idempotency key a repeat returns the order that the first call took, also where the
    /// order's id was made for that call. Cancelling the future leaves open whether it is taken.
    ///
    /// # Errors
    /// See [`PlaceError`]; after [`CommitError::NoAnswer`] it is unknown whether it is taken, and a
    /// repeat finds out.
    pub async fn place(&self, order: Order, key: Option<IdempotencyKey>) -> Result<Placed, PlaceError> {
        let mut item = Item::new();
        put_order(&mut item, &order);
        item.insert("state".to_owned(), text("placed"));
        let put = Put::builder()
            .table_name(ORDERS.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(order_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let put = put.map_err(|error| PlaceError::Commit(CommitError::Sdk(error.into())))?;
        let mut transaction = self
            .outbox
            .transaction()
            .write_as("order", put)
            .emit(&OrderPlaced { order: order.clone() });
        if let Some(key) = key {
            transaction = transaction.idempotent(key, KEY_TTL);
        }
        match transaction.result(order.clone()).commit().await {
            Ok(Committed::New(order)) => Ok(Placed::New(order)),
            Ok(Committed::Repeated(order)) => Ok(Placed::Before(order)),
            Err(CommitError::ConditionFailed { item, .. }) => {
                let before = get_order(ORDERS.name, &item.unwrap_or_default())?;
                match before == order {
                    true => Ok(Placed::Before(before)),
                    false => Err(PlaceError::Differs { id: order.id }),
                }
            }
            Err(error) => Err(PlaceError::Commit(error)),
        }
    }

    /// Takes an order as [`place`](Self::place) does without a key, and again while that fails, for some
    /// minutes.
    ///
    /// # Errors
    /// [`PlaceError::Differs`] at once, or [`PlaceError::GivenUp`].
    pub async fn place_surely(&self, order: &Order) -> Result<Placed, PlaceError> {
        let mut tries = 0;
        loop {
            match self.place(order.clone(), None).await {
                Err(error) if !matches!(error, PlaceError::Differs { .. }) => {
                    tries += 1;
                    if tries == TRIES {
                        return Err(PlaceError::GivenUp {
                            id: order.id.clone(),
                            source: Box::new(error),
                        });
                    }
                    if tries == TELLING {
                        let source = std::error::Error::source(&error);
                        tracing::error!(order = order.id, %error, source, "not placed yet, and tried on");
                    }
                    tokio::time::sleep(PAUSES.delay(tries)).await;
                }
                placed => return placed,
            }
        }
    }
}

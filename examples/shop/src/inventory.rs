//! Inventory reserves an order's CDs on a shelf.
//!
//! The stock lies on [`SHELVES_COUNT`] shelves, each an item of its own, so that no single item takes
//! every write. An order starts at the shelf that its id leads to and takes the next one that has as
//! many CDs as it wants; it is never split. **It is rejected only if no shelf has that many.** Since
//! nothing is restocked, that is still so at the end, where the audit checks it.
//!
//! What was decided for an order is one item that is written once: an order can't reserve twice,
//! whatever arrives, also without the inbox.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use fanfare::topology::TableAction;
use fanfare::{Backoff, Delivery, Failure, Handled, Handler, Router};
use fanfare_store::{CommitError, Inbox};
use std::time::Duration;

use crate::events::{PaymentCharged, StockRejected, StockReserved};
use crate::item::{get_number, get_text, number, text};
use crate::tables::{RESERVATIONS, SHELVES};
use crate::{Deps, Order, spread};

/// The consumer's name.
pub const NAME: &str = "inventory";

/// How many shelves there are: few enough to be set up in one transaction (at most 100 items).
pub const SHELVES_COUNT: u32 = 64;

/// How often a shelf is tried, each but the first after a look at all of them: more than once only
/// when other orders take what we saw before we do.
const TRIES: u32 = 4;

/// How long to let others go first after that.
const RACE_PAUSE: Duration = Duration::from_millis(50);

/// The name of the write that an order has only one of.
const RESERVATION: &str = "reservation";

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let inventory = Inventory {
        inbox: deps.store.inbox(),
        dynamo: deps.dynamo.clone(),
    };
    Router::new(NAME)
        .table(
            SHELVES.name,
            [TableAction::Scan, TableAction::Put, TableAction::Update],
        )
        .table(RESERVATIONS.name, [TableAction::Put])
        .on::<PaymentCharged>(inventory)
        .emits::<StockReserved>()
        .emits::<StockRejected>()
}

/// The name of the shelf of this number.
pub fn shelf(number: u32) -> String {
    format!("shelf-{number:02}")
}

/// How many CDs lie on this shelf at first, of so many in all.
pub fn initial(shelf: u32, stock: u32) -> u32 {
    stock / SHELVES_COUNT + u32::from(shelf < stock % SHELVES_COUNT)
}

/// How often the shelves are tried, with these pauses.
const FILLING: u32 = 10;
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// Puts the first stock on the shelves, all of them in one transaction. Shelves that are there stay
/// as they are, whatever `stock` says.
///
/// # Errors
/// DynamoDB can't be written.
pub async fn fill_shelves(dynamo: &Client, stock: u32) -> anyhow::Result<()> {
    let mut request = dynamo.transact_write_items();
    for number_of in 0..SHELVES_COUNT {
        let stock = initial(number_of, stock);
        let put = Put::builder()
            .table_name(SHELVES.name)
            .item("shelf", text(shelf(number_of)))
            .item("initial", number(stock))
            .item("rest", number(stock))
            .condition_expression("attribute_not_exists(shelf)")
            .build()?;
        request = request.transact_items(TransactWriteItem::builder().put(put).build());
    }
    let mut tries = 0;
    loop {
        let Err(error) = request.clone().send().await else {
            return Ok(());
        };
        let cancelled = error
            .as_service_error()
            .is_some_and(|error| error.is_transaction_canceled_exception());
        if cancelled && !SHELVES.scan(dynamo).await?.is_empty() {
            return Ok(());
        }
        tries += 1;
        // Cancelled before anything lies there: by another host that is putting it there just now.
        if !cancelled || tries == FILLING {
            return Err(error.into());
        }
        tokio::time::sleep(PAUSES.delay(tries)).await;
    }
}

/// Other orders were faster each time.
#[derive(Debug, thiserror::Error)]
#[error("other orders took the last CDs of {TRIES} shelves while this one reached for them")]
struct NotDecided;

struct Inventory {
    inbox: Inbox,
    dynamo: Client,
}

impl Handler<PaymentCharged> for Inventory {
    async fn handle(&self, charged: Delivery<PaymentCharged>) -> Result<Handled, Failure> {
        let start = shelf(spread(&charged.order.id, SHELVES_COUNT));
        let mut shelf = Some(start.clone());
        for _ in 0..TRIES {
            match self.commit(&charged, shelf.as_deref()).await? {
                Err(CommitError::ConditionFailed { name, .. }) if name == RESERVATION => {
                    return Ok(Handled::Duplicate);
                }
                Err(CommitError::ConditionFailed { .. }) => {
                    shelf = self.next_shelf(&start, charged.order.quantity).await?;
                }
                decided => return Ok(decided?),
            }
        }
        Err(Failure::retry_after(RACE_PAUSE, NotDecided))
    }
}

impl Inventory {
    /// Reserves on this shelf, or rejects.
    async fn commit(
        &self,
        charged: &Delivery<PaymentCharged>,
        shelf: Option<&str>,
    ) -> Result<Result<Handled, CommitError>, BuildError> {
        let order = charged.order.clone();
        let once = self
            .inbox
            .once(charged)
            .write_as(RESERVATION, decide(&order, shelf)?);
        let once = match shelf.map(str::to_owned) {
            None => once.emit(&StockRejected { order }),
            Some(shelf) => once
                .write_as("shelf", take(&shelf, order.quantity)?)
                .emit(&StockReserved { order, shelf }),
        };
        Ok(once.commit().await)
    }

    /// The next shelf behind `start` that has this many CDs; none, if there is none in the whole
    /// house.
    async fn next_shelf(&self, start: &str, quantity: u32) -> Result<Option<String>, Failure> {
        let mut enough = Vec::new();
        for item in SHELVES.scan(&self.dynamo).await? {
            if get_number::<u32>(SHELVES.name, &item, "rest")? >= quantity {
                enough.push(get_text(SHELVES.name, &item, "shelf")?.to_owned());
            }
        }
        enough.sort();
        let next = enough.iter().position(|shelf| **shelf > *start).unwrap_or(0);
        Ok(enough.get(next).cloned())
    }
}

fn decide(order: &Order, shelf: Option<&str>) -> Result<Put, BuildError> {
    let put = Put::builder()
        .table_name(RESERVATIONS.name)
        .item("order_id", text(&order.id))
        .item("quantity", number(order.quantity))
        .condition_expression("attribute_not_exists(order_id)");
    match shelf {
        Some(shelf) => put.item("decision", text("reserved")).item("shelf", text(shelf)),
        None => put.item("decision", text("rejected")),
    }
    .build()
}

fn take(shelf: &str, quantity: u32) -> Result<Update, BuildError> {
    Update::builder()
        .table_name(SHELVES.name)
        .key("shelf", text(shelf))
        .update_expression("SET rest = rest - :quantity")
        .condition_expression("rest >= :quantity")
        .expression_attribute_values(":quantity", number(quantity))
        .build()
}

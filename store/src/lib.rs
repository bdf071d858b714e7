//! One conditional write on DynamoDB: inbox, lease, outbox and relay.
//!
//! ```text
//! message ── inbox.once(&delivery).write(..).emit(..).commit() ──► ONE TransactWriteItems
//!              inbox record        on the condition that the event was not handled
//!              the application's   puts, updates, deletes, checks, on any of its tables
//!              outbox records      what is emitted and sent
//!            Applied | Duplicate ◄── and either everything is written or nothing
//! relay ──── publishes the outbox, marks what is confirmed ──► topics and queues
//! ```
//!
//! A queue delivers at least once, hosts are killed, and answers are lost; an effect that goes through
//! here still happens once:
//!
//! - [`Inbox::once`] is for effects in DynamoDB: state, the events that tell of it, and the record that
//!   the event was handled are one transaction. Nothing is read before. A repeat writes nothing, and is
//!   [`Handled::Duplicate`](fanfare::Handled::Duplicate).
//! - [`Inbox::lease`] is for effects elsewhere, such as a card charge: one host at a time, as far as that
//!   is possible, with a key for the other side that is the same in every attempt, and a completion that
//!   only the holder can make. Its docs say exactly what holds.
//! - [`Outbox::transaction`] is for a producer that handles no event, such as an HTTP API, with an
//!   idempotency key from its caller.
//! - [`Relay`] publishes what these have written, each event at least once, in the order of its key on
//!   FIFO topics.
//!
//! All records lie in one table of ours ([`Store::create_table`]); the application's tables are its own,
//! and take part in the transactions.
//!
//! # From an event to its effect
//!
//! ```
//! use aws_sdk_dynamodb::types::{AttributeValue, Put};
//! use fanfare::{Clock, Delivery, Failure, Handled, fault::Life};
//! use fanfare_local::Dynamo;
//! use fanfare_store::{Inbox, Store};
//! # macro_rules! event { ($name:ident, $ty:literal, $topic:literal) => {
//! #     #[derive(serde::Serialize, serde::Deserialize)]
//! #     struct $name { order: String }
//! #     impl fanfare::Event for $name {
//! #         const TYPE: &'static str = $ty;
//! #         const TOPIC: &'static str = $topic;
//! #     }
//! # } }
//! # event!(OrderPlaced, "order.placed", "orders");
//! # event!(PaymentCharged, "payment.charged", "payments");
//!
//! async fn handle(inbox: &Inbox, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
//!     let entry = Put::builder()
//!         .table_name("shop") // a table of the application's; here it is the store's own
//!         .item("pk", AttributeValue::S(format!("payment {}", placed.order)))
//!         .item("sk", AttributeValue::S("payment".into()))
//!         .condition_expression("attribute_not_exists(pk)")
//!         .build()?;
//!     let charged = PaymentCharged { order: placed.order.clone() };
//!     Ok(inbox.once(&placed).write_as("payment", entry).emit(&charged).commit().await?)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let client = Dynamo::memory(Clock::system())?.client(&Life::default()); // or any other
//! let store = Store::new(client, "shop");
//! store.create_table().await?;
//!
//! let placed = Delivery::of("payment", OrderPlaced { order: "17".into() })?;
//! let key = placed.context().dedupe_key();
//! let handled = handle(&store.inbox(), placed).await;
//! assert_eq!(handled.unwrap(), Handled::Applied);
//!
//! use fanfare::port::Completed;
//! assert!(store.inbox().completed(&key).await.unwrap());
//! # Ok(())
//! # }
//! ```
//!
//! # What a failure means
//!
//! A [`CommitError`] becomes a [`Failure`](fanfare::Failure) by `?`, with the right advice: what no retry
//! can mend (too large, too old, a second write) is terminal, what another host holds is no failed
//! attempt, and the rest is tried again. After every error but [`CommitError::NoAnswer`] it is certain
//! that nothing was written; after that one, the repeat finds out.

mod call;
mod commit;
mod error;
mod inbox;
mod lease;
mod mutation;
mod once;
mod outbox;
mod record;
mod relay;
mod retention;
mod store;
mod table;
mod transact;
mod tries;
mod wake;
mod write;

pub use error::{CommitError, StoreError};
pub use inbox::Inbox;
pub use lease::{Claim, Complete, Lease, LeaseError};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
#[cfg(not(feature = "mutations"))]
pub(crate) use mutation::Mutation;
pub use once::Once;
pub use outbox::{Committed, IdempotencyKey, Outbox, Transaction};
pub use record::RecordError;
pub use relay::{
    Parked, ParkedEvent, Relay, RelayError, STREAM_FILTER, Status, StreamChange, StreamError, StreamRecord,
};
pub use store::Store;
pub use table::{create_table, create_table_input, table};
pub use transact::TransactPolicy;
pub use write::Write;

//! One conditional write on DynamoDB: inbox, lease, outbox and relay.
#![allow(dead_code)] // until the parts that use the records are there

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
pub use relay::{Parked, ParkedEvent, Relay, RelayError, Status};
pub use store::Store;
pub use transact::TransactPolicy;
pub use write::Write;

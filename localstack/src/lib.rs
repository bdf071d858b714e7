//! DynamoDB inside the process, behind the AWS SDK's own client: nothing to install, no socket, and
//! faults injected below the SDK, where real ones come from.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! use fanfare::{Clock, fault::Life};
//! use fanfare_local::Dynamo;
//!
//! let dynamo = Dynamo::memory(Clock::system())?;
//! let client = dynamo.client(&Life::default()); // an aws_sdk_dynamodb::Client like any other
//! assert!(client.list_tables().send().await?.table_names().is_empty());
//! # Ok(())
//! # }
//! ```

mod dynamo;

pub use dynamo::{Dynamo, DynamoError};

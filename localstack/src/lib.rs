//! Local AWS inside the process, behind the AWS SDK's own clients: SNS, SQS and DynamoDB, with
//! nothing to install, no socket, and faults injected below the SDK, where real ones come from.
//!
//! [`Local`] is all of it, [`Dynamo`] the tables alone. The binary `fanfare-local` serves the same on
//! a socket of this machine, for other languages.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! use fanfare_local::Local;
//!
//! let local = Local::new()?;
//! let sns = aws_sdk_sns::Client::new(&local.sdk_config()); // a client like any other
//! let topic = sns.create_topic().name("orders").send().await?;
//! assert_eq!(topic.topic_arn(), Some("arn:aws:sns:us-east-1:000000000000:orders"));
//! # Ok(())
//! # }
//! ```

mod answer;
mod connector;
mod digest;
mod dynamo;
mod faults;
mod lambda;
mod local;
pub mod mapping;
mod messaging;
mod query;
mod recorded;
mod request;
mod server;
mod services;
mod sns;
mod sqs;
mod sts;

pub use dynamo::{Dynamo, DynamoError};
pub use local::Local;
pub use recorded::Recorded;
pub use server::serve;

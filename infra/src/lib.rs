//! What an application needs in an AWS account, made from its topology: topics, queues with their
//! dead-letter queues, subscriptions, queue policies and tables.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> anyhow::Result<()> {
//! use fanfare::table::{Key, Table};
//! use fanfare::{App, Delivery, Failure, Handled, Router};
//! use fanfare_infra::{Deployment, caller};
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct OrderPlaced { order: String }
//! # impl fanfare::Event for OrderPlaced {
//! #     const TYPE: &'static str = "order.placed";
//! #     const TOPIC: &'static str = "orders";
//! # }
//! # async fn ship(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> { Ok(Handled::Applied) }
//!
//! let app = App::new("shop").consumer(Router::new("shipping").on::<OrderPlaced>(ship));
//! let config = fanfare_local::Local::new()?.sdk_config(); // or AWS's, by the crate `aws-config`
//! let caller = caller(&config).await?;
//! let deployment = Deployment::new(&config, &caller, &app.topology()?)
//!     .table(Table::new("shop-parcels", Key::text("order_id")))
//!     .table(fanfare_store::table("shop-fanfare"));
//!
//! let report = deployment.provision().await?;
//! assert!(report.to_string().starts_with("made      topic shop-orders\n"));
//! assert!(deployment.provision().await?.is_unchanged());
//! deployment.remove().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is made
//!
//! | for | what |
//! |---|---|
//! | each topic | an SNS topic, [`{app}-{topic}`](fanfare::topic_name) |
//! | each consumer | its queue, [`{app}-{consumer}`](fanfare::queue_name); the dead-letter queue of that, [`-dlq`](fanfare::dead_letter_name), which no other queue may have as its own; and one for what topics couldn't deliver to it, [`-undelivered`](fanfare::undelivered_name) |
//! | each subscription | one from the topic to the queue: raw delivery, the filter policy of the types that are handled, and the queue of what couldn't be delivered |
//! | each table | the table with its indexes and stream, then expiry and point-in-time recovery |
//!
//! Queues are encrypted by SQS's own keys, or topics and queues by the application's
//! ([`App::encryption_key`](fanfare::App::encryption_key)). Queues take messages from exactly the topics that they are
//! subscribed to. Tables are billed by request.
//!
//! # Again and again
//!
//! First everything is looked at. What is there with other settings is [named](InfraError::Differs), all
//! of it at once, and then nothing is done at all, unless [`Deployment::update`] is on. Settings, tags and
//! statements that an application doesn't speak of are left as they are; but a queue's policy is one
//! setting. A run that was killed is completed by the next one. What was done before an error is told by
//! [`Deployment::provision_telling`] and [`Deployment::remove_telling`].
//!
//! A removal looks at everything first too, and [refuses](InfraError::Foreign) to take with it what has
//! these names and isn't the application's.
//!
//! On AWS a changed queue policy takes a minute to spread, and a queue's name a minute to be free: both are
//! waited for where it matters. An endpoint that isn't AWS's own (`AWS_ENDPOINT_URL`) is taken for a local
//! AWS, where both are so at once.
//!
//! # Whether it is still so
//!
//! [`Deployment::diff`] compares what is deployed with the code, and says what is in only one of them; also of
//! functions and event-source mappings, which are deployed by the template alone.
//!
//! # What the role must be allowed
//!
//! `sns:GetTopicAttributes`, `CreateTopic`, `SetTopicAttributes`, `ListSubscriptionsByTopic`, `GetSubscriptionAttributes`,
//! `Subscribe`, `SetSubscriptionAttributes`, and to remove `Unsubscribe` and `DeleteTopic`; `sqs:GetQueueUrl`,
//! `GetQueueAttributes`, `CreateQueue`, `SetQueueAttributes`, `DeleteQueue`; `dynamodb:DescribeTable`,
//! `DescribeTimeToLive`, `DescribeContinuousBackups`, `ListTagsOfResource`, `CreateTable`, `TagResource`,
//! `UntagResource`, `UpdateTable`, `UpdateTimeToLive`, `UpdateContinuousBackups`, `DeleteTable`. To compare, of these only
//! those that read, and `sns:ListTopics`, `sqs:ListQueues`, `dynamodb:ListTables`, `lambda:ListFunctions`,
//! `lambda:ListEventSourceMappings`.

mod caller;
mod client;
mod compare;
mod deployment;
mod diff;
mod difference;
mod error;
mod functions;
mod limits;
mod queues;
mod removal;
mod report;
mod shape;
mod subscriptions;
mod tables;
mod template;
mod topics;
mod wanted;

pub use caller::{Caller, caller};
pub use deployment::Deployment;
pub use diff::{Drift, Drifted};
pub use difference::Difference;
pub use error::{At, InfraError};
pub use fanfare::table::Table;
pub use report::{Entry, Kind, Outcome, Report, Resource, Step};
pub use template::{Program, Template, TemplateError};

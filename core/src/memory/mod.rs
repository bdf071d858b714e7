//! Events inside one process: a broker with SNS's and SQS's semantics, and hosts that serve the
//! same handlers from it as on AWS.
//!
//! It is the way to decouple services that share a process, and to test them. What is published
//! goes through topics and filter policies into each consumer's queue, is retried, and ends in a
//! dead-letter queue, as it would on AWS. **It does not survive the process**: what is in the queues
//! when the process ends is gone. With the store's outbox it is published again at the next start;
//! without, it is lost.
//!
//! ```
//! use fanfare::memory::{self, Broker, MemoryPublisher};
//! use fanfare::port::Publish;
//! use fanfare::{App, Clock, Delivery, Draft, Event, Failure, Handled, Router};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct OrderPlaced {
//!     order: String,
//! }
//!
//! impl Event for OrderPlaced {
//!     const TYPE: &'static str = "order.placed";
//!     const TOPIC: &'static str = "orders";
//! }
//!
//! async fn ship(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
//!     println!("shipping order {}", placed.order);
//!     Ok(Handled::Applied)
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = App::new("shop").consumer(Router::new("shipping").on::<OrderPlaced>(ship));
//! let broker = Broker::default();
//! memory::set_up(&broker, &app.topology()?)?;
//!
//! let publisher = MemoryPublisher::new(broker.clone(), app.name());
//! let placed = Draft::event(&OrderPlaced { order: "17".into() })?.first("/checkout", &Clock::system());
//! for confirmed in publisher.publish(vec![placed]).await {
//!     confirmed?;
//! }
//!
//! // Serves until the queue is empty; a service waits for its signal to stop instead.
//! let queues = broker.clone();
//! let all_done = async move { queues.quiet(["shop-shipping"]).await.expect("the queue is there") };
//! memory::serve(&app, &broker, all_done).await?;
//! # Ok(())
//! # }
//! ```

mod broker;
mod filter;
mod publisher;
mod queue;
mod serve;

pub use broker::{
    Broker, BrokerError, Counts, Entry, QueueSettings, Receipt, Receive, ReceivedMessage, Redrive,
    RedriveAllow, Redriven, Sent, Subscription, SubscriptionSettings, TopicSettings,
};
pub use filter::{FilterPolicy, FilterPolicyError, Scope};
pub use publisher::MemoryPublisher;
pub use queue::MemoryQueue;
pub use serve::{ServeError, hosts, serve, set_up};

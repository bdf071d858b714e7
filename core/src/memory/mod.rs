//! The in-process broker.

mod broker;
mod filter;
mod publisher;
mod queue;

pub use broker::{
    Broker, BrokerError, Counts, Entry, QueueSettings, Receipt, Receive, ReceivedMessage, Redrive, Redriven,
    Sent, Subscription, SubscriptionSettings, TopicSettings,
};
pub use filter::{FilterPolicy, FilterPolicyError, Scope};
pub use publisher::MemoryPublisher;
pub use queue::{DEAD_LETTER_ATTRIBUTE, MemoryQueue};

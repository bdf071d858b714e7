//! Consumers and the relay as Lambda functions, behind event-source mappings.

mod measure;
mod trace;

pub use measure::{Metrics, MetricsError};
pub use trace::traced;

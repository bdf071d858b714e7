//! Faults on purpose: a seeded plan, and wrappers that inject it between a host and what it calls.
//!
//! The same plan that fanfare's own simulations run under, for your handlers: see [`FaultPlan`].

mod faulty;
mod life;
mod panics;
mod plan;

pub use faulty::Faulty;
pub use life::Life;
pub use panics::{PanicLayer, PanicService};
pub use plan::{Call, Fault, FaultPlan};

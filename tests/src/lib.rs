//! The world that fanfare is tested in.
//!
//! [`mod@conformance`] is what every transport promises, as cases that run against any of them;
//! [`simulation`] is a small shop under a fault plan with an exact audit.

pub mod conformance;
pub mod simulation;

//! What the shop promises: each service alone, all of them together, and the audit itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod analytics;
mod api;
mod audit;
mod bench;
mod binary;
mod bookkeeping;
mod bootstrap;
mod checkout;
mod described;
mod email;
mod functions;
mod inventory;
mod loyalty;
mod orders_view;
mod payment;
mod run;
mod shipping;

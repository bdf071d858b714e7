//! The shop on local AWS: its own binary, as processes, against whatever `AWS_ENDPOINT_URL` names.
//!
//! ```sh
//! eval "$(localstack/up)"
//! cargo test -p shop --test live -- --ignored
//! ```
//!
//! Those run one after the other, for they share the account; each begins by removing what is there.
//! The tests of [`embedded`], [`measured`], [`privilege`] and [`told`] need nothing, and run with all others.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod bootstrap;
mod crew;
mod embedded;
mod end_to_end;
mod measured;
mod privilege;
mod producers;
mod soak;
mod stage;
mod told;
mod unprovisioned;

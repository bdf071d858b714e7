//! What a deployment makes, finds, changes and deletes, on the AWS inside the process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod again;
mod denied;
mod differences;
mod drift;
mod fresh;
mod interrupted;
mod removal;
mod spreading;
mod tables;
mod tap;
mod unready;
mod world;

//! A relay behind the stream of the table.

mod failures;
mod follows;
mod order;
mod shown;
mod together;

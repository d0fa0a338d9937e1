//! The plan of a keeper: one test for each row of its table, and properties over a fake instance with failures and crashes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by it that its own set-up is wrong"
)]

mod fake;
mod fixture;
mod properties;
mod reading;
mod rows_init;
mod rows_resync;
mod rows_role;
mod rows_stop;

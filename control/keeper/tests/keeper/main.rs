//! The keeper with real PostgreSQL and a real etcd. The tests play the sentinel: they write the cluster data.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test ends when something is not as it should be, and shows the keeper's log"
)]

mod cluster;
mod etcd;
mod harness;
mod lifecycle;
mod repair;
mod startup;
mod synchronous;

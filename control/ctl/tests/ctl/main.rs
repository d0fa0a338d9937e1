//! `stolonctl` as its user sees it, on a real etcd: what is printed, what is stored, and the exit code.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test unwraps, it asserts"
)]

mod clusterdata;
mod etcd;
mod init;
mod keepers;
mod plain;
mod promote;
mod run;
mod seed;
mod spec;
mod status;
mod unreachable;
mod update;
mod variables;

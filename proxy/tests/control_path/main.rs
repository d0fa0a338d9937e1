//! The control plane over the store in memory, with real sockets behind it: what the cluster data says happens to connections.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper that fails here fails its test")]

mod cluster;
mod fence;
mod following;

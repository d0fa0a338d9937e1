//! The data path over real sockets: worker threads, sessions and relay, without a control plane.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper that fails here fails its test")]

mod early;
mod ends;
mod hold;
mod moves;
mod overload;
mod pauses;
mod proxy;
mod streams;
mod swap;

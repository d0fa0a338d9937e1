//! What a message costs, in figures that no machine changes: system calls, allocations, instructions.
//!
//! The data path runs in a process of its own, this program again under `strace` or `valgrind`; the client and the master are
//! here. Each figure is the difference between a long run and a short one, so that the start and the end of a process are in
//! none.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper that fails here fails its test")]

mod callgrind;
mod carrier;
mod strace;

/// Bytes of a message.
const MESSAGE: usize = 100;

/// Requests, each with its answer, in the short run and in the long run.
const SHORT: u32 = 200;
const LONG: u32 = 1200;

/// How much a figure is of each of the exchanges that only the long run has.
fn per_exchange(short: u64, long: u64) -> f64 {
    (long as f64 - short as f64) / f64::from(LONG - SHORT)
}

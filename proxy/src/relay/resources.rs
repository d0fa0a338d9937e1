//! What a worker thread lends to the session that it polls.

use super::{PipePool, RelayMode};
use crate::counters::Counters;
use std::sync::Arc;

/// One buffer for all sessions of a thread: large enough that a bulk read through memory costs as few system calls as a splice.
const SCRATCH: usize = 1024 * 1024;

/// When the relay changes its way of working.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Which conduit carries what.
    pub mode: RelayMode,
    /// A direction that has taken this much since the other last moved is bulk. Late, because the last part of a bulk transfer
    /// waits for [`Tuning::linger`]: with 256 KiB it more than doubles the time of some answers of 1 MB. Shorter answers than the
    /// threshold never wait; one of 5 MB takes a quarter longer, at a tenth less CPU; one of 20 MB takes no longer, at less than
    /// half. `cargo run --release --example relay answers` compares thresholds.
    pub bulk_after: u64,
    /// A bulk direction that paused is bulk again when it has taken this much more, unless the other moved meanwhile.
    pub bulk_again: u64,
    /// The low-water mark of a source in bulk: how much wakes us.
    pub low_water: i32,
    /// How long less than the low-water mark waits, in bulk; how often a source that is not listened to is looked at.
    pub linger: std::time::Duration,
    /// Bulk from this machine whose segments are on average smaller than this many bytes is fetched by the clock and not by the
    /// mark, as [`crate::socket::close_window`] explains. PostgreSQL's have 8 kB. What is written in large pieces needs no joining,
    /// and waiting for the clock would halve its rate.
    pub small_segment: u64,
    /// Over how many bytes of bulk the average is taken.
    pub measured: u64,
    /// How many pipes a thread may have.
    pub pipes: usize,
    /// How much one direction moves before other sessions of its thread get their turn.
    pub turn: u64,
    /// How long bulk pauses after a turn if small sessions are busy on its thread. The two ends of a stream on the same machine take
    /// the cores from those sessions even when it goes past the proxy, so that only a slower stream helps: with 1 ms their p99 is
    /// about twice what it is without the stream, with 2 ms 1.8 times, at two thirds of the rate. `cargo run --release --example
    /// relay fairness` shows it.
    pub pause: std::time::Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            mode: RelayMode::Auto,
            bulk_after: 4 * 1024 * 1024,
            bulk_again: 1024 * 1024,
            low_water: 256 * 1024,
            linger: std::time::Duration::from_millis(1),
            small_segment: 16 * 1024,
            measured: 1024 * 1024,
            // With four threads the total stays near what an ordinary user may have at full size (64 MiB).
            pipes: 32,
            turn: 1024 * 1024,
            pause: std::time::Duration::from_millis(2),
        }
    }
}

/// What a worker thread lends to the session that it polls.
#[derive(Debug)]
pub struct Resources {
    /// The buffer of the thread.
    pub scratch: Box<[u8]>,
    /// The pipes of the thread.
    pub pipes: PipePool,
    /// The counters of the thread.
    pub counts: Arc<Counters>,
    /// When the relay changes its way of working.
    pub tuning: Tuning,
    /// How often small sessions of the thread had something to say. Wraps.
    pub conversed: u64,
}

impl Resources {
    /// The resources of one thread.
    pub fn new(tuning: Tuning, counts: Arc<Counters>) -> Self {
        Self {
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            pipes: PipePool::new(tuning.pipes),
            counts,
            tuning,
            conversed: 0,
        }
    }
}

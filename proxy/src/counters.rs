//! What a worker thread counts. Only the thread itself writes, so a count is a plain addition, without a lock on the bus; the
//! control plane reads all threads' counters and folds them into metrics.

use crate::outcome::{End, Rejection};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Wraps: what one thread has added another may take away, and only their sum says something.
    fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one worker thread, alone on their cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    accepted: Count,
    accept_errors: Count,
    connections: Count,
    active: Count,
    held: Count,
    bytes_up: Count,
    bytes_down: Count,
    bytes_copied: Count,
    bytes_piped: Count,
    pipe_misses: Count,
    bulk_pauses: Count,
    moved_away: Count,
    closed: [Count; End::ALL.len()],
    rejected: [Count; Rejection::ALL.len()],
}

/// The sum of the threads' counters. Sessions are counted where they begin and where they end, so only the sum over all threads says
/// how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the counters say it")]
pub struct Totals {
    pub accepted: u64,
    pub accept_errors: u64,
    pub connections: u64,
    pub active: u64,
    pub held: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub bytes_copied: u64,
    pub bytes_piped: u64,
    pub pipe_misses: u64,
    pub bulk_pauses: u64,
    pub moved_away: u64,
    pub closed: [u64; End::ALL.len()],
    pub rejected: [u64; Rejection::ALL.len()],
}

impl Counters {
    /// A connection was accepted.
    pub fn accepted(&self) {
        self.accepted.add(1);
        self.connections.add(1);
    }

    /// A connection is over, whatever it was.
    pub fn gone(&self) {
        self.connections.sub(1);
    }

    /// `accept` failed for want of something.
    pub fn accept_failed(&self) {
        self.accept_errors.add(1);
    }

    /// A session is relayed from now on.
    pub fn opened(&self) {
        self.active.add(1);
    }

    /// A relayed session is over.
    pub fn closed(&self, end: End) {
        self.active.sub(1);
        self.closed[end.index()].add(1);
    }

    /// A connection never reached a master.
    pub fn rejected(&self, why: Rejection) {
        self.rejected[why.index()].add(1);
    }

    /// A connection waits for a master.
    pub fn held(&self) {
        self.held.add(1);
    }

    /// A connection waits no longer.
    pub fn unheld(&self) {
        self.held.sub(1);
    }

    /// Bytes went to the master.
    pub fn moved_up(&self, bytes: u64) {
        self.bytes_up.add(bytes);
    }

    /// Bytes went to a client.
    pub fn moved_down(&self, bytes: u64) {
        self.bytes_down.add(bytes);
    }

    /// Bytes went through memory.
    pub fn copied(&self, bytes: u64) {
        self.bytes_copied.add(bytes);
    }

    /// Bytes went through a pipe.
    pub fn piped(&self, bytes: u64) {
        self.bytes_piped.add(bytes);
    }

    /// A pipe was wanted and there was none.
    pub fn pipe_missed(&self) {
        self.pipe_misses.add(1);
    }

    /// A stream left the thread to its small sessions for a moment.
    pub fn bulk_paused(&self) {
        self.bulk_pauses.add(1);
    }

    /// A session goes on on another thread, which counts its end.
    pub fn moved_away(&self) {
        self.moved_away.add(1);
    }

    /// Adds these counters to `totals`.
    pub fn fold_into(&self, totals: &mut Totals) {
        totals.accepted += self.accepted.get();
        totals.accept_errors += self.accept_errors.get();
        totals.connections = totals.connections.wrapping_add(self.connections.get());
        totals.active = totals.active.wrapping_add(self.active.get());
        totals.held += self.held.get();
        totals.bytes_up += self.bytes_up.get();
        totals.bytes_down += self.bytes_down.get();
        totals.bytes_copied += self.bytes_copied.get();
        totals.bytes_piped += self.bytes_piped.get();
        totals.pipe_misses += self.pipe_misses.get();
        totals.bulk_pauses += self.bulk_pauses.get();
        totals.moved_away += self.moved_away.get();
        for (total, count) in totals.closed.iter_mut().zip(&self.closed) {
            *total += count.get();
        }
        for (total, count) in totals.rejected.iter_mut().zip(&self.rejected) {
            *total += count.get();
        }
    }
}

impl Totals {
    /// The sum over `counters`.
    pub fn of<'a>(counters: impl IntoIterator<Item = &'a Counters>) -> Self {
        let mut totals = Self::default();
        for each in counters {
            each.fold_into(&mut totals);
        }
        // The threads are read one after the other, so that an end may be seen whose beginning was not.
        for sum in [&mut totals.connections, &mut totals.active] {
            *sum = u64::try_from(sum.cast_signed()).unwrap_or(0);
        }
        totals
    }

    /// Sessions ended by `end`.
    pub fn closed_by(&self, end: End) -> u64 {
        self.closed[end.index()]
    }

    /// Connections rejected for `why`.
    pub fn rejected_for(&self, why: Rejection) -> u64 {
        self.rejected[why.index()]
    }
}

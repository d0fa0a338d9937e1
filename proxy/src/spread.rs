//! Over how many of the worker threads the sessions are spread, and which of them move. Pure: what the threads did in a period of
//! time goes in, orders come out; what the sessions of a thread did goes in, those that move come out.
//!
//! A message on a thread that is awake already costs less than one that wakes a thread of its own, and where clients, PostgreSQL
//! and the proxy share the cores, every thread that runs takes its turn from the others. So no more threads carry what is going
//! on than have to. Streams are another matter: they delay what is on the same thread, and get further on several.
//! Idle sessions stay where they are, and cost nothing there.
//!
//! A thread's time on a CPU is what counts, not what it waits for one. Where many others want the CPU, more threads would get a
//! larger part of it, and take it from PostgreSQL.

use std::cmp::Reverse;
use std::time::Duration;

/// How often the threads are looked at. Work is moved from a thread two looks after it has become too much for it.
pub const PERIOD: Duration = Duration::from_millis(100);

/// The part of the time that a thread may be on a CPU before what comes in waits too long for what came before.
const ROOM: f64 = 0.6;
/// One thread less is used when each of those that are left would be on a CPU for less than this part of the time. Far enough below
/// [`ROOM`] that it is not one more again at once.
const CALM: f64 = 0.4;
/// For so many periods in a row.
const CALM_PERIODS: u32 = 20;
/// A thread that moves so many bytes in a second has no room for anything else, however little it is on a CPU: bytes wait for the
/// memory, and for those who send and receive them.
const STREAM: f64 = 100e6;
/// Two threads that differ by less than this part of the time are left as they are.
const UNEVEN: f64 = 0.2;
/// The part of the time up to which what threads that are not in use have is brought to one that is.
const FULL: f64 = ROOM + UNEVEN;
/// A thread that is not in use and on a CPU for less than this part of the time has nothing that is worth moving.
const NOTHING: f64 = 0.005;
/// A session that has made less work than this, in messages, is not worth gathering: it may be over already.
const LITTLE_WORK: u64 = 8;

/// One of the worker threads, by its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId(pub usize);

/// What one thread did in the period that has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// The part of the time that it was on a CPU.
    pub busy: f64,
    /// Bytes that it moved, for each second.
    pub rate: f64,
}

impl Load {
    /// How much of a thread it takes, at most 1.
    fn demand(self) -> f64 {
        self.busy.max(self.rate / STREAM).clamp(0.0, 1.0)
    }

    fn is_stream(self) -> bool {
        self.rate >= STREAM
    }
}

/// How much of its work a thread is to part with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// All of it.
    All,
    /// This part, above 0 and below 1.
    Part(f64),
}

/// What a thread is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// From now on it measures anew how much work each session makes.
    Weigh(WorkerId),
    /// It hands sessions that are active over to another thread.
    HandOver {
        /// The thread that has them.
        from: WorkerId,
        /// The thread that gets them.
        to: WorkerId,
        /// How much of the work they make.
        share: Share,
    },
}

/// Decides it.
#[derive(Debug)]
pub struct Spread {
    in_use: usize,
    calm_periods: u32,
    /// The threads whose sessions were weighed in the period that has passed.
    weighed: Vec<WorkerId>,
    /// How often it was decided.
    looks: usize,
}

impl Default for Spread {
    fn default() -> Self {
        Self { in_use: 1, calm_periods: 0, weighed: Vec::new(), looks: 0 }
    }
}

impl Spread {
    /// How many threads are in use, the first ones.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// What follows from a period: the loads of all threads, in their order.
    pub fn decide(&mut self, loads: &[Load]) -> Vec<Order> {
        self.count(loads);
        let demands: Vec<f64> = loads.iter().map(|load| load.demand()).collect();
        let mut orders = loop {
            let (used, unused) = demands.split_at(self.in_use.min(demands.len()));
            match gather(used, unused) {
                Some(orders) => break orders,
                None => self.in_use += 1,
            }
        };
        orders.extend(self.even_out(&demands[..self.in_use.min(demands.len())]));
        orders
    }

    /// The thread did not get this order of the last [decision](Self::decide).
    pub fn was_not_heard(&mut self, order: Order) {
        if let Order::Weigh(thread) = order {
            self.weighed.retain(|its| *its != thread);
        }
    }

    /// Uses as many threads as have room for everything: one for each stream, and those that the rest takes.
    fn count(&mut self, loads: &[Load]) {
        let streams = loads.iter().filter(|load| load.is_stream()).count();
        let rest: f64 =
            loads.iter().filter(|load| !load.is_stream()).map(|load| load.demand()).sum();
        let needed = (streams + threads_for(rest, ROOM)).min(loads.len());
        if needed > self.in_use {
            self.in_use = needed;
            self.calm_periods = 0;
            return;
        }
        let is_calm = streams + threads_for(rest, CALM) < self.in_use;
        self.calm_periods = if is_calm { self.calm_periods + 1 } else { 0 };
        if self.calm_periods >= CALM_PERIODS {
            self.in_use -= 1;
            self.calm_periods = 0;
        }
    }

    /// Moves work from the busiest of the threads in use to the idlest, from the next to the next but one, and so on. Their sessions are
    /// weighed first, for a period: what they did long ago says nothing.
    fn even_out(&mut self, used: &[f64]) -> Vec<Order> {
        let weighed = std::mem::take(&mut self.weighed);
        let mut ranked: Vec<_> = used.iter().copied().enumerate().collect();
        // Of threads that are equally full one may have a single session, which cannot be parted: each comes first in its turn, for
        // the two looks that it takes.
        let turn = self.looks / 2;
        self.looks = self.looks.wrapping_add(1);
        let first = turn.checked_rem(ranked.len()).unwrap_or(0);
        ranked.rotate_left(first);
        ranked.sort_by(|one, other| one.1.total_cmp(&other.1));
        let pairs = ranked.iter().zip(ranked.iter().rev()).take(ranked.len() / 2);
        pairs
            .filter(|((_, low), (_, high))| high - low >= UNEVEN)
            .map(|((to, low), (from, high))| {
                let (from, to) = (WorkerId(*from), WorkerId(*to));
                if weighed.contains(&from) {
                    let share = Share::Part((high - low) / 2.0 / high);
                    return Order::HandOver { from, to, share };
                }
                self.weighed.push(from);
                Order::Weigh(from)
            })
            .collect()
    }
}

/// At least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a thread takes part in it with at most 1"
)]
fn threads_for(demand: f64, each: f64) -> usize {
    ((demand / each).ceil() as usize).max(1)
}

/// Brings what the threads that are not in use have to those that are: each to the one that is the idlest with what it gets. None when
/// there is no room for it.
fn gather(used: &[f64], unused: &[f64]) -> Option<Vec<Order>> {
    let mut filled = used.to_vec();
    let mut orders = Vec::new();
    for (place, demand) in unused.iter().enumerate().filter(|(_, demand)| **demand > NOTHING) {
        let idlest = filled.iter_mut().enumerate().min_by(|one, other| one.1.total_cmp(other.1));
        let (to, its) = idlest.filter(|(_, its)| **its + demand <= FULL)?;
        *its += demand;
        let from = WorkerId(used.len() + place);
        orders.push(Order::HandOver { from, to: WorkerId(to), share: Share::All });
    }
    Some(orders)
}

/// What one session has done since the sessions of its thread were weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<S> {
    /// The session.
    pub session: S,
    /// How much it had to do, in messages.
    pub work: u64,
    /// Whether it is a stream in one direction, and no conversation.
    pub is_stream: bool,
}

/// The sessions that are handed over: of a part, the heaviest first, and none that is heavier than what is left of it. Where there are
/// both streams and conversations only the latter go, so that in the end they are parted.
pub fn choose<S: Copy>(mut candidates: Vec<Candidate<S>>, share: Share) -> Vec<S> {
    let part = match share {
        Share::All => {
            candidates.retain(|candidate| candidate.work >= LITTLE_WORK);
            return candidates.iter().map(|candidate| candidate.session).collect();
        }
        Share::Part(part) => part,
    };
    let total = candidates.iter().fold(0_u64, |sum, candidate| sum.saturating_add(candidate.work));
    let mut left = part_of(total, part);
    candidates.retain(|candidate| candidate.work > 0);
    if candidates.iter().any(|candidate| !candidate.is_stream) {
        candidates.retain(|candidate| !candidate.is_stream);
    }
    candidates.sort_by_key(|candidate| Reverse(candidate.work));
    // The part is half of what two threads differ by. One that is heavier makes them less uneven too, by half if it is not half as
    // heavy again.
    let last = candidates
        .last()
        .filter(|lightest| lightest.work.saturating_mul(2) <= left.saturating_mul(3))
        .copied();
    let fitting = candidates.into_iter().filter(|candidate| {
        let fits = candidate.work <= left;
        if fits {
            left -= candidate.work;
        }
        fits
    });
    let mut chosen: Vec<_> = fitting.map(|candidate| candidate.session).collect();
    if chosen.is_empty() {
        chosen.extend(last.map(|lightest| lightest.session));
    }
    chosen
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a part of a count of messages, whose last digits do not matter"
)]
fn part_of(total: u64, part: f64) -> u64 {
    (total as f64 * part) as u64
}

#[cfg(test)]
mod tests;

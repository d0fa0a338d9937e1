//! Over how many of the worker threads the sessions are spread, and which of them part with sessions. Pure: what the threads did in
//! a period of time goes in, orders come out.
//!
//! A message on a thread that is awake already costs less than one that wakes a thread of its own, and where clients, PostgreSQL
//! and the proxy share the cores, every thread that runs takes its turn from the others. So as few threads as possible carry
//! what is going on: another one is used when those in use are busy, or when a stream meets small sessions that it would delay.
//! Idle sessions stay where they are, and cost nothing there.

/// How often the threads are looked at. One that is overrun gets relief after two looks.
pub const PERIOD: std::time::Duration = std::time::Duration::from_millis(100);

/// A thread that is on a CPU for more than this part of the time is busy: what comes in waits for what came before.
const BUSY: f64 = 0.6;
/// One thread less is used when each of those that are left would be on a CPU for less than this part of the time. Far enough below
/// [`BUSY`] that it is not one more again at once.
const CALM: f64 = 0.3;
/// For so many periods in a row.
const CALM_PERIODS: u32 = 20;
/// A thread that moves more bytes than this in a period (a third of a GB/s) is busy too: bytes wait for the memory and for the CPU
/// time of those who send and receive them, and so several streams get further on several threads, however little each is on a CPU.
const MUCH: u64 = 32 * 1024 * 1024;
/// While a thread moves more than this in a period, no thread is given up.
const STREAM: u64 = 4 * 1024 * 1024;
/// Two threads that differ by less than this part of the time are left as they are.
const UNEVEN: f64 = 0.2;
/// The same, when small sessions are on the same thread as a stream.
const UNEVEN_BESIDE_STREAM: f64 = 0.02;
/// A thread that is not in use and on a CPU for less than this part of the time has nothing that is worth moving.
const NOTHING: f64 = 0.005;

/// One of the worker threads, by its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId(pub usize);

/// What one thread did in the period that has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// The part of the time that it was on a CPU.
    pub busy: f64,
    /// Bytes that it moved.
    pub bytes: u64,
    /// How often a stream had to leave it to small sessions.
    pub pauses: u64,
}

/// How much of its work a thread is to part with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// All of it.
    All,
    /// This part, above 0 and below 1.
    Part(f64),
}

impl Share {
    /// So much of `total`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a part of a count of messages, whose last digits do not matter"
    )]
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::All => total,
            Self::Part(part) => (total as f64 * part) as u64,
        }
    }
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
    /// The thread whose sessions were weighed in the period that has passed.
    weighed: Option<WorkerId>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { in_use: 1, calm_periods: 0, weighed: None }
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
        let (used, unused) = loads.split_at(self.in_use.min(loads.len()));
        let Some(idlest) = extreme(used, |load| -load.busy) else { return Vec::new() };
        let leftover = unused.iter().enumerate().filter(|(_, load)| load.busy > NOTHING);
        let mut orders: Vec<_> = leftover
            .map(|(place, _)| Order::HandOver {
                from: WorkerId(used.len() + place),
                to: idlest,
                share: Share::All,
            })
            .collect();
        orders.extend(self.even_out(used, idlest));
        orders
    }

    /// Uses one thread more or less.
    fn count(&mut self, loads: &[Load]) {
        let used = &loads[..self.in_use.min(loads.len())];
        let is_mixed = used.iter().any(|load| load.pauses > 0);
        let is_short = used.iter().any(|load| load.busy > BUSY || load.bytes > MUCH)
            || (is_mixed && self.in_use == 1);
        if is_short {
            self.in_use = (self.in_use + 1).min(loads.len().max(1));
            self.calm_periods = 0;
            return;
        }
        let busy: f64 = loads.iter().map(|load| load.busy).sum();
        #[expect(clippy::cast_precision_loss, reason = "there are few threads")]
        let is_calm = self.in_use > 1
            && !is_mixed
            && busy < CALM * (self.in_use - 1) as f64
            && loads.iter().all(|load| load.bytes < STREAM);
        self.calm_periods = if is_calm { self.calm_periods + 1 } else { 0 };
        if self.calm_periods >= CALM_PERIODS {
            self.in_use -= 1;
            self.calm_periods = 0;
        }
    }

    /// Moves work from the thread that needs it most. Its sessions are weighed first, for a period: what they did long ago says
    /// nothing.
    fn even_out(&mut self, used: &[Load], idlest: WorkerId) -> Option<Order> {
        let weighed = self.weighed.take();
        let from = extreme(used, |load| if load.pauses > 0 { 1.0 + load.busy } else { load.busy })?;
        let (high, low) = (used[from.0], used[idlest.0]);
        let gap = high.busy - low.busy;
        if gap < if high.pauses > 0 { UNEVEN_BESIDE_STREAM } else { UNEVEN } {
            return None;
        }
        if weighed != Some(from) {
            self.weighed = Some(from);
            return Some(Order::Weigh(from));
        }
        Some(Order::HandOver { from, to: idlest, share: Share::Part(gap / 2.0 / high.busy) })
    }
}

/// The thread for which `rank` is highest; the first of equals.
fn extreme(loads: &[Load], rank: impl Fn(&Load) -> f64) -> Option<WorkerId> {
    let ranks = loads.iter().map(rank).enumerate();
    ranks
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(place, _)| WorkerId(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(busy: f64) -> Load {
        Load { busy, ..Load::default() }
    }

    fn hand_over(from: usize, to: usize, share: Share) -> Order {
        Order::HandOver { from: WorkerId(from), to: WorkerId(to), share }
    }

    /// The orders of several equal periods.
    fn periods(spread: &mut Spread, loads: &[Load], count: u32) -> Vec<Order> {
        (0..count).flat_map(|_| spread.decide(loads)).collect()
    }

    #[test]
    fn what_one_thread_can_carry_is_brought_to_the_first() {
        let mut spread = Spread::default();
        let orders = spread.decide(&[busy(0.1), busy(0.2), busy(0.001)]);
        assert_eq!(orders, [hand_over(1, 0, Share::All)]);
        assert_eq!(spread.in_use(), 1);
    }

    #[test]
    fn idle_threads_get_no_orders() {
        let mut spread = Spread::default();
        assert_eq!(periods(&mut spread, &[busy(0.0); 4], 100), []);
        assert_eq!(spread.in_use(), 1);
    }

    #[test]
    fn a_busy_thread_is_weighed_and_then_relieved_by_half() {
        let mut spread = Spread::default();
        assert_eq!(spread.decide(&[busy(0.8), busy(0.0)]), [Order::Weigh(WorkerId(0))]);
        assert_eq!(spread.decide(&[busy(0.8), busy(0.0)]), [hand_over(0, 1, Share::Part(0.5))]);
        assert_eq!(spread.decide(&[busy(0.45), busy(0.4)]), []);
        assert_eq!(spread.in_use(), 2);
    }

    #[test]
    fn much_is_busy_however_little_it_costs() {
        let mut spread = Spread::default();
        let streams = [Load { busy: 0.4, bytes: 2 * MUCH, pauses: 0 }, busy(0.0)];
        assert_eq!(spread.decide(&streams), [Order::Weigh(WorkerId(0))]);
        assert_eq!(spread.decide(&streams), [hand_over(0, 1, Share::Part(0.5))]);
        assert_eq!(spread.in_use(), 2);
    }

    #[test]
    fn as_many_threads_are_used_as_are_busy_and_no_more_than_there_are() {
        let mut spread = Spread::default();
        periods(&mut spread, &[busy(0.9); 3], 10);
        assert_eq!(spread.in_use(), 3);
        let mut alone = Spread::default();
        assert_eq!(periods(&mut alone, &[busy(1.0)], 10), []);
        assert_eq!(alone.in_use(), 1);
        assert_eq!(Spread::default().decide(&[]), []);
    }

    #[test]
    fn a_thread_is_given_up_only_when_it_has_been_calm_for_long() {
        let mut spread = Spread::default();
        periods(&mut spread, &[busy(0.9), busy(0.9)], 2);
        assert_eq!(periods(&mut spread, &[busy(0.1), busy(0.1)], CALM_PERIODS - 1), []);
        assert_eq!(periods(&mut spread, &[busy(0.25), busy(0.25)], 1), []);
        assert_eq!(periods(&mut spread, &[busy(0.1), busy(0.1)], CALM_PERIODS - 1), []);
        assert_eq!(spread.in_use(), 2);
        let orders = spread.decide(&[busy(0.1), busy(0.1)]);
        assert_eq!(orders, [hand_over(1, 0, Share::All)]);
        assert_eq!(spread.in_use(), 1);
    }

    #[test]
    fn a_stream_and_small_sessions_are_parted_and_stay_so_while_it_flows() {
        let mut spread = Spread::default();
        let mixed = [Load { busy: 0.2, bytes: 2 * STREAM, pauses: 7 }, busy(0.0)];
        assert_eq!(spread.decide(&mixed), [Order::Weigh(WorkerId(0))]);
        assert_eq!(spread.decide(&mixed), [hand_over(0, 1, Share::Part(0.5))]);
        let parted = [Load { busy: 0.15, bytes: 2 * STREAM, pauses: 0 }, busy(0.05)];
        assert_eq!(periods(&mut spread, &parted, 10 * CALM_PERIODS), []);
        assert_eq!(spread.in_use(), 2);
        periods(&mut spread, &[busy(0.0), busy(0.05)], CALM_PERIODS);
        assert_eq!(spread.in_use(), 1);
    }

    #[test]
    fn one_heavy_session_alone_is_weighed_at_times_and_nothing_worse() {
        let mut spread = Spread::default();
        let orders = periods(&mut spread, &[busy(1.0), busy(0.0)], 100);
        let parted = orders.iter().filter(|order| matches!(order, Order::HandOver { .. }));
        // The thread keeps what is more than the share.
        assert!(parted.clone().all(|order| *order == hand_over(0, 1, Share::Part(0.5))));
        assert_eq!(parted.count(), 50);
    }
}
